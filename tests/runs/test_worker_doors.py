"""Every door of workers, knocked at by everybody: a clear refusal or a harmless repeat, and nothing changed.

The table is callers against doors; what each may do with its own credentials, other files tell.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.models import AccessToken, Namespace, User
from accounts.tokens import mint_token
from models_app.models import Event
from runs import lifecycle, tasks
from runs.models import Run, RunLog, RunMetric, Stage, Worker
from runs.workers import enroll_worker
from tests.models_app.people import repo_of
from tests.runs.conftest import World

pytestmark = pytest.mark.django_db
BYTES = b"a checkpoint"


@dataclass
class Doors:
    """A run in the hands of its worker, another run of the same person, and whoever may knock."""

    world: World
    run: Run
    other: Run
    tokens: dict[str, str | None]

    def knock(self, door: str, caller: str) -> HttpResponse:
        return DOORS[door](self, self.tokens[caller])


def post(path: str, token: str | None, body: Any) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client().post(path, raw, content_type="application/json", headers=_bearer(token))


def put_checkpoint(path: str, token: str | None, content: bytes = BYTES, **headers: str) -> HttpResponse:
    digest = {"X-Checksum-Sha256": hashlib.sha256(content).hexdigest()}
    return Client().put(
        path, content, content_type="application/octet-stream", headers=_bearer(token) | digest | headers
    )


def _bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def of_run(what: str, **body: Any) -> Callable[[Doors, str | None], HttpResponse]:
    return lambda doors, token: post(f"/api/runs/{doors.run.uuid}/{what}", token, {"attempt": 1, **body})


_OFFER = {"flavors": ["cpu-basic"], "versions": {}, "hardware": {}}
_LINE = {"seq": 5, "at": "2026-01-02T03:04:05+00:00", "text": "intruder"}
_POINT = {"step": 9, "name": "train/loss", "value": 1.0}
DOORS: dict[str, Callable[[Doors, str | None], HttpResponse]] = {
    "hello": lambda doors, token: post("/api/workers/hello", token, _OFFER),
    "claim next": lambda doors, token: post("/api/runs/claim", token, _OFFER),
    "claim": lambda doors, token: post(f"/api/runs/{doors.run.uuid}/claim", token, _OFFER),
    "report": of_run("report", activity="stealing", step=9, metrics=[_POINT], logs=[_LINE]),
    "result": of_run("result", evaluation={"accuracy": 1.0, "n": 10}),
    "finish": of_run("finish", outcome="error", message="mine now"),
    "interrupt": of_run("finish", outcome="interrupted"),
    "checkpoint": lambda doors, token: put_checkpoint(
        f"/api/runs/{doors.run.uuid}/checkpoint?attempt=1&step=3", token
    ),
    "fetch": lambda doors, token: Client().get(
        f"/api/runs/{doors.run.uuid}/checkpoint?attempt=2", headers=_bearer(token)
    ),
}
# Doors that take a worker's own token; of the others the run's.
WORKERS_OWN = ("hello", "claim next", "claim")
STRANGERS = (
    "nobody",
    "owner",
    "stranger",
    "gibberish",
    "disabled worker",
    "removed worker",
    "other run",
    "revoked",
    "expired",
    "older attempt",
)


@pytest.fixture
def doors(world: World, carol: User) -> Doors:
    """The run is in its second attempt; the first one's worker fell silent."""
    run, other = world.submit(), world.submit("alice/other")
    older = world.claim(run)
    lifecycle.put_back(older.run, lost=True)
    Run.objects.filter(pk=run.pk).update(not_before=None)
    expired, revoked = world.claim(run), world.claim(other)
    tokens: dict[str, str | None] = {
        "nobody": None,
        "owner": mint_token(world.alice, name="t", role="write")[1],
        "stranger": mint_token(carol, name="t", role="write")[1],
        "gibberish": "tyw_" + "x" * 34,
        "disabled worker": enroll_worker("disabled", flavors=["cpu-basic"])[1],
        "removed worker": enroll_worker("removed", flavors=["cpu-basic"])[1],
        "other run": revoked.token,
        "older attempt": older.token,
        "worker": world.worker_token,
        "its own": expired.token,
        # the run's own token as it will be, over and ended
        "expired": _twin(run, expires_at=timezone.now() - timedelta(seconds=1)),
        "revoked": _twin(run, revoked_at=timezone.now()),
    }
    Worker.objects.filter(name="disabled").update(is_enabled=False)
    Worker.objects.filter(name="removed").delete()
    run.refresh_from_db()
    return Doors(world, run, other, tokens)


