"""Runs side by side, and the list they are picked from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import User
from models_app.content.evals import lower_is_better
from runs import compare, compare_measures
from runs.models import Run, RunMetric, Stage, Sweep
from tests.runs.conftest import World

BACKEND = "accounts.backends.AccountBackend"


def finished(
    world: World, name: str, *, value: float = 0.9, changes: dict[str, Any] | None = None, **fields: Any
) -> Run:
    """A completed run with an evaluation, a curve and its own recipe."""
    run = world.submit(f"alice/{name}", recipe=changes or {})
    evaluation = {"metric": "accuracy", "value": value, "accuracy": value, "n": 1000}
    evaluation |= {"lo": round(value - 0.02, 4), "hi": round(value + 0.02, 4)}
    summary = {
        "evaluation": evaluation | fields.pop("evaluation", {}),
        "metrics": {"val/loss": 1 - value, "val/accuracy": value},
        "resources": {"peak_memory_bytes": 1.5e9},
    }
    now = timezone.now()
    values = {"stage": Stage.COMPLETED, "summary": summary, "claimed_at": now, "finished_at": now} | fields
    Run.objects.filter(pk=run.pk).update(**values)
    run.refresh_from_db()
    for step in (1, 2):
        RunMetric.objects.create(run=run, step=step, name="val/loss", value=1 / step)
    return run


def address(*runs: Run) -> str:
    return "/runs/compare?runs=" + ",".join(str(run.uuid) for run in runs)


# --- the comparison


def test_two_runs_side_by_side(world: World, client: Client) -> None:
    one = finished(world, "one", value=0.80, changes={"optim": {"lr": 0.001}})
    other = finished(world, "other", value=0.95, changes={"optim": {"lr": 0.01}, "seed": 7})
    text = client.get(address(one, other)).text
    for words in ("optim.lr", "0.001", "0.01", "80.00 %", "95.00 %", "93.0 % – 97.0 %", "1.5 GB"):
        assert words in text
    assert text.count(">best<") == 1  # other seeds draw other validation rows
    sources = f'src="/runs/{one.uuid}/metrics.json /runs/{other.uuid}/metrics.json"'
    assert sources in text
    assert 'series="val/loss" names="one,other"' in text
    assert "every=" not in text  # nothing more will come


def test_only_fields_that_differ_are_told_apart(world: World) -> None:
    runs = [finished(world, "a"), finished(world, "b", changes={"optim": {"epochs": 9}})]
    differing, same = compare.differing(runs)
    assert [row.name for row in differing] == ["optim.epochs"]
    assert "base_model.repo" in [row.name for row in same]
    alike = [finished(world, "c"), finished(world, "d")]
    assert compare.differing(alike)[0] == []


def test_less_is_better_where_it_is(world: World) -> None:
    told = {"metric": "rmse", "accuracy": None, "lo": None, "hi": None}
    runs = [
        finished(world, name, evaluation=told | {"value": value, "rmse": value, "coverage": value / 10})
        for name, value in [("a", 5.0), ("b", 3.0), ("c", 3.0)]
    ]
    by_name = {measure.metric: measure for measure in compare_measures.measures_of(runs)}
    assert [cell.is_best for cell in by_name["rmse"].cells] == [False, True, True]
    assert not any(cell.is_best for cell in by_name["coverage"].cells)


def test_nothing_is_better_where_the_rows_differ(world: World, client: Client) -> None:
    one, other = finished(world, "one", value=0.8), finished(world, "other", value=0.9)
    recipe = {**other.recipe, "benchmark": {**other.recipe["benchmark"], "split": "validation"}}
    Run.objects.filter(pk=other.pk).update(recipe=recipe)
    other.refresh_from_db()
    assert not any(cell.is_best for row in compare_measures.measures_of([one, other]) for cell in row.cells)
    assert "not measured on the same rows" in client.get(address(one, other)).text


def test_validation_is_compared_on_the_same_rows_alone(world: World) -> None:
    one, other = finished(world, "one", value=0.8), finished(world, "other", value=0.9)
    assert any(cell.is_best for row in compare_measures.validation_of([one, other]) for cell in row.cells)
    seeded = finished(world, "seeded", value=0.95, changes={"seed": 3})  # draws other rows
    assert not any(
        cell.is_best for row in compare_measures.validation_of([one, seeded]) for cell in row.cells
    )


def test_overlapping_intervals_are_told(world: World, client: Client) -> None:
    near = [finished(world, "a", value=0.90), finished(world, "b", value=0.91)]
    far = [near[0], finished(world, "c", value=0.99)]
    assert compare_measures.measures_of(near)[0].is_close
    assert not compare_measures.measures_of(far)[0].is_close
    assert "the intervals overlap" in client.get(address(*near)).text


def test_equal_numbers_have_no_winner(world: World) -> None:
    runs = [finished(world, "a"), finished(world, "b")]
    assert not any(cell.is_best for row in compare_measures.measures_of(runs) for cell in row.cells)


def test_private_runs_go_through_the_gate(world: World, client: Client, carol: User) -> None:
    seen, hidden, other = finished(world, "seen"), finished(world, "hidden"), finished(world, "other")
    assert hidden.target_repo is not None
    hidden.target_repo.private = True
    hidden.target_repo.save()
    client.force_login(carol, backend=BACKEND)
    text = client.get(address(seen, hidden, other)).text
    assert "One of these runs does not exist, or you may not see it." in text
    # The frame's forms lead back to this address, which the reader wrote.
    assert str(hidden.uuid) not in text.partition("<main")[2]
    assert "alice/hidden" not in text
    assert "Two runs at least" in client.get(address(seen, hidden)).text
    client.force_login(world.alice, backend=BACKEND)
    assert "hidden" in client.get(address(seen, hidden)).text


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?runs=",
        "?runs=,,,",
        "?runs=nonsense",
        "?runs=00000000-0000-4000-8000-000000000000",
        "?runs=%00",
        "?runs=" + "a," * 400,
        "?run=%0d%0aX:1&run=<script>",
    ],
)
def test_bad_addresses_lead_to_the_list(world: World, client: Client, query: str) -> None:
    answer = client.get("/runs/compare" + query, follow=True)
    assert answer.status_code == 200
    assert "Two runs at least" in answer.text


def test_the_lists_form_leads_to_the_address_to_share(world: World, client: Client) -> None:
    one, other = finished(world, "one"), finished(world, "other")
    answer = client.get(f"/runs/compare?run={one.uuid}&run={other.uuid}&run={one.uuid}")
    assert answer["Location"] == address(one, other)


def test_no_more_than_eight_are_shown(world: World, client: Client) -> None:
    Run.objects.filter(pk=finished(world, "r0").pk)
    runs = [finished(world, f"n{number}") for number in range(10)]
    found = compare.chosen(Actor(world.alice), [",".join(str(run.uuid) for run in runs)])
    assert (len(found.runs), found.too_many) == (8, 2)
    assert "Only the first 8 runs are shown." in client.get(address(*runs)).text


def test_runs_of_one_target_are_told_apart(world: World) -> None:
    one, other = finished(world, "one"), finished(world, "other")
    other.target_repo = one.target_repo
    assert compare.names_of([one, other]) == [f"one ({str(run.uuid)[:4]})" for run in (one, other)]


def test_a_run_that_goes_on_is_followed(world: World, client: Client) -> None:
    one, other = finished(world, "one"), finished(world, "other", stage=Stage.RUNNING)
    assert 'every="4"' in client.get(address(one, other)).text


@pytest.mark.parametrize(
    ("summary", "recipe"), [({}, {}), ({"metrics": 3, "evaluation": {}, "resources": {}}, {"optim": None})]
)
def test_old_and_odd_runs_break_no_comparison(
    world: World, client: Client, summary: dict[str, Any], recipe: dict[str, Any]
) -> None:
    one, other = finished(world, "one"), finished(world, "other")
    Run.objects.filter(pk=other.pk).update(summary=summary, recipe=recipe, target_repo=other.target_repo)
    assert client.get(address(one, other)).status_code == 200


@pytest.mark.parametrize(
    ("metric", "lower"),
    [
        *[(name, True) for name in ("loss", "rmse_log", "mase", "wape", "pinball", "log_loss")],
        *[(name, False) for name in ("accuracy", "r2", "map", "imagenet", "ndcg@10")],
    ],
)
def test_which_way_a_metric_is_better(metric: str, lower: bool) -> None:
    assert lower_is_better(metric) is lower


# --- the list


def names(client: Client, query: str) -> list[str]:
    rows = client.get("/runs" + query).context["rows"]
    return [run.target_repo.name for run in rows]


def test_the_list_is_narrowed_by_what_runs_are_made_of(world: World, client: Client) -> None:
    one, other = finished(world, "one"), finished(world, "other")
    Run.objects.filter(pk=other.pk).update(
        recipe={**other.recipe, "task": "tabular-regression"}, base_repo=one.target_repo
    )
    assert names(client, "?task=tabular-regression") == ["other"]
    assert names(client, "?model=alice/base") == ["one"]
    assert names(client, "?model=Alice/One") == ["other"]
    assert names(client, "?dataset=alice/digits&task=image-classification") == ["one"]
    assert names(client, "?dataset=carol/none") == []
    facets = {facet.name: facet for facet in client.get("/runs?model=alice/base").context["facets"]}
    assert [(choice.value, choice.count) for choice in facets["task"].choices] == [
        ("image-classification", 1)
    ]
    assert {choice.value for choice in facets["model"].choices} == {"alice/base", "alice/one"}


def test_the_list_is_searched(world: World, client: Client) -> None:
    one = finished(world, "first-net")
    finished(world, "second-net")
    assert names(client, "?search=FIRST") == ["first-net"]
    assert names(client, "?search=alice net") == ["second-net", "first-net"]
    assert names(client, "?search=alice/second") == ["second-net"]
    assert names(client, f"?search={one.uuid}") == ["first-net"]
    assert names(client, "?search=first second") == []
    assert "No runs like that" in client.get("/runs?search=zzz").text
    for query in ("%00", "'" * 300, "/", "a/b/c", "☃"):
        assert client.get("/runs?search=" + query).status_code == 200


def test_the_list_is_sorted(world: World, client: Client) -> None:
    now = timezone.now()
    finished(world, "good", value=0.9, finished_at=now + timedelta(seconds=30))
    finished(world, "best", value=0.95, finished_at=now + timedelta(seconds=90))
    finished(world, "poor", value=0.5, finished_at=now + timedelta(seconds=60))
    told = {"metric": "rmse", "accuracy": None}
    finished(world, "near", evaluation=told | {"value": 1.0})
    finished(world, "wide", evaluation=told | {"value": 3.0})
    world.submit("alice/waiting")
    assert names(client, "?sort=score") == ["best", "good", "poor", "near", "wide"]
    assert names(client, "?sort=longest")[:3] == ["best", "poor", "good"]
    assert names(client, "?sort=quickest")[-1] == "best"
    assert names(client, "?sort=oldest")[0] == "good"
    assert names(client, "?sort=nonsense")[0] == "waiting"


def test_scores_are_sorted_page_by_page(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runs.list_views.PAGE_SIZE", 2)
    for number, value in enumerate([0.5, 0.9, 0.7]):
        finished(world, f"n{number}", value=value)
    assert names(client, "?sort=score") == ["n1", "n2"]
    assert names(client, "?sort=score&page=2") == ["n0"]


def test_a_sweeps_runs_are_listed_for_those_who_see_them(world: World, client: Client, carol: User) -> None:
    run = finished(world, "swept")
    finished(world, "alone")
    sweep = Sweep.objects.create(namespace=run.namespace, created_by=world.alice, name="rates", recipe={})
    Run.objects.filter(pk=run.pk).update(sweep=sweep)
    assert names(client, f"?sweep={sweep.uuid}") == ["swept"]
    assert "rates" in client.get(f"/runs?sweep={sweep.uuid}").text
    assert len(names(client, "?sweep=nonsense")) == 2
    assert run.target_repo is not None
    run.target_repo.private = True
    run.target_repo.save()
    assert "rates" not in client.get(f"/runs?sweep={sweep.uuid}").text


def test_a_search_keeps_the_other_choices(world: World, client: Client) -> None:
    finished(world, "one")
    text = client.get("/runs?stage=COMPLETED&task=image-classification&search=one").text
    for name, value in [("stage", "COMPLETED"), ("task", "image-classification")]:
        assert f'<input type="hidden" name="{name}" value="{value}">' in text
    assert 'value="one"' in text


def test_a_base_models_page_leads_to_its_runs(world: World, client: Client) -> None:
    finished(world, "one")
    finished(world, "other")
    text = client.get("/alice/base").text
    assert 'href="/runs?model=alice/base"' in text
    assert "2 runs began with this model" in text
