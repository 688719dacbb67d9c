"""Claiming the next run: whose turn it is, in what order, and what is passed over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as conf
from django.utils import timezone

from accounts.models import User
from runs import lifecycle, queue
from runs.lifecycle import NotClaimable
from runs.models import ComputeQuota, Kind, Run, Stage, Worker, WorkerState
from runs.workers import enroll_worker
from tests.runs.conftest import World
from tests.runs.queueing import computed, take, wait
from tests.runs.test_api import call


@pytest.fixture
def machine(world: World) -> Worker:
    return enroll_worker("machine", flavors=["cpu-basic"])[0]


def taken(worker: Worker, times: int) -> list[str]:
    """Whose runs the worker gets, one after the other, none of which ends."""
    return [claim.run.namespace.name for claim in (take(worker) for _ in range(times)) if claim]


def test_turns_go_round_however_many_one_has_queued(
    world: World, machine: Worker, bob: User, carol: User
) -> None:
    for _ in range(5):
        wait(world, world.alice, ago=100)
    wait(world, bob, ago=50)
    wait(world, carol, ago=10)
    assert taken(machine, 8) == ["alice", "bob", "carol", "alice", "alice", "alice", "alice"]


def test_who_computed_lately_goes_second(world: World, machine: Worker, bob: User) -> None:
    done = wait(world, world.alice, stage=Stage.COMPLETED)
    computed(done, 300)
    wait(world, world.alice, ago=100)
    wait(world, bob)
    assert taken(machine, 2) == ["bob", "alice"]


def test_what_was_computed_yesterday_is_forgotten(world: World, machine: Worker, bob: User) -> None:
    done = wait(world, world.alice, stage=Stage.COMPLETED)
    computed(done, 300, ended=timezone.now() - timedelta(hours=9))
    wait(world, world.alice, ago=100)
    wait(world, bob)
    assert taken(machine, 2) == ["alice", "bob"]


def test_staff_first_then_measured_steps(world: World, machine: Worker) -> None:
    plain, first = wait(world, world.alice, ago=100), wait(world, world.alice)
    step = wait(world, world.alice, kind=Kind.PREFLIGHT)
    last = wait(world, world.alice, ago=200)
    lifecycle.set_priority(first, priority=1)
    lifecycle.set_priority(last, priority=-500)
    order = list(queue.candidates(machine, ["cpu-basic"]))
    assert order == [first.pk, step.pk, plain.pk, last.pk]
    last.refresh_from_db()
    assert last.priority == -100
    claim = take(machine)
    assert claim is not None
    with pytest.raises(NotClaimable):
        lifecycle.set_priority(claim.run, priority=1)


def test_a_worker_that_drains_gets_nothing(world: World, machine: Worker) -> None:
    wait(world, world.alice)
    for changes in ({"state": WorkerState.DRAINING}, {"state": "offline"}, {"is_enabled": False}):
        Worker.objects.filter(pk=machine.pk).update(**{"state": "active", "is_enabled": True} | changes)
        # also where the state changed after the worker's row was read for the request
        assert take(Worker.objects.get(pk=machine.pk)) is None
        assert take(machine) is None
    Worker.objects.update(state="active", is_enabled=True)
    assert take(machine) is not None


def test_a_claim_passes_over_a_run_whose_repo_is_gone(world: World, machine: Worker) -> None:
    gone, good = wait(world, world.alice, ago=9, base_repo=None), wait(world, world.alice)
    claim = take(machine)
    assert claim is not None
    assert claim.run == good
    gone.refresh_from_db()
    assert (gone.stage, gone.message_id) == (Stage.ERROR, "run:repo-deleted")


def test_a_measured_step_needs_no_target(world: World, machine: Worker) -> None:
    step = wait(world, world.alice, kind=Kind.PREFLIGHT, target_repo=None)
    claim = take(machine)
    assert claim is not None
    assert (claim.run, claim.published_oid) == (step, None)


# --- over HTTP


def test_the_door_answers_204_when_nothing_waits(world: World, settings: Any) -> None:
    settings.HUB_FLAVOR_MEMORY = {"cpu-basic": 8 * 10**9}
    body = {"flavors": ["cpu-basic"], "versions": {"torch": "2.14"}, "hardware": {"cores": 4}}
    empty = call("/api/runs/claim", world.worker_token, body)
    assert (empty.status_code, empty.content) == (204, b"")
    run = wait(world, world.alice, checkpoint_step=7, checkpoint_bytes=12, checkpoint_sha256="ab" * 32)
    answer = call("/api/runs/claim", world.worker_token, body)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["run"], told["kind"], told["memory_limit_bytes"]) == (str(run.uuid), "train", 8 * 10**9)
    assert told["checkpoint"] == {"step": 7, "bytes": 12, "sha256": "ab" * 32}
    assert run.attempts.get().from_step == 7
    world.worker.refresh_from_db()
    assert (world.worker.hardware, world.worker.versions) == ({"cores": 4}, {"torch": "2.14"})
    assert call("/api/runs/claim", world.worker_token, body).status_code == 204


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"flavors": "cpu-basic"}, "flavors must be a list"),
        ({"flavors": ["cpu-basic"], "versions": []}, "versions must be an object"),
        ({"flavors": ["cpu-basic"], "hardware": {"cores": -1}}, "hardware.cores must be"),
        ([], "must be a JSON object"),
    ],
)
def test_a_senseless_claim_is_refused_in_words(world: World, body: Any, words: str) -> None:
    wait(world, world.alice)
    answer = call("/api/runs/claim", world.worker_token, body)
    assert (answer.status_code, words in answer.json()["error"]) == (400, True)
    assert not Run.objects.filter(stage=Stage.RUNNING).exists()


def test_only_workers_ask_for_the_next(world: World, alice_token: str) -> None:
    wait(world, world.alice)
    for token in (None, alice_token, "tyw_wrong"):
        assert call("/api/runs/claim", token, {"flavors": ["cpu-basic"]}).status_code == 401
    assert call("/api/runs/claim", world.worker_token, {"flavors": ["gpu-small"]}).status_code == 204
    assert call("/api/runs/claim", world.worker_token, {}).status_code == 204


@pytest.fixture
def alice_token(alice: User) -> str:
    from accounts.tokens import mint_token

    return mint_token(alice, name="t", role="write")[1]


# --- places


def seen(worker: Worker) -> Worker:
    Worker.objects.filter(pk=worker.pk).update(last_seen_at=timezone.now())
    return worker


def test_places_are_those_of_the_claims(world: World, machine: Worker, bob: User) -> None:
    runs = [wait(world, world.alice, ago=9 - n) for n in range(3)] + [wait(world, bob)]
    places = queue.places_of(runs)
    order = list(queue.candidates(machine, ["cpu-basic"]))
    assert [places[key].position for key in order] == [1, 2, 3, 4]
    assert {place.of for place in places.values()} == {4}
    assert queue.place_of(runs[3]) == places[runs[3].pk]
    assert queue.place_of(wait(world, bob, stage=Stage.COMPLETED)) is None


def test_nobody_can_tell_when_without_a_worker_or_an_earlier_run(world: World, machine: Worker) -> None:
    runs = [wait(world, world.alice, ago=9), wait(world, world.alice)]
    place = queue.place_of(runs[0])
    assert place is not None
    assert (place.starts_at, place.held) == (None, "workers")
    seen(machine)
    first, second = (queue.places_of(runs)[run.pk] for run in runs)
    assert first.is_soon
    assert (second.starts_at, second.held) == (None, "")


def test_starts_follow_from_forecasts_and_earlier_runs(world: World, machine: Worker, bob: User) -> None:
    seen(machine)
    now = timezone.now()
    running = wait(world, bob, forecast={"seconds": 100.0})
    Run.objects.filter(pk=running.pk).update(
        stage=Stage.RUNNING, worker=machine, claimed_at=now - timedelta(seconds=40)
    )
    computed(wait(world, bob, stage=Stage.COMPLETED), 30)
    first, second = wait(world, world.alice, ago=9), wait(world, world.alice, forecast={"seconds": 500})
    third = wait(world, world.alice, forecast={"seconds": "soon"})
    places = queue.places_of([first, second, third])
    starts = [(places[run.pk].starts_at - now).total_seconds() for run in (first, second, third)]
    assert starts == pytest.approx([60, 90, 590], abs=5)


def test_a_namespace_at_its_limit_waits_and_is_told_why(world: World, machine: Worker, bob: User) -> None:
    seen(machine)
    ComputeQuota.objects.create(namespace=world.alice.namespace, max_running=2)
    runs = [wait(world, world.alice, ago=100 - n) for n in range(4)]
    other = wait(world, bob)
    assert taken(machine, 9) == ["alice", "bob", "alice"]
    held = queue.places_of(runs)
    assert [(held[run.pk].held, held[run.pk].position) for run in runs[2:]] == [
        ("running", 1),
        ("running", 2),
    ]
    with pytest.raises(NotClaimable, match="as many runs"):
        lifecycle.claim(machine, runs[2].uuid, flavors=["cpu-basic"], versions={})
    runs[0].refresh_from_db()
    lifecycle.finish_run(runs[0], stage=Stage.CANCELED)
    assert taken(machine, 9) == ["alice"]
    assert other.attempts.count() == 1


# --- a failure of the platform


def test_a_fault_of_the_platform_is_tried_again_by_itself(world: World, machine: Worker) -> None:
    run = wait(world, world.alice, checkpoint_step=5)
    for attempt, pause in enumerate(lifecycle.PAUSES, 1):
        claim = take(machine)
        assert claim is not None
        lifecycle.finish_run(claim.run, stage=Stage.ERROR, message_id="worker:failed", message="Bang.")
        run.refresh_from_db()
        assert (run.stage, run.losses, run.checkpoint_step) == (Stage.SCHEDULING, attempt, 5)
        assert "not by your fault: Bang." in run.message
        left = (run.not_before - timezone.now()).total_seconds()
        assert pause - 5 < left <= pause
        place = queue.place_of(run)
        assert place is not None
        assert (place.held, place.starts_at) == ("pause", run.not_before)
        assert take(machine) is None
        Run.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    claim = take(machine)
    assert claim is not None
    assert (claim.run.message, claim.run.message_id, claim.run.not_before) == ("", "", None)
    lifecycle.finish_run(claim.run, stage=Stage.ERROR, message_id="worker:failed", message="Bang.")
    run.refresh_from_db()
    assert (run.stage, run.message) == (Stage.ERROR, "Bang.")
    assert [(entry.outcome, entry.charged_seconds) for entry in run.attempts.all()] == [("error", 0.0)] * 4
    assert [line.attempt for line in run.logs.all()] == [1, 2, 3]
    assert len(lifecycle.PAUSES) + 1 == conf.HUB_RUN_ATTEMPTS


@pytest.mark.parametrize("message_id", ["data:empty", "recipe:bad", "train:diverged", "worker:out-of-memory"])
def test_a_fault_of_the_recipe_or_the_data_ends_the_run(
    world: World, machine: Worker, message_id: str
) -> None:
    wait(world, world.alice)
    claim = take(machine)
    assert claim is not None
    lifecycle.finish_run(claim.run, stage=Stage.ERROR, message_id=message_id, message="No.")
    claim.run.refresh_from_db()
    assert (claim.run.stage, claim.run.message_id) == (Stage.ERROR, message_id)


def test_a_fault_after_a_cancel_is_a_cancel(world: World, machine: Worker) -> None:
    wait(world, world.alice)
    claim = take(machine)
    assert claim is not None
    Run.objects.update(cancel_requested_at=timezone.now())
    claim.run.refresh_from_db()
    lifecycle.finish_run(claim.run, stage=Stage.ERROR, message_id="worker:crashed", message="Bang.")
    claim.run.refresh_from_db()
    assert claim.run.stage == Stage.CANCELED