def _twin(run: Run, **fields: Any) -> str:
    """A token like the run's own but for these fields."""
    scopes = {"repos": {}, "run": str(run.uuid), "attempt": 2}
    token, text = mint_token(run.created_by, name="twin", role="fineGrained", scopes=scopes)
    AccessToken.objects.filter(pk=token.pk).update(**fields)
    return text


def state() -> dict[str, Any]:
    """Everything a worker could change, less when tokens were used last."""
    now = timezone.now()
    tokens = AccessToken.objects.filter(revoked_at=None, expires_at__gt=now)
    return {
        "runs": list(Run.objects.order_by("pk").values()),
        "workers": list(Worker.objects.order_by("pk").values()),
        "told": [RunLog.objects.count(), RunMetric.objects.count(), Event.objects.count()],
        "tokens": sorted(tokens.values_list("pk", flat=True)),
    }


@pytest.mark.parametrize("door", DOORS)
def test_no_stranger_opens_a_door(doors: Doors, door: str) -> None:
    before = state()
    for caller in STRANGERS:
        answer = doors.knock(door, caller)
        assert answer.status_code in (401, 403, 404, 409), (caller, answer.status_code, answer.content)
        assert len(answer.json()["error"]) > 10, caller
        assert state() == before, caller


def test_a_workers_token_opens_no_runs_door_and_a_runs_no_workers(doors: Doors) -> None:
    before = state()
    for door in DOORS:
        answer = doors.knock(door, "its own" if door in WORKERS_OWN else "worker")
        assert answer.status_code in (401, 403, 404, 409), (door, answer.content)
        assert state() == before, door


@pytest.mark.parametrize("door", ["report", "result", "finish", "checkpoint"])
def test_the_right_token_with_another_attempts_number(doors: Doors, door: str) -> None:
    """The token is of attempt 2; what is said for another one is refused."""
    before = state()
    token, path = doors.tokens["its own"], f"/api/runs/{doors.run.uuid}"
    for attempt in (0, 1, 3, 2**31, -1, "2", None, True, 2.0, [2]):
        if door == "checkpoint":
            # in an address a number and its text are one
            words = "attempt=" + str(attempt) if attempt != "2" else "attempt=2x"
            answer = put_checkpoint(f"{path}/checkpoint?{words}&step=3", token)
        else:
            body = {"attempt": attempt, "outcome": "error", "evaluation": {"accuracy": 0.5, "n": 4}}
            answer = post(f"{path}/{door}", token, body)
        assert answer.status_code in (400, 409), (attempt, answer.content)
        assert state() == before, attempt


@pytest.mark.parametrize("door", ["report", "result", "finish", "checkpoint", "fetch"])
def test_a_run_that_is_not_there(doors: Doors, door: str) -> None:
    gone = Run(uuid="00000000-0000-4000-8000-000000000000")
    answer = DOORS[door](Doors(doors.world, gone, doors.other, doors.tokens), doors.tokens["its own"])
    assert answer.status_code in (404, 409)


def test_a_disabled_worker_is_told_in_words(doors: Doors) -> None:
    for door in WORKERS_OWN:
        answer = doors.knock(door, "disabled worker")
        assert (answer.status_code, answer.json()["error"]) == (
            401,
            "This is not the token of an enabled worker of this hub.",
        )


