"""The doctor: every id has a cause, faults are told apart, advice is concrete, secrets stay covered."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runs.doctor import CAUSES, FAMILIES, Cause, cause_of, diagnose, is_platform_fault
from runs.evidence import MAX_LINES, telling_lines, without_secrets
from runs.patient import Patient
from tests.house.sources import ROOT
from tests.runs.faults import FAULTS, Fault
from training.recipe import parse_recipe
from training.recipe_study import with_changes

_ID = re.compile(r"[a-z]+:[a-z0-9]+(-[a-z0-9]+)*")
# What only the command line says: no run of a hub ends so.
TERMINAL = {"cli", "demo", "compare", "publish", "benchmark", "predict", "repo"}
# How a run ends without having failed, and what only a person's own client says.
NO_FAILURES = {"run:canceled", "run:interrupted", "hub:refused"}


def ids_in(folder: str) -> set[str]:
    """Every text of the source that is spelled as a message id, other than tags and prefixes."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        if "migrations" in path.parts or path.name == "doctor.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ID.fullmatch(node.value):
                found.add(node.value)
    return found


KNOWN_FAMILIES = {*FAMILIES, *(name.partition(":")[0] for name in CAUSES)}


def test_every_id_that_a_run_can_end_with_has_a_cause() -> None:
    found = {one for one in ids_in("training") | ids_in("runs") if one.partition(":")[0] in KNOWN_FAMILIES}
    assert len(found) > 150
    nameless = {
        one for one in found - NO_FAILURES if one.partition(":")[0] not in FAMILIES and one not in CAUSES
    }
    assert nameless == set(), "name each in runs/doctor.py"


