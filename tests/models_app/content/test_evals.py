"""Benchmarks and results: what is read, what is refused, how models are ranked."""

from __future__ import annotations

import math

import pytest
import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

from models_app.content.evals import parse_benchmark, parse_results, rank, wilson


def test_a_benchmark_is_a_list_of_tasks_with_sensible_defaults() -> None:
    text = "name: Digits\ndescription: d\ntasks:\n- {id: digits}\n- {id: speed, split: val, metric: wer}"
    spec, problems = parse_benchmark(text)
    assert problems == []
    assert spec is not None
    assert (spec.name, spec.description) == ("Digits", "d")
    first, second = spec.tasks
    assert (first.id, first.split, first.metric, first.higher_is_better) == (
        "digits",
        "test",
        "accuracy",
        True,
    )
    assert (second.split, second.higher_is_better) == ("val", False)
    assert first.as_dict()["pipeline_tag"] == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tasks: 3", "a mapping with a list of tasks"),
        ("[", "not valid YAML"),
        ("tasks: []", "names no task"),
        ("tasks: [{split: test}, 4]", "task 1 needs an id"),
    ],
)
def test_no_usable_task_makes_no_benchmark(text: str, words: str) -> None:
    spec, problems = parse_benchmark(text)
    assert spec is None
    assert words in " ".join(problems)


def test_a_task_given_twice_counts_once() -> None:
    spec, problems = parse_benchmark("tasks: [{id: a}, {id: a, metric: x}]")
    assert spec is not None
    assert [task.metric for task in spec.tasks] == ["accuracy"]
    assert problems == ["eval.yaml: the task a is given twice."]


def test_results_are_read_as_the_stock_client_writes_them() -> None:
    entry = EvalResultEntry(
        dataset_id="demo/mnist-5k", task_id="digits", value=0.975, dataset_revision="a" * 40,
        verify_token="t", date="2026-01-15T10:30:00Z", source_url="https://x.org", source_name="X", notes="n",
    )  # fmt: skip
    (found,), problems = parse_results(yaml.dump(eval_result_entries_to_yaml([entry])))
    assert problems == []
    assert (found.dataset_id, found.task_id, found.value) == ("demo/mnist-5k", "digits", 0.975)
    assert (found.revision, found.verify_token, str(found.date)) == ("a" * 40, "t", "2026-01-15")
    assert (found.source, found.notes) == ({"url": "https://x.org", "name": "X"}, "n")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("3", "dataset must be a mapping"),
        ("{dataset: {id: x, task_id: t}, value: 1}", "dataset.id must be"),
        ("{dataset: {id: ../etc/passwd, task_id: t}, value: 1}", "dataset.id must be"),
        ("{dataset: {id: a/b}, value: 1}", "dataset.task_id must be"),
        ("{dataset: {id: a/b, task_id: t}, value: high}", "value must be a finite number"),
        ("{dataset: {id: a/b, task_id: t}, value: .nan}", "value must be a finite number"),
        ("{dataset: {id: a/b, task_id: t}, value: true}", "value must be a finite number"),
        ("{dataset: {id: a/b, task_id: t}}", "value must be a finite number"),
    ],
)
def test_an_unsound_entry_is_left_out_and_told_by_number(entry: str, words: str) -> None:
    good = "{dataset: {id: a/b, task_id: t}, value: 1}"
    entries, problems = parse_results(f"- {good}\n- {entry}\n")
    assert [found.value for found in entries] == [1.0]
    assert problems[0].startswith("Entry 2: ")
    assert words in problems[0]


def test_a_file_that_is_no_list_has_no_entries() -> None:
    assert parse_results("a: 1") == ([], ["A results file must be a list of entries."])


def ranks(values: list[float | None], higher_is_better: bool = True) -> list[tuple[int, float | None]]:
    return rank(values, value=lambda value: value, higher_is_better=higher_is_better)


def test_ties_share_a_rank_and_the_next_is_skipped() -> None:
    assert ranks([0.5, 0.9, 0.7, 0.7 + 1e-12, 0.6]) == [
        (1, 0.9),
        (2, 0.7),
        (2, 0.7 + 1e-12),
        (4, 0.6),
        (5, 0.5),
    ]


def test_lower_is_better_turns_the_order_round() -> None:
    assert [value for _, value in ranks([3.0, 1.0, 2.0], higher_is_better=False)] == [1.0, 2.0, 3.0]


def test_what_was_not_measured_comes_last_whichever_way() -> None:
    for higher in (True, False):
        placed = ranks([math.nan, 0.2, None, 0.1], higher)
        assert [place for place, _ in placed] == [1, 2, 3, 3]
        assert [value for _, value in placed][2:] == [pytest.approx(math.nan, nan_ok=True), None]


def test_an_empty_board_is_empty() -> None:
    assert ranks([]) == []


def test_the_wilson_interval_matches_published_numbers() -> None:
    # Newcombe 1998, table I: 81 of 263, and 0 of 20, 95 %.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(29, 29)[1] == 1.0


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 5), (6, 5), (math.nan, 5)])
def test_impossible_counts_have_no_interval(successes: float, n: int) -> None:
    with pytest.raises(ValueError, match="need 0 <= successes"):
        wilson(successes, n)