def test_a_suspended_owners_run_is_not_reported_on(doors: Doors) -> None:
    User.objects.filter(pk=doors.world.alice.pk).update(is_suspended=True)
    answer = post(f"/api/runs/{doors.run.uuid}/report", doors.tokens["its own"], {"attempt": 2})
    assert answer.status_code == 401


# --- what its own worker says, badly


@pytest.fixture
def own(doors: Doors) -> Callable[..., HttpResponse]:
    """Say something with the right token for the right attempt."""

    def say(what: str, **body: Any) -> HttpResponse:
        path = f"/api/runs/{doors.run.uuid}/{what}"
        return post(path, doors.tokens["its own"], {"attempt": 2, **body})

    return say


Say = Callable[..., HttpResponse]


def test_a_megabyte_in_one_line(own: Say, doors: Doors) -> None:
    whole = {"seq": 0, "at": "2026-01-02T03:04:05+00:00", "text": "x" * (900 * 1024)}
    assert own("report", logs=[whole]).status_code == 200
    assert len(doors.run.logs.get(attempt=2).text) == 2000
    before = state()
    answer = own("report", logs=[{**whole, "seq": 1, "text": "y" * (2 * 1024**2)}])
    assert answer.status_code == 413
    assert state() == before


def test_lines_without_end(own: Say, doors: Doors) -> None:
    lines = [
        {"seq": seq, "at": "2026-01-02T03:04:05Z", "text": "x"} for seq in (0, 19_999, 20_000, 2**31 - 1)
    ]
    assert own("report", logs=lines).status_code == 200
    assert list(doors.run.logs.filter(attempt=2).values_list("seq", flat=True)) == [0, 19_999]
    assert (
        own("report", logs=[{"seq": seq, "at": "2026-01-02", "text": ""} for seq in range(2001)]).status_code
        == 400
    )


def test_numbers_that_are_none(doors: Doors) -> None:
    before = state()
    for value in ("NaN", "Infinity", "-Infinity", "1e999", '"1"', "null", "true", "[1]"):
        raw = f'{{"attempt": 2, "metrics": [{{"step": 3, "name": "val/loss", "value": {value}}}]}}'
        answer = post(f"/api/runs/{doors.run.uuid}/report", doors.tokens["its own"], raw.encode())
        assert answer.status_code == 400, value
        assert answer.json()["error"]
        assert state() == before, value


def test_results_that_are_none(doors: Doors) -> None:
    before = state()
    for value in ("NaN", "1e999", "1.2", "-0.1"):
        raw = f'{{"attempt": 2, "evaluation": {{"accuracy": {value}, "n": 5}}}}'
        answer = post(f"/api/runs/{doors.run.uuid}/result", doors.tokens["its own"], raw.encode())
        assert answer.status_code == 400, value
        assert state() == before, value


def curve(run: Run) -> list[tuple[int, str, float]]:
    return list(run.metrics.order_by("step", "name").values_list("step", "name", "value"))


def test_saying_it_twice_is_harmless(own: Say, doors: Doors) -> None:
    report = {
        "activity": "training",
        "step": 3,
        "total_steps": 10,
        "metrics": [{"step": 3, "name": "train/loss", "value": 1.5}],
        "logs": [{"seq": 0, "at": "2026-01-02T03:04:05+00:00", "text": "hello"}],
    }
    answers = [own("report", **report).json() for _ in range(3)]
    assert answers == [{"cancel": False}] * 3
    assert curve(doors.run) == [(3, "train/loss", 1.5)]
    assert doors.run.logs.filter(attempt=2).count() == 1
    assert doors.run.activities.filter(attempt=2, name="training").count() == 1


def test_gaps_and_order_of_steps(own: Say, doors: Doors) -> None:
    """A gap is kept as one; an older report that arrives late takes nothing of the newer one away."""
    for step in (1, 50, 2_000_000_000):
        point = {"step": step, "name": "train/loss", "value": 1.0}
        assert own("report", step=step, total_steps=100, metrics=[point]).status_code == 200
    assert [step for step, _, _ in curve(doors.run)] == [1, 50, 2_000_000_000]
    assert own("report", step=2**31).status_code == 400
    assert own("report", step=-1).status_code == 400


