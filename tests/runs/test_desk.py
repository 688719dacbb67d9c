"""The desk of the queue: ranks of runs, quotas edited in place, a ledger nobody edits."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from runs import lifecycle
from runs.models import Attempt, ComputeQuota, Run, Stage
from tests.runs.conftest import World
from tests.runs.queueing import computed, take, wait
from tests.runs.test_pages import BACKEND


@pytest.fixture
def desk(client: Client, mod: User) -> Client:
    client.force_login(mod, backend=BACKEND)
    return client


def act(desk: Client, action: str, *runs: Run) -> str:
    data = {"action": action, "_selected_action": [run.pk for run in runs]}
    return desk.post(reverse("admin:runs_run_changelist"), data, follow=True).content.decode()


def priorities(*runs: Run) -> list[int]:
    return [Run.objects.get(pk=run.pk).priority for run in runs]


def test_staff_put_a_run_first_last_and_back(world: World, desk: Client) -> None:
    one, two, three = (wait(world, world.alice) for _ in range(3))
    assert "Put first: 1." in act(desk, "put_first", one)
    act(desk, "put_first", two)
    act(desk, "put_last", three)
    assert priorities(one, two, three) == [1, 2, -1]
    claim = take(world.worker)
    assert claim is not None
    assert claim.run == two
    act(desk, "back_in_line", one, three)
    assert priorities(one, three) == [0, 0]
    assert "Only a run that waits" in act(desk, "put_first", two)


def test_staff_give_a_run_to_another_worker(world: World, desk: Client) -> None:
    run = wait(world, world.alice, checkpoint_step=3)
    assert take(world.worker) is not None
    act(desk, "requeue", run)
    run.refresh_from_db()
    assert (run.stage, run.checkpoint_step, run.attempts.get().outcome) == ("SCHEDULING", 3, "interrupted")


def test_quotas_are_edited_in_their_list(world: World, desk: Client) -> None:
    computed(wait(world, world.alice, stage=Stage.COMPLETED), 120)
    quota = ComputeQuota.objects.create(namespace=world.alice.namespace)
    address = reverse("admin:runs_computequota_changelist")
    assert "2 min" in desk.get(address).content.decode()
    form = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": quota.pk, "_save": "Save"}
    values = {"form-0-minutes": 90, "form-0-max_running": 2, "form-0-max_waiting": ""}
    assert desk.post(address, form | values).status_code == 302
    quota.refresh_from_db()
    assert (quota.minutes, quota.max_running, quota.max_waiting) == (90, 2, None)


def test_the_ledger_is_looked_at_only(world: World, desk: Client) -> None:
    wait(world, world.alice)
    claim = take(world.worker)
    assert claim is not None
    lifecycle.finish_run(claim.run, stage=Stage.CANCELED)
    entry = Attempt.objects.get()
    text = desk.get(reverse("admin:runs_attempt_changelist")).content.decode()
    assert "canceled" in text
    assert desk.get(reverse("admin:runs_attempt_add")).status_code == 403
    address = reverse("admin:runs_attempt_change", args=[entry.pk])
    assert desk.post(address, {"charged_seconds": 0}).status_code == 403
    assert desk.post(reverse("admin:runs_attempt_delete", args=[entry.pk])).status_code == 403
