"""The ledger and what is held against it: what is charged, what is refused, what waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import User
from accounts.tokens import mint_token
from models_app.models import Repo
from runs import actions, lifecycle, quotas, reports
from runs.ledger import faded_seconds
from runs.models import Attempt, ComputeQuota, Kind, Run, Stage
from runs.quotas import ComputeUsedUp, TooManyRuns
from tests.runs.conftest import World
from tests.runs.queueing import computed, take, wait
from tests.runs.test_api import call
from tests.runs.test_pages import BACKEND


def claimed(world: World, seconds: float = 60, **fields: Any) -> Run:
    """A run of alice's that a worker has had for so many seconds."""
    wait(world, world.alice, **fields)
    claim = take(world.worker)
    assert claim is not None
    began = timezone.now() - timedelta(seconds=seconds)
    Run.objects.filter(pk=claim.run.pk).update(claimed_at=began, heartbeat_at=began + timedelta(seconds=20))
    claim.run.refresh_from_db()
    return claim.run


def entry(run: Run) -> Attempt:
    return run.attempts.get()


# --- what is charged


def test_a_claim_opens_the_entry(world: World) -> None:
    run = claimed(world)
    opened = entry(run)
    assert (opened.number, opened.worker, opened.worker_name) == (1, world.worker, "local")
    assert (opened.namespace, opened.flavor, opened.from_step) == (world.alice.namespace, "cpu-basic", 0)
    assert (opened.ended_at, opened.outcome, opened.charged_seconds) == (None, "", 0.0)


@pytest.mark.parametrize(
    ("stage", "message_id", "outcome", "charged"),
    [
        (Stage.COMPLETED, "", "completed", 60),
        (Stage.CANCELED, "", "canceled", 60),
        (Stage.ERROR, "data:empty", "error", 60),
        (Stage.ERROR, "run:timeout", "timeout", 60),
        (Stage.ERROR, "worker:failed", "error", 0),
        (Stage.ERROR, "run:worker-lost", "lost", 0),
    ],
)
def test_every_end_closes_it_and_the_platforms_faults_are_free(
    world: World, settings: Any, stage: Stage, message_id: str, outcome: str, charged: float
) -> None:
    settings.HUB_RUN_ATTEMPTS = 1
    run = claimed(world)
    lifecycle.finish_run(run, stage=stage, message_id=message_id, message="So.")
    closed = entry(run)
    assert (closed.outcome, closed.message_id, closed.message) == (outcome, message_id, "So.")
    # of a worker that fell silent the time counts to its last word
    assert closed.seconds == pytest.approx(20 if outcome == "lost" else 60, abs=2)
    assert closed.charged_seconds == pytest.approx(charged, abs=2)
    assert closed.ended_at is not None


def test_interrupted_and_lost_attempts_are_free(world: World) -> None:
    run = claimed(world)
    reports.finish(run, outcome="interrupted")
    assert (entry(run).outcome, entry(run).charged_seconds) == ("interrupted", 0.0)
    take(world.worker)
    run.refresh_from_db()
    lifecycle.put_back(run, lost=True)
    second = run.attempts.get(number=2)
    assert (second.outcome, second.charged_seconds) == ("lost", 0.0)
    assert [line.text.partition(";")[0] for line in run.logs.all()] == [
        "Attempt 1 was interrupted in good order",
        "The worker of attempt 2 stopped answering",
    ]


def test_a_measured_step_is_free(world: World) -> None:
    run = claimed(world, kind=Kind.PREFLIGHT)
    lifecycle.finish_run(run, stage=Stage.COMPLETED)
    assert entry(run).seconds > 50
    assert entry(run).charged_seconds == 0


def test_a_run_canceled_while_it_waits_has_no_entry(world: World) -> None:
    run = wait(world, world.alice)
    actions.cancel(Actor(world.alice), run=run)
    assert not Attempt.objects.exists()


def test_of_a_canceled_run_the_silence_of_a_dead_worker_is_free(world: World) -> None:
    run = claimed(world, 120)
    Run.objects.update(cancel_requested_at=timezone.now())
    assert lifecycle.requeue_stale(timezone.now()) == 1
    run.refresh_from_db()
    assert run.stage == Stage.CANCELED
    assert entry(run).charged_seconds == pytest.approx(20, abs=2)


def test_an_attempt_that_an_older_release_began_is_entered_at_its_end(world: World) -> None:
    run = claimed(world)
    Attempt.objects.all().delete()
    lifecycle.finish_run(run, stage=Stage.CANCELED)
    assert (entry(run).outcome, entry(run).started_at) == ("canceled", run.claimed_at)


def test_what_is_longer_ago_counts_less_against_ones_turn(world: World) -> None:
    now, run = timezone.now(), wait(world, world.alice, stage=Stage.COMPLETED)
    for number, hours in enumerate((0.5, 1.5, 3, 7, 9)):
        computed(run, 80, ended=now - timedelta(hours=hours), number=number)
    key = world.alice.namespace.pk
    assert faded_seconds([key], now) == {key: pytest.approx(80 + 40 + 20 + 10)}