def test_finishing_twice(own: Say, doors: Doors) -> None:
    first = own("finish", outcome="error", message_id="data:empty", message="No images.")
    assert first.json() == {"stage": "ERROR"}
    before = state()
    again = own("finish", outcome="error", message_id="data:empty", message="No images.")
    assert again.status_code in (401, 409)  # the token died with the run
    late = own("report", step=5)
    assert late.status_code in (401, 409)
    assert state() == before
    assert Event.objects.filter(tag="run:run:finish", data__run=str(doors.run.uuid)).count() == 1


NO_ENDS: list[dict[str, Any]] = [
    {},
    {"outcome": "won"},
    {"outcome": ["completed"]},
    {"outcome": "completed"},
    {"outcome": "completed", "result_oid": "f" * 40},
    {"outcome": "completed", "result_oid": "main"},
    {"outcome": "error", "message": "x" * 2001},
    {"outcome": "error", "message": 5},
    {"outcome": "completed", "summary": "x"},
    {"outcome": "error", "summary": {"x": "y" * 70_000}},
]


def test_ends_that_are_none(own: Say) -> None:
    before = state()
    for body in NO_ENDS:
        answer = own("finish", **body)
        assert answer.status_code == 400, (body, answer.content)
        assert state() == before, body


def test_claiming_what_one_has(doors: Doors) -> None:
    """A worker that asks again for the run in its hands does not get it a second time."""
    before = state()["runs"]
    answer = doors.knock("claim", "worker")
    assert answer.status_code == 409
    assert state()["runs"] == before


@pytest.mark.parametrize("state_wanted", ["draining", "offline"])
def test_a_worker_that_shall_rest_gets_nothing(doors: Doors, state_wanted: str) -> None:
    waiting = doors.world.submit("alice/third")
    Worker.objects.filter(name="local").update(state=state_wanted)
    assert doors.knock("claim next", "worker").status_code == 204
    answer = post(f"/api/runs/{waiting.uuid}/claim", doors.tokens["worker"], _OFFER)
    assert answer.status_code == 409
    waiting.refresh_from_db()
    assert (waiting.stage, waiting.attempt) == (Stage.SCHEDULING, 0)
    assert doors.knock("hello", "worker").json()["state"] == state_wanted


def test_a_strangers_machine_is_offered_only_its_own(doors: Doors, carol: User) -> None:
    waiting = doors.world.submit("alice/third", private=True)
    owner = Namespace.objects.get(user=carol)
    for tier in ("owner", "community"):
        _, token = enroll_worker(f"carol/{tier}", flavors=["cpu-basic"], tier=tier, owner=owner)
        assert post("/api/runs/claim", token, _OFFER).status_code == 204
        assert post(f"/api/runs/{waiting.uuid}/claim", token, _OFFER).status_code == 409


NO_OFFERS = [
    b"{",
    b"[]",
    b'"x"',
    b'{"flavors": NaN}',
    b"[" * 5000,
    b"\xff\xfe",
    *(
        json.dumps(body).encode()
        for body in (
            {"flavors": "cpu-basic"},
            {"flavors": ["x"] * 21},
            {"flavors": [["cpu-basic"]]},
            {"versions": [1]},
            {"versions": {"x": "y" * 70_000}},
            {"hardware": {"cores": "many"}},
            {"hardware": {"x": {"y": [1] * 5000}}},
        )
    ),
]


def test_offers_that_are_none(doors: Doors) -> None:
    before = state()
    for path, body in itertools.product(("/api/workers/hello", "/api/runs/claim"), NO_OFFERS):
        answer = post(path, doors.tokens["worker"], body)
        assert answer.status_code == 400, (path, body[:60], answer.content)
        assert state() == before, (path, body[:60])


def test_an_offer_of_nothing_gets_nothing(doors: Doors) -> None:
    """An empty body is an empty object: a worker that serves no flavor is alive, and has no work."""
    doors.world.submit("alice/third")
    before = state()["runs"]
    assert post("/api/workers/hello", doors.tokens["worker"], b"").status_code == 200
    assert post("/api/runs/claim", doors.tokens["worker"], b"").status_code == 204
    assert state()["runs"] == before


