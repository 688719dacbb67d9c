"""Sweeps: all runs or none, problems by axis and value, ranks and spreads, who may see and change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.actor import ANONYMOUS, Actor, Level
from accounts.models import User
from models_app.access import Forbidden, LoginRequired
from models_app.models import Benchmark, Repo
from runs import sweeps
from runs.actions import RunHasEnded
from runs.lifecycle import finish_run
from runs.models import Run, Stage, Sweep
from runs.quotas import TooManyRuns
from runs.sweep_access import SweepNotFound, access_sweep
from runs.sweep_rows import board_of
from runs.templatetags import sweep_pages
from tests.models_app.people import by_token, organization
from tests.runs.conftest import Sent, World, make_repo
from training.recipe import RecipeError, parse_recipe

RATES = {"optim.lr": [0.1, 0.01, 0.001]}


def start(world: World, axes: dict[str, Any] = RATES, *, actor: Actor | None = None, **options: Any) -> Sweep:
    recipe = parse_recipe(world.recipe(**options.pop("recipe", {})))
    options.setdefault("name", "probe")
    with world.capture(execute=True):
        return sweeps.submit_sweep(actor or Actor(world.alice), recipe=recipe, axes=axes, **options)


def problems_of(refusal: pytest.ExceptionInfo[RecipeError]) -> dict[str, str]:
    return {problem.field: problem.message for problem in refusal.value.problems}


def git_folders(settings: Any) -> set[Path]:
    return set(Path(settings.HUB_GIT_DIR).glob("**/HEAD"))


def complete(world: World, run: Run, value: float | None = None, **summary: Any) -> None:
    """The run ends with this accuracy on the benchmark."""
    run = world.claim(run).run
    measured = (
        {"evaluation": {"accuracy": value, "n": 10}, "ranked_by": "accuracy"} if value is not None else {}
    )
    finish_run(run, stage=Stage.COMPLETED, summary={**measured, **summary})


# --- submitting


def test_every_point_is_a_run_of_the_same_commits(world: World, sent: Sent) -> None:
    sweep = start(world, {**RATES, "seed": [0, 1]})
    runs = list(sweep.runs.order_by("sweep_index"))
    assert [run.sweep_index for run in runs] == [0, 1, 2, 3, 4, 5]
    assert [run.target_repo.repo_id for run in runs] == [f"alice/probe-{n}" for n in range(1, 7)]
    assert {(run.recipe["optim"]["lr"], run.recipe["seed"]) for run in runs} == {
        (lr, seed) for lr in (0.1, 0.01, 0.001) for seed in (0, 1)
    }
    assert {run.base_oid for run in runs} == {world.base.head_oid}
    assert all(run.recipe["dataset"]["revision"] == world.data.head_oid for run in runs)
    assert {run.recipe["optim"]["lr"] for run in runs[:3]} == set(RATES["optim.lr"])  # early ones tell of all
    assert sent
    assert sweep.axes == {"optim.lr": [0.1, 0.01, 0.001], "seed": [0, 1]}
    assert sweep.recipe["base_model"]["revision"] == world.base.head_oid


def test_drawn_settings(world: World) -> None:
    axes = {"optim.lr": {"low": 1e-4, "high": 0.1, "log": True}, "seed": [0, 1]}
    sweep = start(world, axes, mode="random", samples=3)
    rates = [run.recipe["optim"]["lr"] for run in sweep.runs.all()]
    assert (len(rates), len(set(rates))) == (6, 3)
    assert all(1e-4 <= rate <= 0.1 for rate in rates)


def test_all_problems_come_at_once_and_nothing_is_made(world: World, settings: Any) -> None:
    before = git_folders(settings)
    axes = {"optim.lr": [0.1, 100.0], "optim.epochs": [0]}
    with pytest.raises(RecipeError) as refusal:
        start(world, axes, name="a b", recipe={"dataset": {"repo": "alice/none"}, "benchmark": None})
    found = problems_of(refusal)
    assert {"axes.optim.lr", "axes.optim.epochs", "name", "dataset.repo"} <= set(found)
    assert found["axes.optim.lr"] == "axes.optim.lr: optim.lr must be at most 10, got 100.0."
    assert not Sweep.objects.exists()
    assert not Run.objects.exists()
    assert git_folders(settings) == before


def test_one_taken_name_takes_all_back(world: World, settings: Any, sent: Sent) -> None:
    make_repo(world.alice, "model", "probe-3", {"model.safetensors": b"w"})
    before = git_folders(settings)
    with pytest.raises(RecipeError) as refusal:
        start(world)
    assert "alice/probe-3 already holds files" in problems_of(refusal)["target"]
    assert not Sweep.objects.exists()
    assert not Run.objects.exists()
    assert not Repo.objects.filter(name="probe-1").exists()
    assert git_folders(settings) == before
    assert sent == []


def test_a_limit_takes_all_back(world: World, settings: Any) -> None:
    settings.HUB_MAX_WAITING_PER_NAMESPACE = 2
    with pytest.raises(TooManyRuns):
        start(world)
    assert not Run.objects.exists()
    assert not Sweep.objects.exists()
    settings.HUB_MAX_WAITING_PER_NAMESPACE = 3
    assert start(world).runs.count() == 3


def test_a_recipe_with_a_study_is_refused(world: World) -> None:
    with pytest.raises(RecipeError) as refusal:
        start(world, recipe={"study": {"seeds": 3}})
    assert "leave study out" in problems_of(refusal)["study"]


def test_a_name_is_found_where_none_is_asked_for(world: World) -> None:
    assert start(world, name="").name == "base-digits-sweep"
    assert start(world, name="").name == "base-digits-sweep2"


def test_strangers_and_run_tokens_start_none(world: World, carol: User) -> None:
    with pytest.raises(LoginRequired):
        start(world, actor=ANONYMOUS)
    with pytest.raises(Forbidden):
        start(world, actor=Actor(carol), namespace="alice")
    with pytest.raises(Forbidden):
        start(world, actor=by_token(world.alice, "fineGrained", run="x"))


# --- adding, stopping


def test_more_values_make_what_is_missing(world: World) -> None:
    sweep = start(world, RATES, wish=sweeps.Wish(private=True))
    with world.capture(execute=True):
        sweeps.extend_sweep(Actor(world.alice), sweep=sweep, axes={"optim.lr": [0.01, 0.03], "seed": [0, 1]})
    runs = list(sweep.runs.order_by("sweep_index"))
    assert len(runs) == 8
    assert [run.target_repo.name for run in runs[3:]] == [f"probe-{n}" for n in range(4, 9)]
    assert all(run.target_repo.private for run in runs)
    pairs = [(run.recipe["optim"]["lr"], run.recipe["seed"]) for run in runs]
    assert len(set(pairs)) == 8
    sweep.refresh_from_db()
    assert sweep.axes == {"optim.lr": [0.1, 0.01, 0.001, 0.03], "seed": [0, 1]}
    with pytest.raises(RecipeError, match="in the sweep already"):
        sweeps.extend_sweep(Actor(world.alice), sweep=sweep, axes={"optim.lr": [0.1]})


def test_more_settings_are_drawn(world: World) -> None:
    axes = {"optim.lr": {"low": 1e-4, "high": 0.1, "log": True}}
    sweep = start(world, axes, mode="random", samples=2)
    sweeps.extend_sweep(Actor(world.alice), sweep=sweep, samples=3)
    assert len({run.recipe["optim"]["lr"] for run in sweep.runs.all()}) == 5


def test_all_of_it_is_stopped(world: World) -> None:
    sweep = start(world)
    first, second, third = sweep.runs.order_by("sweep_index")
    complete(world, first, 0.5)
    world.claim(second)
    assert sweeps.cancel_sweep(Actor(world.alice), sweep=sweep) == 2
    third.refresh_from_db()
    second.refresh_from_db()
    assert third.stage == Stage.CANCELED
    assert (second.stage, second.cancel_requested_at is not None) == (Stage.RUNNING, True)
    finish_run(second, stage=Stage.CANCELED)
    with pytest.raises(RunHasEnded):
        sweeps.cancel_sweep(Actor(world.alice), sweep=sweep)


# --- reading


def test_rows_are_ranked_and_means_told(world: World) -> None:
    sweep = start(world, {"optim.lr": [0.1, 0.01], "seed": [0, 1]})
    scores = {(0.1, 0): 0.5, (0.1, 1): 0.6, (0.01, 0): 0.9}
    for run in sweep.runs.all():
        value = scores.get((run.recipe["optim"]["lr"], run.recipe["seed"]))
        if value is not None:
            complete(world, run, value)
    board = board_of(Actor(world.alice), sweep)
    assert [row.score for row in board.rows] == [0.9, 0.6, 0.5, None]
    assert board.metric == "accuracy"
    # 0.9 was measured once: until its other seed has run, what was measured twice leads.
    assert board.best is not None
    assert board.best.values == {"optim.lr": 0.1}
    assert board.best.mean == pytest.approx(0.55)
    assert board.best.sd == pytest.approx(0.0707, abs=1e-4)
    assert [row.run.recipe["seed"] for row in board.rows if row.is_best] == [1, 0]
    assert board.counts == {"SCHEDULING": 1, "COMPLETED": 3}
    complete(world, sweep.runs.get(stage=Stage.SCHEDULING), 0.8)
    best = board_of(Actor(world.alice), sweep).best
    assert best is not None
    assert (best.values, best.n) == ({"optim.lr": 0.01}, 2)


def test_of_an_error_less_is_better(world: World) -> None:
    tasks = [{"id": "digits", "split": "test", "metric": "accuracy", "higher_is_better": False}]
    Benchmark.objects.update(tasks=tasks)
    sweep = start(world)
    for run, value in zip(sweep.runs.all(), (0.3, 0.2, 0.1), strict=True):
        complete(world, run, value)
    assert [row.score for row in board_of(Actor(world.alice), sweep).rows] == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("name", "order"), [("val/loss", [0.1, 0.2, 0.3]), ("val/accuracy", [0.3, 0.2, 0.1])]
)
def test_without_a_benchmark_validation_counts(world: World, name: str, order: list[float]) -> None:
    sweep = start(world, recipe={"benchmark": None})
    for run, value in zip(sweep.runs.all(), (0.3, 0.2, 0.1), strict=True):
        complete(world, run, metrics={name: value, "val/other": 1.0})
    board = board_of(Actor(world.alice), sweep)
    assert (board.metric, [row.score for row in board.rows]) == (name, order)


def test_nonsense_in_a_summary_is_no_score(world: World) -> None:
    sweep = start(world, recipe={"benchmark": None})
    for run, value in zip(sweep.runs.all(), ("x", True, None), strict=True):
        complete(world, run, metrics={"val/loss": value})
    board = board_of(Actor(world.alice), sweep)
    assert [row.score for row in board.rows] == [None, None, None]
    assert board.best is None


# --- who


def test_one_private_run_hides_the_sweep_from_strangers(world: World, carol: User) -> None:
    sweep = start(world)
    assert access_sweep(Actor(carol), sweep.uuid) == sweep
    repo = sweep.runs.get(sweep_index=1).target_repo
    repo.private = True
    repo.save(update_fields=["private"])
    for actor in (ANONYMOUS, Actor(carol)):
        with pytest.raises(SweepNotFound):
            access_sweep(actor, sweep.uuid)
    assert access_sweep(Actor(world.alice), sweep.uuid) == sweep


def test_a_narrow_token_opens_no_private_sweep(world: World) -> None:
    sweep = start(world, wish=sweeps.Wish(private=True))
    with pytest.raises(SweepNotFound):
        access_sweep(by_token(world.alice, "fineGrained", repos={}), sweep.uuid)
    assert access_sweep(by_token(world.alice, "read"), sweep.uuid) == sweep


def test_a_colleague_changes_what_is_the_organizations(world: World, bob: User, carol: User) -> None:
    organization("team", admin=world.alice, write=bob)
    sweep = start(world, namespace="team")
    assert access_sweep(Actor(bob), sweep.uuid, Level.WRITE) == sweep
    with pytest.raises(Forbidden):
        access_sweep(Actor(carol), sweep.uuid, Level.WRITE)
    with pytest.raises(LoginRequired):
        access_sweep(ANONYMOUS, sweep.uuid, Level.WRITE)


def test_deleted_results_stay_in_the_owners_table(world: World, carol: User) -> None:
    sweep = start(world)
    first = sweep.runs.get(sweep_index=0)
    complete(world, first, 0.5)
    Repo.objects.filter(pk=first.target_repo_id).delete()
    assert len(board_of(Actor(world.alice), sweep).rows) == 3
    assert len(board_of(Actor(carol), sweep).rows) == 2
    assert Client().get(f"/sweeps/{sweep.uuid}").status_code == 200


def test_a_spread_of_shares_is_told_in_percentage_points() -> None:
    assert sweep_pages.spread(0.0007, "accuracy") == "0.07 points"
    assert sweep_pages.spread(0.0123, "mae") == "0.012"
    assert sweep_pages.spread(None, "accuracy") == ""
