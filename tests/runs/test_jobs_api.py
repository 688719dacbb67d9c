"""Runs as jobs, in their fine print: who sees which, pages and filters, logs longer than a batch."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import User
from accounts.tokens import mint_token, revoke_token
from models_app.actions.repos import delete_repo
from models_app.api import sse
from runs import actions, job_logs
from runs.job_logs import LogReader
from runs.models import Run, RunLog, Stage
from tests.runs.conftest import World

JOBS = "/api/jobs/alice"


@pytest.fixture
def auth(alice: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_token(alice, name='t', role='write')[1]}"}


def by(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_token(user, name='t', role='write')[1]}"}


def get(path: str, headers: dict[str, str] | None = None) -> HttpResponse:
    return Client().get(path, headers=headers or {})


def send(path: str, headers: dict[str, str], body: Any = None, method: str = "post") -> HttpResponse:
    call = getattr(Client(), method)
    return call(path, json.dumps(body or {}), content_type="application/json", headers=headers)


def ids(path: str, headers: dict[str, str] | None = None) -> list[str]:
    answer = get(path, headers)
    assert answer.status_code == 200, answer.content
    return [job["id"] for job in answer.json()]


def job_body(world: World, **changes: Any) -> dict[str, Any]:
    command = ["python", "-m", "training", "finetune", "recipe.yaml"]
    environment = {"RECIPE": json.dumps(world.recipe())}
    return {"dockerImage": "tuneyard", "command": command, "environment": environment, **changes}


def test_a_job_is_the_run(world: World, auth: dict[str, str]) -> None:
    run = world.submit(labels={"env": "prod"}, timeout_seconds=120)
    job = get(f"{JOBS}/{run.uuid}").json()
    assert job["status"] == {"stage": "SCHEDULING", "message": "waiting for a worker"}
    assert (job["labels"], job["timeout"], job["flavor"]) == ({"env": "prod"}, 120, "cpu-basic")
    assert job["owner"] == {"id": str(world.alice.pk), "name": "alice", "type": "user"}
    assert (job["startedAt"], job["durations"]["schedulingSecs"]) == (None, None)
    assert job["environment"]["TARGET"] == "alice/result"
    world.claim(run)
    started = timezone.now() - timedelta(seconds=50)
    Run.objects.update(claimed_at=started, created_at=started - timedelta(seconds=10))
    job = get(f"{JOBS}/{run.uuid}").json()
    assert job["status"]["stage"] == "RUNNING"
    assert (job["durations"]["schedulingSecs"], job["durations"]["runningSecs"] // 10) == (10, 5)
    assert send(f"{JOBS}/{run.uuid}/cancel", auth).json()["status"]["message"] == "canceling"


def test_a_job_starts_what_its_recipe_says(world: World, auth: dict[str, str]) -> None:
    made = send(JOBS, auth, job_body(world, timeoutSeconds=90, labels={"name": "one"}))
    assert made.status_code == 200, made.content
    run = Run.objects.get(uuid=made.json()["id"])
    assert run.target_repo.repo_id == "alice/base-digits"
    assert (run.timeout_seconds, made.json()["labels"]) == (90, {"name": "one"})
    again = send(JOBS, auth, made.json() | {"timeout": None, "owner": None})
    assert again.status_code == 422  # its target is taken by the first
    assert "Another run" in again.json()["error"]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"command": "tuneyard finetune"}, 400, "list of"),
        ({"command": ["a"] * 65}, 400, "list of"),
        ({"command": ["tuneyard", "finetune", "--recipe"]}, 400, "needs a value"),
        ({"command": ["tuneyard", "finetune", "--target=bob/x", "r.yaml"]}, 400, "publishes there"),
        ({"command": ["tuneyard", "finetune", "--target", "a b", "r.yaml"]}, 422, "target must be"),
        ({"command": ["tuneyard", "finetune", "r.yaml", ";", "rm"]}, 400, "has no ';'"),
        ({"environment": {"RECIPE": "a: [1", "X": "1"}}, 400, "no environment variable but"),
        ({"environment": {"RECIPE": "a: [1"}}, 422, "YAML"),
        ({"environment": {"RECIPE": 7}}, 400, "texts only"),
        ({"dockerImage": None}, 400, "no containers"),
        ({"timeoutSeconds": 5}, 422, "timeoutSeconds"),
        ({"timeoutSeconds": 10**7}, 422, "timeoutSeconds"),
        ({"timeoutSeconds": "soon"}, 400, "whole number"),
        ({"flavor": "h200x8"}, 422, "flavor must be"),
        ({"labels": {"": "x"}}, 422, "label"),
        ({"labels": {"a": "x" * 101}}, 422, "label"),
        ({"labels": {f"k{number}": "" for number in range(33)}}, 422, "at most 32"),
        ({"labels": {"a": None}}, 400, "texts only"),
        ({"volumes": [{}]}, 400, "'volumes'"),
        ({"attempts": 3}, 400, "'attempts'"),
    ],
)
def test_senseless_jobs_are_told_in_words_and_start_nothing(
    world: World, auth: dict[str, str], changes: dict[str, Any], status: int, words: str
) -> None:
    answer = send(JOBS, auth, job_body(world, **changes))
    assert answer.status_code == status, answer.content
    assert words in answer.json()["error"]
    assert not Run.objects.exists()


def test_who_may_start_jobs_where(world: World, carol: User) -> None:
    assert send(JOBS, {}, job_body(world)).status_code == 401
    assert send(JOBS, by(carol), job_body(world)).status_code == 403
    read = {"Authorization": f"Bearer {mint_token(world.alice, name='r', role='read')[1]}"}
    assert send(JOBS, read, job_body(world)).status_code == 403
    assert not Run.objects.exists()


def test_lists_show_exactly_what_the_gate_lets_in(world: World, carol: User, auth: dict[str, str]) -> None:
    public, private, orphan = world.submit("alice/a"), world.submit("alice/b", private=True), world.submit()
    delete_repo(Actor(world.alice), repo=orphan.target_repo)
    runs = {str(run.uuid) for run in (public, private, orphan)}
    listed = {"repos": {"model:alice/b": "read"}}
    scoped = mint_token(world.alice, name="s", role="fineGrained", scopes=listed)[1]
    for headers in (auth, by(carol), {}, {"Authorization": f"Bearer {scoped}"}):
        seen = {run for run in runs if get(f"{JOBS}/{run}", headers).status_code == 200}
        assert set(ids(JOBS, headers)) == seen
    assert set(ids(JOBS, auth)) == runs
    assert ids(JOBS) == [str(public.uuid)]
    assert get(f"/api/jobs/carol/{public.uuid}").status_code == 404
    for name in ("nobody", "%00"):
        assert get(f"/api/jobs/{name}").status_code == 404
    for name in ("x", "1", "%00"):
        assert get(f"{JOBS}/{name}").status_code == 404


def test_pages_and_filters(world: World, auth: dict[str, str]) -> None:
    runs = [world.submit(f"alice/r{number}", labels={"n": str(number), "all": ""}) for number in range(3)]
    Run.objects.filter(pk=runs[0].pk).update(stage=Stage.ERROR)
    newest = [str(run.uuid) for run in reversed(runs)]
    assert ids(f"{JOBS}?label=all=") == newest
    assert ids(f"{JOBS}?label=n=1&label=all=") == [newest[1]]
    assert ids(f"{JOBS}?label=n=1&label=n=2") == []
    assert ids(f"{JOBS}?stage=error&stage=CANCELED") == [newest[2]]
    assert ids(f"{JOBS}?stage=RUNNING,SCHEDULING") == newest[:2]
    assert ids(f"{JOBS}?stage=DELETED") == []
    answer = get(f"{JOBS}?limit=2")
    assert [job["id"] for job in answer.json()] == newest[:2]
    assert ids(answer["Link"].partition("<http://testserver")[2].partition(">")[0]) == newest[2:]
    assert get(f"{JOBS}?label=x").status_code == 400


def test_a_clone_goes_beside_the_first(world: World, auth: dict[str, str], bob: User) -> None:
    run = world.submit(labels={"a": "b"}, timeout_seconds=70)
    made = [Run.objects.get(uuid=send(f"{JOBS}/{run.uuid}/duplicate", auth).json()["id"]) for _ in range(2)]
    assert [one.target_repo.name for one in made] == ["result-2", "result-3"]
    assert {one.dataset_oid for one in made} == {run.dataset_oid}
    assert [one.timeout_seconds for one in made] == [70, 70]
    assert [one.label_rows.get().key for one in made] == ["a", "a"]
    assert send(f"{JOBS}/{run.uuid}/duplicate", by(bob)).status_code == 403
    delete_repo(Actor(world.alice), repo=run.target_repo)
    again = send(f"{JOBS}/{run.uuid}/duplicate", auth).json()["id"]
    assert Run.objects.get(uuid=again).target_repo.name == "base-digits"


# --- logs


def add_lines(run: Run, attempt: int, *numbers: int) -> None:
    now = timezone.now()
    rows = [RunLog(run=run, attempt=attempt, seq=n, at=now, text=f"{attempt}.{n}\n") for n in numbers]
    RunLog.objects.bulk_create(rows)


def lines(events: Any) -> list[str]:
    told = b"".join(events).decode()
    found = [json.loads(line[6:]) for line in told.split("\n") if line.startswith("data: ")]
    assert all(one["timestamp"].endswith("Z") for one in found)
    return [one["data"].strip() for one in found]


def test_a_log_is_replayed_in_order_whatever_its_length(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(job_logs, "_BATCH", 3)
    run = world.submit()
    add_lines(run, 2, 0, 1)
    add_lines(run, 1, *range(8))
    everything = [*(f"1.{n}" for n in range(8)), "2.0", "2.1"]
    Run.objects.update(stage=Stage.ERROR)
    assert lines(get(f"{JOBS}/{run.uuid}/logs").streaming_content) == everything
    assert lines(get(f"{JOBS}/{run.uuid}/logs?tail=3").streaming_content) == everything[-3:]
    assert lines(get(f"{JOBS}/{run.uuid}/logs?tail=0").streaming_content) == []
    assert lines(get(f"{JOBS}/{run.uuid}/logs?tail=99").streaming_content) == everything
    assert get(f"{JOBS}/{run.uuid}/logs?tail=x").status_code == 400


def test_a_log_goes_on_until_the_run_ends(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(sse, "POLL_SECONDS", 0.0)
    run = world.submit()
    add_lines(run, 1, 0)
    stream = LogReader(Actor(), run).session(follow=True)
    assert lines([next(stream)]) == ["1.0"]
    next(stream)  # the comment that opens the stream
    add_lines(run, 1, 1)
    assert lines([next(stream)]) == ["1.1"]
    add_lines(run, 1, 2)
    Run.objects.update(stage=Stage.COMPLETED)
    assert lines(stream) == ["1.2"]


def test_a_log_ends_with_the_right_to_read_it(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(sse, "POLL_SECONDS", 0.0)
    run = world.submit(private=True)
    token, _ = mint_token(world.alice, name="t", role="read")
    stream = LogReader(Actor(world.alice, token), run).session(follow=True)
    next(stream)
    add_lines(run, 1, 0)
    assert lines([next(stream)]) == ["1.0"]
    revoke_token(token)
    add_lines(run, 1, 1)
    assert lines(stream) == []


def test_when_all_streams_are_taken_a_log_is_told_and_ends(world: World) -> None:
    run = world.submit()
    add_lines(run, 1, 0)
    held = [sse.Slot() for _ in range(sse.MAX_STREAMS)]
    try:
        assert lines(get(f"{JOBS}/{run.uuid}/logs").streaming_content) == ["1.0"]
    finally:
        for slot in held:
            slot.release()


def test_a_silent_stream_is_kept_alive_and_ends_in_time(monkeypatch: Any) -> None:
    monkeypatch.setattr(sse, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(sse, "SILENCE_SECONDS", 0.02)
    monkeypatch.setattr(sse, "STREAM_SECONDS", 0.2)
    told = list(sse.follow(list))
    assert 2 <= len(told) <= 11
    assert set(told) == {b": keep-alive\n\n"}


def test_labels_are_replaced(world: World, auth: dict[str, str], carol: User) -> None:
    run = world.submit(labels={"a": "b"})
    assert send(f"{JOBS}/{run.uuid}/labels", auth, {"labels": {"c": "d"}}, "put").json()["labels"] == {
        "c": "d"
    }
    assert send(f"{JOBS}/{run.uuid}/labels", by(carol), {"labels": {}}, "put").status_code == 403
    assert send(f"{JOBS}/{run.uuid}/labels", auth, {"labels": []}, "put").status_code == 400
    assert send(f"{JOBS}/{run.uuid}/labels", auth, {"labels": {"a b": ""}}, "put").status_code == 422
    assert actions.labels_of(run) == {"c": "d"}


def test_other_doors_of_jobs(world: World, auth: dict[str, str]) -> None:
    run = world.submit()
    assert lines(get(f"{JOBS}/{run.uuid}/metrics").streaming_content) == []
    assert send(f"{JOBS}/{run.uuid}/expose", auth, {}, "put").status_code == 400
    assert [one["name"] for one in get("/api/jobs/hardware").json()] == ["cpu-basic"]
    assert get("/api/scheduled-jobs/alice").json() == []
    assert send("/api/scheduled-jobs/alice", auth).status_code == 400
    assert get("/api/scheduled-jobs/alice/1/suspend").status_code == 404
    page = Client().get(f"/jobs/alice/{run.uuid}")
    assert (page.status_code, page["Location"]) == (302, f"/runs/{run.uuid}")