def test_an_endless_body_at_every_door(doors: Doors) -> None:
    before = state()
    huge = b'{"x": "' + b"y" * (1024**2 + 10) + b'"}'
    for path, caller in (
        ("/api/workers/hello", "worker"),
        ("/api/runs/claim", "worker"),
        (f"/api/runs/{doors.run.uuid}/claim", "worker"),
        *((f"/api/runs/{doors.run.uuid}/{what}", "its own") for what in ("report", "result", "finish")),
    ):
        assert post(path, doors.tokens[caller], huge).status_code == 413, path
    assert state() == before


# --- checkpoints


def checkpoint(doors: Doors, query: str, content: bytes = BYTES, **headers: str) -> HttpResponse:
    path = f"/api/runs/{doors.run.uuid}/checkpoint?{query}"
    return put_checkpoint(path, doors.tokens["its own"], content, **headers)


NO_CHECKPOINTS: list[tuple[str, dict[str, str]]] = [
    ("attempt=2", {}),
    ("attempt=2&step=", {}),
    ("attempt=2&step=-1", {}),
    ("attempt=2&step=x", {}),
    ("attempt=2&step=99999999999", {}),
    ("attempt=2&step=3", {"X-Checksum-Sha256": "0" * 64}),
    ("attempt=2&step=3", {"X-Checksum-Sha256": "short"}),
    ("attempt=2&step=3", {"X-Checksum-Sha256": ""}),
    ("step=3", {}),
]


def test_checkpoints_that_are_none(doors: Doors) -> None:
    before = state()
    for query, headers in NO_CHECKPOINTS:
        answer = checkpoint(doors, query, **headers)
        assert 400 <= answer.status_code < 500, (query, answer.content)
        assert answer.json()["error"]
        assert state() == before, query
        assert kept_files(doors) == []


def kept_files(doors: Doors) -> list[Path]:
    folder = settings.HUB_DATA_DIR / "checkpoints" / str(doors.run.uuid)
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_checkpoint_sent_twice_is_kept_once(doors: Doors) -> None:
    point = {"attempt": 2, "step": 3, "metrics": [{"step": 3, "name": "train/loss", "value": 1.0}]}
    post(f"/api/runs/{doors.run.uuid}/report", doors.tokens["its own"], point)
    for _ in range(2):
        assert checkpoint(doors, "attempt=2&step=3").status_code in (200, 201, 204)
    doors.run.refresh_from_db()
    assert (doors.run.checkpoint_step, doors.run.checkpoint_bytes) == (3, len(BYTES))
    fetched = doors.knock("fetch", "its own")
    assert b"".join(fetched.streaming_content) == BYTES
    assert len(kept_files(doors)) == 1


def test_an_older_attempts_checkpoint_does_not_replace_a_newer(doors: Doors) -> None:
    checkpoint(doors, "attempt=2&step=3")
    before = state()
    path = f"/api/runs/{doors.run.uuid}/checkpoint?attempt=1&step=900"
    assert put_checkpoint(path, doors.tokens["older attempt"], b"old").status_code in (401, 409)
    assert state() == before


def test_of_everything_said_wrongly_the_reaper_makes_nothing(doors: Doors) -> None:
    """After every stranger has knocked at every door, both runs go on in the hands they were in."""
    for door, caller in itertools.product(DOORS, STRANGERS):
        doors.knock(door, caller)
    tasks.reap()
    for run, attempt in ((doors.run, 2), (doors.other, 1)):
        run.refresh_from_db()
        assert (run.stage, run.attempt, run.worker) == (Stage.RUNNING, attempt, doors.world.worker)


def test_a_repo_named_like_a_door_is_no_door(world: World, alice: User) -> None:
    repo_of(alice, "claim")
    assert Client().get("/api/models/alice/claim").status_code == 200
