"""The page of the queue: what everybody may know, what only its people may; few questions to the tables."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import User
from runs import board, queue
from runs.models import Kind, Run, Stage, Worker
from runs.workers import enroll_worker
from tests.runs.conftest import World
from tests.runs.queueing import wait
from tests.runs.test_pages import BACKEND


@pytest.fixture
def online(world: World) -> Worker:
    worker, _ = enroll_worker("gpu-box-7", flavors=["cpu-basic"])
    Worker.objects.filter(pk=worker.pk).update(last_seen_at=timezone.now())
    return worker


def text_of(client: Client, path: str = "/queue", **headers: str) -> str:
    return client.get(path, headers=headers).content.decode()


def test_an_empty_hub_says_so(client: Client, db: None) -> None:
    assert "Nothing runs and nothing waits" in text_of(client)


def test_it_shows_workers_places_and_starts(world: World, client: Client, bob: User, online: Worker) -> None:
    first = wait(world, world.alice, ago=60)
    second = wait(world, bob, ago=30, sweep_index=1)
    going = wait(world, bob, stage=Stage.RUNNING, worker=online, claimed_at=timezone.now())
    text = text_of(client)
    for run in (first, second, going):
        assert f"/runs/{run.uuid}" in text
    assert "1 worker online" in text
    assert "0 idle" in text
    assert "gpu-box-7" in text
    assert text.index(str(going.uuid)) < text.index(str(first.uuid)) < text.index(str(second.uuid))


def test_without_a_worker_it_says_that_runs_wait(world: World, client: Client) -> None:
    wait(world, world.alice)
    text = text_of(client)
    assert "No worker of this hardware is online" in text
    assert "no worker is online for it" in text


def test_of_a_private_run_strangers_learn_only_that_it_is_there(
    world: World, client: Client, bob: User, carol: User, online: Worker
) -> None:
    secret = wait(world, world.alice, private=True, ago=60)
    working = wait(
        world, world.alice, private=True, stage=Stage.RUNNING, worker=online, activity="thinking hard"
    )
    wait(world, bob)
    for user in (None, carol):
        if user:
            client.force_login(user, backend=BACKEND)
        text = text_of(client)
        assert text.count("a private run") >= 2
        for word in (str(secret.uuid), secret.target_repo.name, str(working.uuid), "thinking", "alice"):
            assert word not in text, word
        assert "private runs of others" in text
    client.force_login(world.alice, backend=BACKEND)
    text = text_of(client)
    assert secret.target_repo.name in text
    assert "thinking hard" in text
    assert "a private run" not in text


def test_a_measured_step_is_its_namespaces_own(
    world: World, client: Client, carol: User, online: Worker
) -> None:
    wait(world, world.alice, kind=Kind.PREFLIGHT, target_repo=None)
    assert "measured step" not in text_of(client)
    client.force_login(world.alice, backend=BACKEND)
    assert "a measured step of alice" in text_of(client)


def test_a_long_line_comes_in_pages_and_its_beginning_at_a_glance(world: World, client: Client) -> None:
    enroll_worker("other", flavors=["gpu-small"])
    Worker.objects.update(last_seen_at=timezone.now())
    runs = [wait(world, world.alice, ago=200 - n) for n in range(60)]
    glance = text_of(client)
    assert f"/runs/{runs[19].uuid}" in glance
    assert f"/runs/{runs[20].uuid}" not in glance
    assert "All 60 that wait" in glance
    assert "Shares" not in glance
    first, second = (
        text_of(client, "/queue?flavor=cpu-basic"),
        text_of(client, "/queue?flavor=cpu-basic&page=2"),
    )
    assert f"/runs/{runs[49].uuid}" in first
    assert f"/runs/{runs[50].uuid}" not in first
    assert f"/runs/{runs[50].uuid}" in second
    for odd in ("/queue?flavor=nothing&page=x", "/queue?flavor=cpu-basic&page=99", "/queue?page=%00"):
        assert client.get(odd).status_code == 200


def test_polls_are_cheap_while_nothing_changes(world: World, client: Client) -> None:
    run = wait(world, world.alice)
    page = client.get("/queue")
    assert "<html" in page.content.decode()
    poll = client.get("/queue", headers={"HX-Request": "true"})
    assert "<html" not in poll.content.decode()
    tag = poll["ETag"]
    again = client.get("/queue", headers={"HX-Request": "true", "If-None-Match": tag})
    assert again.status_code == 304
    Run.objects.filter(pk=run.pk).update(stage=Stage.RUNNING, claimed_at=timezone.now())
    changed = client.get("/queue", headers={"HX-Request": "true", "If-None-Match": tag})
    assert (changed.status_code, changed["ETag"] == tag) == (200, False)


def test_another_person_gets_no_304_for_what_was_mine(world: World, client: Client, carol: User) -> None:
    wait(world, world.alice, private=True)
    client.force_login(world.alice, backend=BACKEND)
    tag = client.get("/queue", headers={"HX-Request": "true"})["ETag"]
    client.force_login(carol, backend=BACKEND)
    answer = client.get("/queue", headers={"HX-Request": "true", "If-None-Match": tag})
    assert answer.status_code == 200


def test_shares_count_every_run_once(world: World, bob: User, carol: User, online: Worker) -> None:
    for _ in range(3):
        wait(world, world.alice)
    wait(world, world.alice, stage=Stage.RUNNING, worker=online)
    wait(world, bob)
    for _ in range(2):
        wait(world, carol, private=True)
    (line,) = queue.lines_of()
    shares = board.shares_of(line, board.Eyes(Actor(bob)))
    told = [(share.name, share.running, share.waiting, share.is_own) for share in shares]
    assert told[0] == ("bob", 0, 1, True)
    assert sorted(told[1:]) == [("", 0, 2, False), ("alice", 1, 3, False)]
    assert told[-1][0] == ""


def test_the_number_of_queries_does_not_grow_with_the_queue(
    world: World, client: Client, online: Worker, django_assert_max_num_queries: Any
) -> None:
    for number in range(5):
        wait(world, world.alice, ago=number)
    client.force_login(world.alice, backend=BACKEND)
    client.get("/queue")
    with django_assert_max_num_queries(24) as few:
        client.get("/queue")
    for number in range(40):
        wait(world, world.alice, ago=number)
    with django_assert_max_num_queries(len(few)):
        client.get("/queue")


def test_the_page_of_a_waiting_run_says_where_it_is(
    world: World, client: Client, online: Worker, bob: User
) -> None:
    wait(world, bob, ago=60, forecast={"seconds": 1800})
    run = wait(world, world.alice, ago=30)
    text = text_of(client, run.get_absolute_url())
    assert "Number 2 of 2 in the queue" in text
    assert "begins in about 29" in text or "begins in about 30" in text
    told = client.get(f"/api/runs/{run.uuid}").json()["place"]
    assert (told["position"], told["of"], told["held"]) == (2, 2, None)
    assert told["startsAt"] > (timezone.now() + timedelta(minutes=29)).strftime("%Y-%m-%dT%H:%M")
    Run.objects.filter(pk=run.pk).update(stage=Stage.RUNNING, worker=online, claimed_at=timezone.now())
    assert "in the queue" not in text_of(client, run.get_absolute_url())
    assert client.get(f"/api/runs/{run.uuid}").json()["place"] is None
