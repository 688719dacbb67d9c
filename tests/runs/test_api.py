"""Runs over HTTP: people's side and the worker's side, each with its own credentials."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from accounts.tokens import mint_token
from models_app.models import EvalResult
from models_app.proofs import read_proof
from runs.models import Run, Stage
from tests.runs.conftest import World, make_repo


def call(path: str, token: str | None, body: Any = None, raw: bytes | None = None) -> HttpResponse:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body is None and raw is None:
        return Client().get(path, headers=headers)
    data = raw if raw is not None else json.dumps(body).encode()
    return Client().post(path, data, content_type="application/json", headers=headers)


@pytest.fixture
def alice_token(alice: User) -> str:
    return mint_token(alice, name="t", role="write")[1]


@pytest.fixture
def claimed(world: World) -> dict[str, Any]:
    run = world.submit()
    body = {"worker": "local", "flavors": ["cpu-basic"], "versions": {"torch": "2.14"}}
    answer = call(f"/api/runs/{run.uuid}/claim", world.worker_token, body)
    assert answer.status_code == 200
    return {**answer.json(), "path": f"/api/runs/{run.uuid}"}


def test_submit_and_look(world: World, alice_token: str) -> None:
    body = {"recipe": world.recipe(), "target": "alice/result", "flavor": "cpu-basic", "private": False}
    answer = call("/api/runs", alice_token, body)
    assert answer.status_code == 201
    run = answer.json()
    assert run["stage"] == "SCHEDULING"
    assert run["url"].endswith(f"/runs/{run['id']}")
    seen = call(f"/api/runs/{run['id']}", None).json()
    assert seen["base"] == {"repo": "alice/base", "oid": world.base.head_oid}
    assert seen["createdAt"].endswith("Z")
    assert [row["id"] for row in call("/api/runs?target=alice/result", None).json()] == [run["id"]]
    assert call("/api/runs?target=alice/other", None).json() == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"recipe": {"base_model": {"repo": "alice/base"}}, "target": "alice/x"}, 422, "dataset is missing"),
        ({"recipe": [], "target": "alice/x"}, 400, "recipe must be an object"),
        ({"recipe": {}, "target": 5}, 422, "base_model is missing"),
        ([], 400, "JSON object"),
    ],
)
def test_bad_submissions_are_told_in_words(
    world: World, alice_token: str, body: Any, status: int, words: str
) -> None:
    answer = call("/api/runs", alice_token, body)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert not Run.objects.exists()


def test_problems_come_by_field(world: World, alice_token: str) -> None:
    recipe = world.recipe(optim={"lr": -0.1}, sead=1)
    problems = call("/api/runs", alice_token, {"recipe": recipe, "target": "alice/x"}).json()["problems"]
    assert {problem["field"] for problem in problems} == {"optim.lr", "sead"}


def test_what_no_database_keeps_is_made_such_or_refused(claimed: dict[str, Any]) -> None:
    answer = {"attempt": 1, "evaluation": {"accuracy": 0.5, "n": 4, "a\0b": ["c\0d", "\ud800"]}}
    assert call(claimed["path"] + "/result", claimed["token"], answer).status_code == 200
    kept = Run.objects.get().summary["evaluation"]
    assert kept == {"accuracy": 0.5, "n": 4, "a\ufffdb": ["c\ufffdd", "?"]}
    deep = b'{"attempt": 1, "evaluation": {"accuracy": 0.5, "n": 4, "x": ' + b"[" * 500 + b"]" * 500 + b"}}"
    refused = call(claimed["path"] + "/result", claimed["token"], raw=deep)
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "evaluation is nested deeper than 32 levels.",
    )
    for moment in ("0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"):
        line = {"attempt": 1, "logs": [{"seq": 0, "at": moment, "text": "x"}]}
        refused = call(claimed["path"] + "/report", claimed["token"], line)
        assert (refused.status_code, refused.json()["error"]) == (400, "at must be a time in ISO 8601.")


def test_strangers_see_public_runs_and_cancel_none(world: World, carol: User, alice_token: str) -> None:
    public, private = world.submit("alice/public"), world.submit("alice/private", private=True)
    carol_token = mint_token(carol, name="t", role="write")[1]
    for token, expected in ((None, 401), (carol_token, 403)):
        assert call(f"/api/runs/{public.uuid}", token).status_code == 200
        assert call(f"/api/runs/{public.uuid}/cancel", token, {}).status_code == expected
        assert call(f"/api/runs/{private.uuid}", token).status_code == 404
        assert call(f"/api/runs/{private.uuid}/cancel", token, {}).status_code == 404
    assert call(f"/api/runs/{private.uuid}/cancel", alice_token, {}).json()["stage"] == "CANCELED"
    assert call(f"/api/runs/{private.uuid}/cancel", alice_token, {}).status_code == 409


def test_anonymous_cannot_submit(world: World) -> None:
    assert call("/api/runs", None, {"recipe": world.recipe(), "target": "x"}).status_code == 401


def test_a_claim_carries_all_the_worker_needs(world: World, claimed: dict[str, Any]) -> None:
    assert claimed["attempt"] == 1
    assert claimed["base"] == {"repo": "alice/base", "oid": world.base.head_oid}
    assert claimed["benchmark"]["task_id"] == "digits"
    assert claimed["target"] == {"repo": "alice/result", "type": "model"}
    assert claimed["published_oid"] is None
    assert claimed["token"].startswith("hf_")
    assert 0 < claimed["heartbeat_seconds"] <= 10


def test_only_an_enabled_worker_claims(world: World, alice_token: str) -> None:
    path = f"/api/runs/{world.submit().uuid}/claim"
    body = {"flavors": ["cpu-basic"]}
    for token in (None, alice_token, "tyw_wrong", "hf_wrong"):
        assert call(path, token, body).status_code == 401
    type(world.worker).objects.update(is_enabled=False)
    assert call(path, world.worker_token, body).status_code == 401
    type(world.worker).objects.update(is_enabled=True)
    assert call(path, world.worker_token, body).status_code == 200
    assert call(path, world.worker_token, body).status_code == 409


def test_report_result_finish(world: World, claimed: dict[str, Any]) -> None:
    path, token = claimed["path"], claimed["token"]
    log = {"seq": 0, "at": "2026-01-02T03:04:05+00:00", "text": "hello\x1b[31m"}
    metric = {"step": 1, "name": "train/loss", "value": 2.5}
    report = {"attempt": 1, "activity": "training", "step": 1, "total_steps": 2}
    answer = call(f"{path}/report", token, {**report, "metrics": [metric], "logs": [log]})
    assert (answer.status_code, answer.json()) == (200, {"cancel": False})
    answer = call(f"{path}/result", token, {"attempt": 1, "evaluation": {"accuracy": 0.5, "n": 10}})
    assert read_proof(answer.json()["proof"])["value"] == 0.5
    run = Run.objects.get()
    oid = world.publish(run)
    answer = call(f"{path}/finish", token, {"attempt": 1, "outcome": "completed", "result_oid": oid})
    assert answer.json() == {"stage": "COMPLETED"}
    run.refresh_from_db()
    assert run.logs.get().text == "hello [31m"
    assert run.summary["evaluation"]["accuracy"] == 0.5
    assert call(f"{path}/report", token, {"attempt": 1}).status_code == 401  # the token died with the run


def test_the_published_result_is_verified(world: World, claimed: dict[str, Any]) -> None:
    path, token = claimed["path"], claimed["token"]
    evaluation = {"accuracy": 0.75, "n": 8}
    proof = call(f"{path}/result", token, {"attempt": 1, "evaluation": evaluation}).json()["proof"]
    dataset = f"{{id: alice/digits, task_id: digits, revision: {claimed['benchmark']['oid']}}}"
    from accounts.actor import Actor
    from models_app.actions.commits import commit
    from models_app.storage.operations import AddFile

    for value, verified in ((0.75, True), (0.76, False)):
        text = f"- dataset: {dataset}\n  value: {value}\n  verifyToken: {proof}\n"
        commit(
            Actor(world.alice),
            repo=Run.objects.get().target_repo,
            branch="main",
            operations=[AddFile(".eval_results/digits.yaml", text.encode())],
            summary="Results",
        )
        assert EvalResult.objects.get().verified is verified


@pytest.mark.parametrize("token_of", ["owner", "other run", "worker", "nobody"])
@pytest.mark.parametrize("what", ["report", "result", "finish"])
def test_no_other_credential_speaks_for_a_run(
    world: World, claimed: dict[str, Any], alice_token: str, token_of: str, what: str
) -> None:
    other = world.claim(world.submit("alice/other"))
    tokens = {
        "owner": alice_token,
        "other run": other.token,
        "worker": world.worker_token,
        "nobody": None,
    }
    answer = call(f"{claimed['path']}/{what}", tokens[token_of], {"attempt": 1, "outcome": "error"})
    assert answer.status_code in (401, 409)
    assert Run.objects.get(uuid=claimed["run"]).stage == Stage.RUNNING


def test_another_attempt_number_is_refused(claimed: dict[str, Any]) -> None:
    for attempt in (0, 2, None, "1", True):
        answer = call(f"{claimed['path']}/report", claimed["token"], {"attempt": attempt})
        assert answer.status_code in (400, 409)


@pytest.mark.parametrize(
    "bad",
    [
        {"metrics": [{"step": 1, "name": "a b", "value": 1}]},
        {"metrics": [{"step": -1, "name": "a", "value": 1}]},
        {"metrics": [{"step": 1, "name": "a", "value": "x"}]},
        {"metrics": [{"step": 1, "name": "a", "value": True}]},
        {"metrics": {}, "logs": [1]},
        {"metrics": [{"step": 1, "name": "a", "value": 1}] * 2001},
        {"logs": [{"seq": 0, "at": "yesterday", "text": "x"}]},
        {"logs": [{"seq": 0, "at": "2026-01-01T00:00:00Z", "text": 7}]},
        {"step": 2**40},
        {"activity": ["x"]},
    ],
)
def test_senseless_reports_are_400(claimed: dict[str, Any], bad: dict[str, Any]) -> None:
    answer = call(f"{claimed['path']}/report", claimed["token"], {"attempt": 1, **bad})
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("raw", [b"{", b'{"attempt": NaN}', b"\xff", b"[" * 5000])
def test_what_is_no_json_is_400(claimed: dict[str, Any], raw: bytes) -> None:
    assert call(f"{claimed['path']}/report", claimed["token"], raw=raw).status_code == 400


def test_an_endless_body_is_413(claimed: dict[str, Any]) -> None:
    answer = call(f"{claimed['path']}/report", claimed["token"], raw=b" " * (1024**2 + 1))
    assert answer.status_code == 413


def test_a_run_token_reads_and_writes_nothing_else(
    world: World, claimed: dict[str, Any], alice_token: str
) -> None:
    make_repo(world.alice, "dataset", "diary", {"README.md": b"x"}, private=True)
    assert call("/api/datasets/alice/diary", alice_token).status_code == 200
    assert call("/api/datasets/alice/diary", claimed["token"]).status_code == 404
    assert call("/api/repos/create", claimed["token"], {"name": "more", "type": "model"}).status_code == 403
    body = {"recipe": world.recipe(), "target": "alice/more"}
    assert call("/api/runs", claimed["token"], body).status_code == 403
