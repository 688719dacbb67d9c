"""Wake-ups: one for each worker that is idle, however many runs wait."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from runs import dispatch, lifecycle, tasks
from runs.models import Run, Stage, Worker
from runs.workers import enroll_worker
from tests.runs.conftest import Sent, World
from tests.runs.queueing import wait


@pytest.fixture
def two_idle(world: World) -> list[Worker]:
    """Two workers that said hello just now."""
    workers = [enroll_worker(f"idle-{number}", flavors=["cpu-basic"])[0] for number in range(2)]
    Worker.objects.filter(name__startswith="idle").update(last_seen_at=timezone.now())
    return workers


def age(seconds: float) -> None:
    """All calls were made so long ago."""
    Run.objects.exclude(sent_at=None).update(sent_at=timezone.now() - timedelta(seconds=seconds))


def test_a_thousand_waiting_runs_are_one_call_an_idle_worker(
    world: World, sent: Sent, two_idle: list[Worker]
) -> None:
    runs = [wait(world, world.alice) for _ in range(3)]
    Run.objects.bulk_create(
        Run(namespace=world.alice.namespace, created_by=world.alice, recipe={}) for _ in range(1000)
    )
    assert [dispatch.wake(run) for run in runs] == [True, True, False]
    assert tasks.reap()["sent"] == 0
    age(settings.HUB_REAPER_SECONDS + 1)
    assert tasks.reap()["sent"] == 2
    assert tasks.reap()["sent"] == 0
    assert len(sent) == 4


def test_where_no_worker_is_online_one_call_waits_for_the_first(world: World, sent: Sent) -> None:
    runs = [wait(world, world.alice) for _ in range(3)]
    assert [dispatch.wake(run) for run in runs] == [True, False, False]
    age(settings.HUB_REAPER_SECONDS + 1)
    assert tasks.reap()["sent"] == 1
    # the pauses grow, and other runs that were never called for do not shorten them
    age(settings.HUB_REAPER_SECONDS + 1)
    assert tasks.reap()["sent"] == 0
    age(2 * settings.HUB_REAPER_SECONDS + 1)
    assert tasks.reap()["sent"] == 1
    assert sent == [str(runs[0].uuid)] * 3


def test_nobody_is_called_while_all_are_at_work(world: World, sent: Sent, two_idle: list[Worker]) -> None:
    for worker in two_idle:
        wait(world, world.alice, stage=Stage.RUNNING, worker=worker, heartbeat_at=timezone.now())
    run = wait(world, world.alice)
    assert not dispatch.wake(run)
    assert tasks.reap()["sent"] == 0
    Run.objects.filter(worker=two_idle[0]).update(stage=Stage.COMPLETED)
    assert tasks.reap()["sent"] == 1


def test_of_two_calls_at_once_one_may_be_on_its_way(world: World, sent: Sent, two_idle: list[Worker]) -> None:
    Worker.objects.filter(pk=two_idle[1].pk).update(last_seen_at=None)
    first, second = wait(world, world.alice), wait(world, world.alice)
    assert [dispatch.wake(first), dispatch.wake(second)] == [True, False]
    age(3)
    assert dispatch.wake(second)


def test_what_is_paused_wakes_nobody_until_it_is_due(
    world: World, sent: Sent, two_idle: list[Worker]
) -> None:
    run = wait(world, world.alice, not_before=timezone.now() + timedelta(seconds=30))
    tasks.reap()
    assert sent == []
    Run.objects.update(not_before=timezone.now())
    tasks.reap()
    assert sent == [str(run.uuid)]


def test_a_draining_worker_is_not_called(world: World, sent: Sent, two_idle: list[Worker], bob: User) -> None:
    Worker.objects.update(state="draining")
    assert dispatch.idle_workers(timezone.now()) == {}
    run = wait(world, bob)
    assert dispatch.wake(run)  # as where none is online: one call waits for whoever comes first


def test_a_broken_broker_costs_a_moment_and_no_run(world: World, sent: Sent, two_idle: list[Worker]) -> None:
    sent.broken = True
    run = wait(world, world.alice)
    assert not dispatch.wake(run)
    sent.broken = False
    age(settings.HUB_REAPER_SECONDS + 1)
    assert tasks.reap()["sent"] == 1
    claim = lifecycle.claim_next(two_idle[0], flavors=["cpu-basic"], versions={})
    assert claim is not None
    assert claim.run == run
