"""Submitting a run: everything frozen, everything refused in words, nothing half-made."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.actor import ANONYMOUS, Actor
from accounts.models import AccessToken, User
from models_app.access import Forbidden, LoginRequired, RepoDisabled
from models_app.actions.repos import create_repo
from models_app.models import Event, EventTag, Repo
from runs import actions
from runs.models import Run, Stage
from runs.quotas import TooManyRuns
from tests.runs.conftest import Sent, World, make_repo
from training.recipe import RecipeError, parse_recipe


def problems_of(refusal: pytest.ExceptionInfo[RecipeError]) -> dict[str, str]:
    return {problem.field: problem.message for problem in refusal.value.problems}


def test_it_freezes_every_revision(world: World, sent: Sent) -> None:
    run = world.submit()
    assert run.stage == Stage.SCHEDULING
    assert run.base_oid == world.base.head_oid
    assert run.dataset_oid == run.benchmark_oid == world.data.head_oid
    assert run.recipe["base_model"]["revision"] == world.base.head_oid
    assert run.recipe["benchmark"]["revision"] == world.data.head_oid
    assert run.target_repo.repo_id == "alice/result"
    assert run.target_base_oid == run.target_repo.head_oid


def test_it_wakes_a_worker_and_leaves_an_event(world: World, sent: Sent) -> None:
    run = world.submit()
    assert sent == [str(run.uuid)]
    run.refresh_from_db()
    assert (run.sends, run.sent_at is not None) == (1, True)
    event = Event.objects.get(tag=EventTag.RUN_SUBMIT)
    assert (event.actor, event.data["run"]) == (world.alice, str(run.uuid))


def test_a_broken_broker_does_not_lose_the_run(world: World, sent: Sent) -> None:
    sent.broken = True
    assert world.submit().stage == Stage.SCHEDULING


def test_it_keeps_the_stored_case_of_ids(world: World) -> None:
    run = world.submit(recipe={"base_model": {"repo": "ALICE/Base"}})
    assert run.recipe["base_model"]["repo"] == "alice/base"


def test_two_spellings_do_not_hide_training_on_the_test_split(world: World) -> None:
    with pytest.raises(RecipeError) as refusal:
        world.submit(recipe={"dataset": {"repo": "Alice/Digits", "train_split": "test"}})
    assert "benchmark.split" in problems_of(refusal)
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"base_model": {"repo": "alice/nothing"}}, "base_model.repo", "no model alice/nothing"),
        ({"base_model": {"repo": "./folder"}}, "base_model.repo", "namespace/name"),
        ({"base_model": {"repo": "alice/base", "revision": "v9"}}, "base_model.revision", "'v9'"),
        ({"dataset": {"repo": "alice/base"}}, "dataset.repo", "no dataset alice/base"),
        ({"benchmark": {"repo": "alice/digits", "task_id": "x"}}, "benchmark.task_id", "it has digits"),
        (
            {"benchmark": {"repo": "alice/digits", "task_id": "digits", "split": "dev"}},
            "benchmark.split",
            "'test'",
        ),
    ],
)
def test_what_is_not_there_is_named(world: World, changes: dict, field: str, words: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        world.submit(recipe=changes)
    assert words in problems_of(refusal)[field]
    assert not Repo.objects.filter(name="result").exists()


def test_all_problems_come_at_once(world: World) -> None:
    with pytest.raises(RecipeError) as refusal:
        world.submit(
            "alice/..", flavor="cray-1", recipe={"base_model": {"repo": "a/b"}, "dataset": {"repo": "a/c"}}
        )
    assert {"target", "flavor", "base_model.repo", "dataset.repo"} <= set(problems_of(refusal))


def test_a_dataset_without_eval_yaml_is_no_benchmark(world: World) -> None:
    make_repo(world.alice, "dataset", "plain", {"README.md": b"x"})
    with pytest.raises(RecipeError) as refusal:
        world.submit(recipe={"benchmark": {"repo": "alice/plain"}})
    assert "eval.yaml" in problems_of(refusal)["benchmark.repo"]


def test_a_base_without_weights_is_refused(world: World) -> None:
    make_repo(world.alice, "model", "hollow", {"config.json": b"{}"})
    with pytest.raises(RecipeError) as refusal:
        world.submit(recipe={"base_model": {"repo": "alice/hollow"}})
    assert "model.safetensors" in problems_of(refusal)["base_model.repo"]


@pytest.mark.parametrize("what", ["base_model", "dataset"])
def test_a_strangers_private_repo_is_as_good_as_missing(world: World, carol: User, what: str) -> None:
    files = {"config.json": b"{}", "model.safetensors": b"w"}
    secret = make_repo(carol, "model" if what == "base_model" else "dataset", "secret", files, private=True)
    with pytest.raises(RecipeError) as refusal:
        world.submit(recipe={what: {"repo": secret.repo_id}})
    with pytest.raises(RecipeError) as missing:
        world.submit(recipe={what: {"repo": "carol/nothing"}})
    said, control = problems_of(refusal)[f"{what}.repo"], problems_of(missing)[f"{what}.repo"]
    assert said.replace("secret", "nothing") == control


def test_a_result_of_private_things_is_private(world: World) -> None:
    make_repo(world.alice, "dataset", "diary", {"README.md": b"x"}, private=True)
    changes = {"dataset": {"repo": "alice/diary"}}
    assert world.submit("alice/one", recipe=changes).target_repo.private
    assert not world.submit("alice/two", recipe=changes, private=False).target_repo.private
    assert not world.submit("alice/three").target_repo.private


def test_a_target_that_holds_files_is_refused(world: World) -> None:
    with pytest.raises(RecipeError) as refusal:
        world.submit("alice/base")
    assert "already holds files" in problems_of(refusal)["target"]


def test_two_runs_do_not_share_a_target(world: World) -> None:
    world.submit("alice/result")
    with pytest.raises(RecipeError) as refusal:
        world.submit("alice/Result")
    assert "Another run" in problems_of(refusal)["target"]


def test_an_empty_repo_of_ours_may_be_the_target_again(world: World) -> None:
    first = world.submit("alice/result")
    actions.cancel(Actor(world.alice), run=first)
    assert world.submit("alice/result").target_repo == first.target_repo


def test_a_strangers_namespace_is_refused(world: World, carol: User) -> None:
    with pytest.raises(Forbidden):
        world.submit("alice/result", actor=Actor(carol))
    with pytest.raises(LoginRequired):
        world.submit("alice/result", actor=ANONYMOUS)


def test_a_run_token_cannot_start_runs(world: World) -> None:
    run = world.submit()
    world.claim(run)
    token = AccessToken.objects.get(scopes__run=str(run.uuid))
    with pytest.raises(Forbidden, match="own token"):
        world.submit("alice/other", actor=Actor(world.alice, token))


def test_a_namespace_has_a_bounded_number_of_waiting_runs(world: World, settings: Any) -> None:
    settings.HUB_MAX_WAITING_PER_NAMESPACE = 1
    world.submit("alice/one")
    with pytest.raises(TooManyRuns, match=r"alice has 1 runs waiting"):
        world.submit("alice/two")
    assert not Repo.objects.filter(name="two").exists()


def test_asking_twice_to_cancel_is_told_of_once(world: World) -> None:
    run = world.submit()
    world.claim(run)
    for _ in range(2):
        actions.cancel(Actor(world.alice), run=run)
    assert Event.objects.filter(tag=EventTag.RUN_CANCEL).count() == 1


def test_a_repo_out_of_service_is_no_target(world: World) -> None:
    create_repo(Actor(world.alice), repo_type="model", namespace=None, name="result")
    Repo.objects.filter(name="result").update(disabled_at=timezone.now())
    with pytest.raises(RepoDisabled):
        world.submit()


def test_a_waiting_run_is_canceled_at_once(world: World) -> None:
    run = actions.cancel(Actor(world.alice), run=world.submit())
    assert run.stage == Stage.CANCELED
    assert Event.objects.filter(tag=EventTag.RUN_CANCEL).count() == 1
    with pytest.raises(actions.RunHasEnded):
        actions.cancel(Actor(world.alice), run=run)


def test_a_running_run_is_asked_to_stop(world: World) -> None:
    run = world.submit()
    world.claim(run)
    run = actions.cancel(Actor(world.alice), run=run)
    assert run.stage == Stage.RUNNING
    assert run.cancel_requested_at is not None


def test_a_failed_run_is_tried_again_as_it_was(world: World) -> None:
    first = world.submit()
    with pytest.raises(actions.RunHasEnded):
        actions.retry(Actor(world.alice), run=first)
    actions.cancel(Actor(world.alice), run=first)
    first.refresh_from_db()
    again = actions.retry(Actor(world.alice), run=first)
    assert again.recipe == first.recipe
    assert again.target_repo == first.target_repo
    assert parse_recipe(again.recipe)
