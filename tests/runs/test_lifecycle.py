"""One run, many workers, any of which may die at any line: exactly one of them ends it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.actor import Actor, Level
from accounts.models import AccessToken, User
from accounts.tokens import find_token
from models_app.access import RepoNotFound, access_repo
from models_app.actions.refusals import CredentialEnded
from models_app.models import Event, EventTag
from models_app.proofs import read_proof
from runs import actions, lifecycle, reports, tasks
from runs.lifecycle import NotClaimable, NotYourRun
from runs.models import Run, Stage
from runs.reports import BadReport, LogLine, Metric
from runs.workers import enroll_worker
from tests.runs.conftest import Sent, World, make_repo


def age(run: Run, **fields: float) -> None:
    """Make times of the run lie so many seconds in the past."""
    now = timezone.now()
    Run.objects.filter(pk=run.pk).update(**{k: now - timedelta(seconds=v) for k, v in fields.items()})


def living_tokens(run: Run) -> int:
    return AccessToken.objects.filter(scopes__run=str(run.uuid), revoked_at=None).count()


def test_only_one_worker_gets_it(world: World) -> None:
    run = world.submit()
    claim = world.claim(run)
    assert (claim.run.stage, claim.run.attempt, claim.run.worker) == (Stage.RUNNING, 1, world.worker)
    with pytest.raises(NotClaimable):
        world.claim(run)


def test_a_worker_of_another_flavor_does_not_get_it(world: World) -> None:
    run = world.submit()
    other, _ = enroll_worker("gpu", flavors=["gpu-small"])
    for flavors in (["gpu-small"], ["cpu-basic"]):  # the second is a claim to a flavor it was not given
        with pytest.raises(NotClaimable):
            lifecycle.claim(other, run.uuid, flavors=flavors, versions={})


def test_the_run_token_reaches_just_what_the_run_needs(world: World, carol: User) -> None:
    run = world.submit()
    token = find_token(world.claim(run).token)
    assert token is not None
    actor = Actor(token.user, token)
    assert access_repo(actor, "model", "alice/result", Level.WRITE)
    assert access_repo(actor, "dataset", "alice/digits", Level.READ)
    with pytest.raises(Exception, match="fine-grained token"):
        access_repo(actor, "model", "alice/base", Level.WRITE)
    assert token.expires_at > timezone.now() + timedelta(seconds=run.timeout_seconds)


def test_the_run_token_reads_the_private_data_it_was_made_for(world: World) -> None:
    for name in ("diary", "letters"):
        make_repo(world.alice, "dataset", name, {"README.md": b"x"}, private=True)
    run = world.submit(recipe={"dataset": {"repo": "alice/diary"}, "benchmark": None})
    token = find_token(world.claim(run).token)
    assert token is not None
    actor = Actor(token.user, token)
    assert access_repo(actor, "dataset", "alice/diary").private
    with pytest.raises(RepoNotFound):
        access_repo(actor, "dataset", "alice/letters")


def test_it_cannot_be_claimed_once_a_repo_is_gone(world: World) -> None:
    run = world.submit()
    Run.objects.filter(pk=run.pk).update(base_repo=None)
    with pytest.raises(NotClaimable, match="deleted"):
        world.claim(run)
    run.refresh_from_db()
    assert (run.stage, run.message_id) == (Stage.ERROR, "run:repo-deleted")


def test_a_report_moves_the_progress_and_the_curve(world: World) -> None:
    run = world.claim(world.submit()).run
    age(run, heartbeat_at=30)
    line = LogLine(0, timezone.now(), "hello")
    for _ in range(2):  # sending twice is harmless
        cancel = reports.report(
            run,
            attempt=1,
            activity="training",
            step=5,
            total_steps=10,
            metrics=[Metric(5, "train/loss", 1.5)],
            logs=[line],
        )
    run.refresh_from_db()
    assert not cancel
    assert (run.activity, run.progress_step, run.progress_total) == ("training", 5, 10)
    assert timezone.now() - run.heartbeat_at < timedelta(seconds=5)
    assert [(m.step, m.value) for m in run.metrics.all()] == [(5, 1.5)]
    assert [log.text for log in run.logs.all()] == ["hello"]


def test_an_attempt_that_starts_over_redraws_the_curve(world: World) -> None:
    run = world.claim(world.submit()).run
    points = [Metric(step, "train/loss", 1.0) for step in (1, 2, 3)]
    reports.report(run, attempt=1, step=3, metrics=points)
    run.refresh_from_db()
    reports.report(run, attempt=1, step=1, metrics=[Metric(1, "train/loss", 9.0)])
    assert list(run.metrics.values_list("step", "value")) == [(1, 9.0)]


def test_an_old_attempt_is_refused(world: World) -> None:
    run = world.submit()
    first = world.claim(run)
    age(run, heartbeat_at=settings.HUB_HEARTBEAT_TIMEOUT_SECONDS + 1)
    assert lifecycle.requeue_stale(timezone.now()) == 1
    second = world.claim(run)
    assert second.run.attempt == 2
    with pytest.raises(NotYourRun):
        reports.report(first.run, attempt=1)
    with pytest.raises(NotYourRun):
        reports.finish(first.run, outcome="error")
    assert find_token(first.token) is None
    assert find_token(second.token) is not None
    assert living_tokens(run) == 1


def test_a_cut_off_worker_cannot_publish(world: World) -> None:
    run = world.submit()
    token = find_token(world.claim(run).token)
    assert token is not None
    age(run, heartbeat_at=settings.HUB_HEARTBEAT_TIMEOUT_SECONDS + 1)
    lifecycle.requeue_stale(timezone.now())
    head = run.target_repo.head_oid
    with pytest.raises(CredentialEnded):  # its request was under way when the run was taken away
        world.publish(run, actor=Actor(token.user, token))
    run.target_repo.refresh_from_db()
    assert run.target_repo.head_oid == head


def test_completing_needs_the_runs_own_commit(world: World) -> None:
    run = world.claim(world.submit()).run
    for oid in ("", "f" * 40, run.target_repo.head_oid, "main"):
        with pytest.raises(BadReport):
            reports.finish(run, outcome="completed", result_oid=oid)
    oid = world.publish(run)
    reports.finish(run, outcome="completed", result_oid=oid, summary={"metrics": {"val/accuracy": 0.9}})
    run.refresh_from_db()
    assert (run.stage, run.result_oid, run.summary["metrics"]) == ("COMPLETED", oid, {"val/accuracy": 0.9})
    assert living_tokens(run) == 0
    assert Event.objects.filter(tag=EventTag.RUN_FINISH).count() == 1


def test_what_was_published_is_not_published_again(world: World) -> None:
    run = world.submit()
    assert world.claim(run).published_oid is None
    oid = world.publish(run)  # and then the worker dies, before it can say so
    age(run, heartbeat_at=settings.HUB_HEARTBEAT_TIMEOUT_SECONDS + 1)
    lifecycle.requeue_stale(timezone.now())
    assert world.claim(run).published_oid == oid


def test_an_interrupted_run_waits_again_at_once(world: World, sent: Sent) -> None:
    run = world.claim(world.submit()).run
    with world.capture(execute=True):
        reports.finish(run, outcome="interrupted")
    run.refresh_from_db()
    assert (run.stage, run.losses, run.worker) == (Stage.SCHEDULING, 0, None)
    assert len(sent) == 2
    assert living_tokens(run) == 0


def test_an_interrupted_run_that_was_canceled_ends(world: World) -> None:
    run = world.claim(world.submit()).run
    actions.cancel(Actor(world.alice), run=run)
    run.refresh_from_db()
    reports.finish(run, outcome="interrupted")
    run.refresh_from_db()
    assert run.stage == Stage.CANCELED


def test_the_worker_learns_of_a_cancel(world: World) -> None:
    run = world.claim(world.submit()).run
    actions.cancel(Actor(world.alice), run=run)
    assert reports.report(run, attempt=1)


def test_a_canceled_run_of_a_dead_worker_is_canceled(world: World) -> None:
    run = world.claim(world.submit()).run
    actions.cancel(Actor(world.alice), run=run)
    age(run, heartbeat_at=settings.HUB_HEARTBEAT_TIMEOUT_SECONDS + 1)
    assert tasks.reap()["stale"] == 1
    run.refresh_from_db()
    assert run.stage == Stage.CANCELED


def test_a_run_that_kills_every_worker_is_given_up(world: World) -> None:
    run = world.submit()
    for _ in range(settings.HUB_RUN_ATTEMPTS):
        world.claim(run)
        age(run, heartbeat_at=settings.HUB_HEARTBEAT_TIMEOUT_SECONDS + 1)
        tasks.reap()
    run.refresh_from_db()
    assert (run.stage, run.message_id) == (Stage.ERROR, "run:worker-lost")
    assert str(settings.HUB_RUN_ATTEMPTS) in run.message


def test_a_living_worker_is_left_alone(world: World) -> None:
    run = world.claim(world.submit()).run
    assert tasks.reap()["stale"] == 0
    run.refresh_from_db()
    assert run.stage == Stage.RUNNING


def test_a_run_over_its_time_limit_ends(world: World) -> None:
    run = world.claim(world.submit()).run
    age(run, claimed_at=run.timeout_seconds + 1)
    tasks.reap()
    run.refresh_from_db()
    assert (run.stage, run.message_id) == (Stage.ERROR, "run:timeout")
    assert living_tokens(run) == 0


def test_lost_messages_are_sent_again_ever_more_rarely(world: World, sent: Sent) -> None:
    run = world.submit()
    assert tasks.reap()["sent"] == 0
    period = settings.HUB_REAPER_SECONDS
    for sends, patience in ((1, period), (2, 2 * period), (3, 4 * period), (60, 3600)):
        Run.objects.filter(pk=run.pk).update(sends=sends)
        age(run, sent_at=patience - 1)
        assert tasks.reap()["sent"] == 0
        age(run, sent_at=patience + 1)
        assert tasks.reap()["sent"] == 1


def test_the_proof_names_the_number(world: World) -> None:
    run = world.claim(world.submit()).run
    answer = reports.record_result(run, attempt=1, evaluation={"accuracy": 0.97, "n": 1000})
    claims = read_proof(answer["proof"])
    assert claims is not None
    assert (claims["run"], claims["value"], claims["count"]) == (str(run.uuid), 0.97, 1000)
    assert (claims["dataset"], claims["revision"], claims["task_id"]) == (
        "alice/digits",
        world.data.head_oid,
        "digits",
    )
    run.refresh_from_db()
    assert run.summary["evaluation"]["accuracy"] == 0.97


@pytest.mark.parametrize(
    "evaluation",
    [{}, {"accuracy": 1.2, "n": 5}, {"accuracy": True, "n": 5}, {"accuracy": 0.5}, {"accuracy": 0.5, "n": 0}],
)
def test_an_impossible_result_gets_no_proof(world: World, evaluation: dict[str, Any]) -> None:
    run = world.claim(world.submit()).run
    with pytest.raises(BadReport):
        reports.record_result(run, attempt=1, evaluation=evaluation)


def test_an_ended_run_is_over_for_its_worker(world: World) -> None:
    run = world.claim(world.submit()).run
    reports.finish(run, outcome="error", message_id="data:empty", message="No images.")
    for call in (
        lambda: reports.report(run, attempt=1),
        lambda: reports.finish(run, outcome="canceled"),
        lambda: reports.record_result(run, attempt=1, evaluation={"accuracy": 0.5, "n": 5}),
    ):
        with pytest.raises(NotYourRun):
            call()
    run.refresh_from_db()
    assert (run.stage, run.message) == (Stage.ERROR, "No images.")