def test_no_family_of_ids_is_unknown() -> None:
    """A new family is caught where it is raised: in an error of the engine, or the end of a run."""
    raised = set()
    for folder in ("training", "runs"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            raised |= {m[1] for m in re.finditer(r'(?:Error\(|message_id=)\s*"([a-z]+):[a-z0-9-]+"', text)}
    assert raised - KNOWN_FAMILIES - TERMINAL == set()


def test_no_cause_is_named_for_an_id_that_nobody_says() -> None:
    assert set(CAUSES) - ids_in("training") - ids_in("runs") == set()


@pytest.mark.parametrize(
    ("message_id", "platform"),
    [
        ("", False),
        ("data:empty", False),
        ("recipe:invalid", False),
        ("model:pickle", False),
        ("train:diverged", False),
        ("run:timeout", False),
        ("run:repo-deleted", False),
        ("worker:out-of-memory", False),
        ("train:out-of-memory", False),
        ("run:worker-lost", True),
        ("worker:failed", True),
        ("worker:disk-full", True),
        ("hub:disk-full", True),
        ("worker:hub-unreachable", True),
        ("engine:feature-shape", True),
        ("nobody:knows", True),
    ],
)
def test_whose_fault_it_is(message_id: str, platform: bool) -> None:
    assert is_platform_fault(message_id) is platform


# --- injected faults


def test_injected_faults_are_told_apart(tmp_path: Path, record_property: Any) -> None:
    """At least nine in ten of the faults are given the cause that was injected; the figure is printed."""
    wrong = {}
    for number, fault in enumerate(FAULTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        message_id, message = fault.happen(folder)
        found = diagnose(message_id, message).cause
        if found != fault.cause:
            wrong[fault.name] = f"{message_id}: {message[:120]} → {found}, not {fault.cause}"
    right = len(FAULTS) - len(wrong)
    record_property("right", right)
    print(f"\nThe doctor is right about {right} of {len(FAULTS)} faults ({right / len(FAULTS):.0%}).")
    for name, text in wrong.items():
        print(f"  wrong: {name}: {text}")
    assert len(FAULTS) >= 30
    assert {fault.cause for fault in FAULTS} == set(Cause)
    assert right / len(FAULTS) >= 0.9, wrong


# --- advice


@dataclass
class Past:
    number: int = 1
    outcome: str = "lost"
    worker_name: str = "gpu-1"
    seconds: float = 61.0
    from_step: int = 0


def recipe(**changes: Any) -> dict[str, Any]:
    plain = {"base_model": {"repo": "a/base"}, "dataset": {"repo": "a/data"}, "strategy": {"kind": "full"}}
    return with_changes(
        parse_recipe(plain).as_dict(), {name.replace("__", "."): v for name, v in changes.items()}
    )


def advice(
    message_id: str, message: str = "", *, attempts: Any = (), summary: Any = None, **patient: Any
) -> Any:
    patient.setdefault("recipe", recipe())
    return diagnose(message_id, message, (), attempts, summary, patient=Patient(**patient))


def test_memory_halves_the_batch_and_doubles_the_accumulation() -> None:
    found = advice("worker:out-of-memory", summary={"resources": {"peak_memory_bytes": 3.2e9}})
    assert found.action.changes == {"optim.batch_size": 16, "optim.grad_accum_steps": 2}
    assert "16" in found.next_step
    assert "3.2 GB" in found.next_step


def test_a_batch_of_one_is_not_halved() -> None:
    found = advice("worker:out-of-memory", recipe=recipe(optim__batch_size=1, dataset__image_size=128))
    assert found.action.changes == {"dataset.image_size": 64}
    found = advice("worker:out-of-memory", recipe=recipe(optim__batch_size=1))
    assert found.action.changes == {"strategy.kind": "head"}


def test_where_nothing_can_be_less_no_change_is_made_up() -> None:
    found = advice("worker:out-of-memory", recipe=recipe(optim__batch_size=1, strategy__kind="head"))
    assert dict(found.action.changes) == {}
    assert "larger kind of hardware" in found.next_step


def test_the_gpus_memory_was_tried_with_smaller_batches_already() -> None:
    found = advice("train:out-of-memory", recipe=recipe(dataset__image_size=224))
    assert found.action.changes == {"dataset.image_size": 112}


def test_a_loss_that_ran_away_is_tried_with_a_tenth_of_the_rate() -> None:
    found = advice("train:diverged", recipe=recipe(optim__lr=0.003))
    assert found.action.changes == {"optim.lr": 0.0003}
    assert "0.0003" in found.next_step


def test_a_missing_column_is_named_with_those_there_are() -> None:
    table = parse_recipe(
        {
            "task": "tabular-regression",
            "init": "scratch",
            "strategy": {"kind": "full"},
            "dataset": {"repo": "a/houses", "target_column": "prise"},
        }
    ).as_dict()
    message = "The table has no column 'prise'; its columns are: area, age, price."
    found = advice("data:missing-column", message, recipe=table)
    assert found.action.changes == {"dataset.target_column": "price"}
    assert "'price'" in found.next_step
    far = advice("data:missing-column", message.replace("prise", "xyz"), recipe=table)
    assert dict(far.action.changes) == {}
    assert "area, age, price" in far.next_step


def test_time_goes_on_from_the_checkpoint_else_is_made_to_suffice() -> None:
    found = advice("run:timeout", step=50, total=100, checkpoint_step=40)
    assert (found.action.kind, "after step 40" in found.next_step, "50%" in found.next_step) == (
        "resume",
        True,
        True,
    )
    assert advice("run:timeout", step=50, total=100).action.changes == {"strategy.kind": "head"}
    head = recipe(strategy__kind="head", optim__epochs=10)
    assert advice("run:timeout", step=50, total=100, recipe=head).action.changes == {"optim.epochs": 4}


def test_workers_lost_again_and_again_point_to_memory() -> None:
    past = [Past(number) for number in (1, 2, 3, 4)]
    found = advice("run:worker-lost", attempts=past)
    assert found.is_ours
    assert found.action.changes["optim.batch_size"] == 16
    assert found.evidence[0] == "attempt 1 on gpu-1: lost after 61 s"
    assert advice("run:worker-lost", attempts=past[:1]).action.kind == "retry"


@pytest.mark.parametrize("message_id", ["worker:failed", "worker:hub-unreachable", "hub:disk-full"])
def test_our_faults_are_tried_again_or_go_on(message_id: str) -> None:
    assert advice(message_id).action.kind == "retry"
    assert advice(message_id, checkpoint_step=7).action.kind == "resume"
    assert "our fault" in advice(message_id).sentence


@pytest.mark.parametrize("message_id", [*CAUSES, "data:empty", "recipe:invalid", "model:pickle", "x:y"])
def test_advice_never_fails_whatever_is_known(message_id: str) -> None:
    for given in ({}, {"optim": None}, {"optim": {"lr": "x", "batch_size": "y"}}, recipe()):
        found = advice(message_id, recipe=given)
        assert found.next_step.endswith((".", "?"))
        assert found.cause == cause_of(message_id)
        if found.action and found.action.changes and given == recipe():
            parse_recipe(with_changes(given, found.action.changes))


# --- evidence


def test_the_lines_that_speak_of_it_are_chosen() -> None:
    lines = [f"step {n}" for n in range(50)]
    lines[20] = "reading cats/0017.png"
    lines[40:42] = ["Traceback (most recent call last):", "ValueError: could not read"]
    message = "The image cats/0017.png (train.csv, row 17) cannot be read."
    assert telling_lines([*lines, message], message) == [
        "reading cats/0017.png",
        "Traceback (most recent call last):",
        "ValueError: could not read",
    ]


def test_without_a_word_of_trouble_the_last_lines_stand() -> None:
    assert telling_lines(["one", "two", "three", "four"], "gone") == ["two", "three", "four"]
    assert telling_lines([], "gone") == []
    assert diagnose("data:empty", "No rows.", ["one", "two"]).evidence == []  # the message says all
    assert diagnose("worker:failed", "We failed.", ["one", "two"]).evidence == ["one", "two"]


def test_evidence_is_bounded() -> None:
    found = telling_lines([f"error {n} " + "x" * 5000 for n in range(500)], "")
    assert len(found) == MAX_LINES
    assert max(map(len, found)) <= 300


SECRETS = [
    "hf_" + "a" * 34,
    "tyw_journeysjourneysjourneys",
    "Authorization: Bearer abc.def-ghi_jkl",
    "https://alice:hunter2pass@example.org/x",
    "GET /file?signature=deadbeefdeadbeef&x=1",
    '{"password": "hunter2pass"}',
    "api_key=hunter2pass",
]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_covered(text: str) -> None:
    shown = telling_lines([f"error: {text} was refused"], "")[0]
    assert "[hidden]" in shown
    for word in ("a" * 20, "journeysjourneys", "abc.def", "hunter2", "deadbeef"):
        assert word not in shown


def test_plain_words_are_left_alone() -> None:
    text = "The column 'price' holds NaN in row 17 of train.csv (step 3 of 10)."
    assert without_secrets(text) == text


def test_a_fault_is_told_from_its_message_alone() -> None:
    fault = Fault("", "data", lambda folder: ("data:empty", "The split 'train' holds no rows."))
    message_id, message = fault.happen(Path())
    assert diagnose(message_id, message).next_step