# --- limits


def test_used_up_minutes_refuse_a_run_in_words(world: World, settings: Any) -> None:
    settings.HUB_COMPUTE_MINUTES = 10
    done = wait(world, world.alice, stage=Stage.COMPLETED)
    computed(done, 599)
    world.submit("alice/one")
    computed(done, 2, number=2)
    with pytest.raises(ComputeUsedUp, match=r"alice has used the 10 compute minutes .* 30 days"):
        world.submit("alice/two")
    assert not Repo.objects.filter(name="two").exists()
    ComputeQuota.objects.create(namespace=world.alice.namespace, minutes=11)
    world.submit("alice/two")


def test_what_was_queued_before_waits_and_what_runs_goes_on(world: World, settings: Any) -> None:
    settings.HUB_COMPUTE_MINUTES = 1
    run, waiting = claimed(world, 61), wait(world, world.alice)
    step = wait(world, world.alice, kind=Kind.PREFLIGHT)
    assert not reports.report(run, attempt=1, step=1)
    claim = take(world.worker)
    assert claim is not None
    assert claim.run == step
    assert take(world.worker) is None
    place = lifecycle.queue.place_of(waiting)
    assert place is not None
    assert place.held == "minutes"
    settings.HUB_COMPUTE_MINUTES = 0
    assert take(world.worker) is not None


def test_minutes_older_than_30_days_count_no_more(world: World, settings: Any) -> None:
    settings.HUB_COMPUTE_MINUTES = 1
    done = wait(world, world.alice, stage=Stage.COMPLETED)
    computed(done, 600, ended=timezone.now() - timedelta(days=31))
    usage = quotas.usage_of(world.alice.namespace)
    assert (usage.seconds, usage.seconds_left) == (0.0, 60.0)
    world.submit("alice/one")


def test_zero_of_a_namespaces_own_is_no_limit(world: World, settings: Any) -> None:
    settings.HUB_MAX_WAITING_PER_NAMESPACE = 1
    wait(world, world.alice)
    with pytest.raises(TooManyRuns):
        world.submit("alice/one")
    ComputeQuota.objects.create(namespace=world.alice.namespace, max_waiting=0)
    world.submit("alice/one")


def test_a_limit_is_one_namespaces_own(world: World, settings: Any, bob: User) -> None:
    settings.HUB_COMPUTE_MINUTES = 1
    computed(wait(world, bob, stage=Stage.COMPLETED), 600)
    assert quotas.usage_of(bob.namespace).seconds_left == 0
    world.submit("alice/one")


def test_over_http_a_limit_is_429(world: World, settings: Any, alice: User) -> None:
    settings.HUB_MAX_WAITING_PER_NAMESPACE = 1
    wait(world, alice)
    token = mint_token(alice, name="t", role="write")[1]
    answer = call("/api/runs", token, {"recipe": world.recipe(), "target": "alice/x"})
    assert (answer.status_code, "1 runs waiting" in answer.json()["error"]) == (429, True)


# --- who used what


def test_the_ledger_over_http_is_for_its_people(world: World, settings: Any, carol: User) -> None:
    settings.HUB_COMPUTE_MINUTES = 10
    step = claimed(world, 30, kind=Kind.PREFLIGHT)
    lifecycle.finish_run(step, stage=Stage.COMPLETED)
    run = claimed(world)
    lifecycle.finish_run(run, stage=Stage.CANCELED)
    path = "/api/namespaces/alice/compute"
    strangers = [None, mint_token(carol, name="t", role="write")[1]]
    assert [call(path, token).status_code for token in strangers] == [404, 404]
    assert call("/api/namespaces/nobody/compute", strangers[1]).status_code == 404
    told = call(path, mint_token(world.alice, name="t", role="read")[1]).json()
    assert (told["namespace"], told["days"], told["limitSeconds"]) == ("alice", 30, 600.0)
    assert told["usedSeconds"] == pytest.approx(60, abs=2)
    assert told["leftSeconds"] == pytest.approx(540, abs=2)
    (person,) = told["people"]
    assert (person["user"], person["runs"]) == ("alice", 1)
    assert person["freeSeconds"] == pytest.approx(30, abs=2)
    assert [one["kind"] for one in told["attempts"]] == ["train", "preflight"]
    attempt = told["attempts"][0]
    assert (attempt["run"], attempt["outcome"], attempt["worker"]) == (str(run.uuid), "canceled", "local")


def test_the_page_of_compute(world: World, client: Client, carol: User, mod: User, settings: Any) -> None:
    run = claimed(world)
    lifecycle.finish_run(run, stage=Stage.CANCELED)
    assert client.get("/queue/alice").status_code == 302
    client.force_login(carol, backend=BACKEND)
    assert client.get("/queue/alice").status_code == 404
    for user in (world.alice, mod):
        client.force_login(user, backend=BACKEND)
        text = client.get("/queue/alice").content.decode()
        assert run.target_repo.name in text
        assert "canceled" in text
    settings.HUB_COMPUTE_MINUTES = 1
    assert "The minutes are used up" in client.get("/queue/alice").content.decode()
