"""The API of runs and sweeps for people's scripts: what may be asked, what is answered, who may ask."""

from __future__ import annotations

import csv
import io
import uuid as uuids
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.tokens import mint_token
from models_app.models import Repo
from runs.lifecycle import finish_run
from runs.models import Kind, Run, RunActivity, RunLog, RunMetric, Stage, Sweep
from tests.runs.conftest import World
from tests.runs.test_again import keep_checkpoint
from tests.runs.test_api import call


@pytest.fixture
def alice_token(alice: User) -> str:
    return mint_token(alice, name="t", role="write")[1]


@pytest.fixture
def carol_token(carol: User) -> str:
    return mint_token(carol, name="t", role="write")[1]


def logged(run: Run, count: int, attempt: int = 1) -> None:
    rows = [
        RunLog(run=run, attempt=attempt, seq=n, at=timezone.now(), text=f"line {n}") for n in range(count)
    ]
    RunLog.objects.bulk_create(rows)


# --- submitting


def test_all_that_can_be_asked_for(world: World, alice_token: str) -> None:
    parent = world.submit("alice/first")
    body = {
        "recipe": world.recipe(),
        "target": "alice/second",
        "timeoutSeconds": 600,
        "labels": {"team": "vision"},
        "parent": str(parent.uuid),
        "id": "11111111-2222-4333-8444-555555555555",
    }
    made = call("/api/runs", alice_token, body)
    assert made.status_code == 201, made.json()
    found = call(f"/api/runs/{made.json()['id']}", alice_token).json()
    assert found["id"] == body["id"]
    assert (found["timeoutSeconds"], found["labels"]) == (600, {"team": "vision"})
    assert (found["parent"], found["namespace"], found["kind"]) == (str(parent.uuid), "alice", "train")
    assert (found["attempts"], found["timeline"], found["checkpoint"], found["sweep"]) == ([], [], None, None)


def test_a_recipe_may_be_yaml_and_the_target_left_out(world: World, alice_token: str) -> None:
    text = "base_model: {repo: alice/base}\ndataset: {repo: alice/digits}\noptim: {lr: 1e-3}\n"
    made = call("/api/runs", alice_token, {"recipe": text})
    assert made.status_code == 201, made.json()
    assert made.json()["target"]["repo"] == "alice/base-digits"
    assert made.json()["recipe"]["optim"]["lr"] == 0.001


def test_the_same_request_twice_is_one_run(world: World, alice_token: str, carol_token: str) -> None:
    body = {"recipe": world.recipe(), "target": "alice/one", "id": str(uuids.uuid4())}
    answers = [call("/api/runs", alice_token, body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"] == body["id"]
    assert Run.objects.count() == 1
    assert call("/api/runs", carol_token, {**body, "target": "carol/x"}).status_code == 409
    Repo.objects.filter(name="one").update(private=True)
    hidden = call("/api/runs", carol_token, {**body, "target": "carol/x"})
    assert (hidden.status_code, hidden.json()["error"]) == (409, "This id is taken; choose another.")
    assert not Repo.objects.filter(namespace__name="carol").exists()


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"flavour": "cpu-basic"}, 400, "'flavour' is not a field of this request; did you mean flavor?"),
        ({"zzz": 1}, 400, "'zzz' is not a field"),
        ({"private": "yes"}, 400, "private must be true, false"),
        ({"parent": "x"}, 400, "parent must be a UUID"),
        ({"id": 7}, 400, "id must be a UUID"),
        ({"parent": str(uuids.uuid4())}, 404, "no such run"),
        ({"timeoutSeconds": 1}, 422, "timeoutSeconds must be"),
        ({"timeoutSeconds": "1h"}, 400, "timeoutSeconds must be a whole number"),
        ({"labels": {"a b": "c"}}, 422, "label"),
        ({"labels": {"a": 1}}, 400, "labels must hold texts"),
        ({"recipe": "a: [1"}, 422, "not valid YAML"),
        ({"recipe": "x" * 70_000}, 400, "recipe must be text of at most"),
        ({"recipe": 5}, 400, "recipe must be an object"),
        ({"target": "carol/x"}, 403, "namespace"),
    ],
)
def test_bad_submissions(
    world: World, alice_token: str, carol: User, changes: dict[str, Any], status: int, words: str
) -> None:
    body = {"recipe": world.recipe(), "target": "alice/x", **changes}
    answer = call("/api/runs", alice_token, body)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.json()
    assert not Run.objects.exists()
    assert not Repo.objects.filter(name="x").exists()


# --- listing


def test_filters_narrow_the_list(world: World, alice_token: str, carol: User) -> None:
    one, two = world.submit("alice/one", labels={"team": "a"}), world.submit("alice/two")
    world.claim(two)
    Run.objects.create(namespace=one.namespace, created_by=world.alice, kind=Kind.PREFLIGHT, recipe={})

    def ids(query: str, token: str | None = alice_token) -> list[str]:
        answer = call(f"/api/runs?{query}", token)
        assert answer.status_code == 200, answer.json()
        return [row["id"] for row in answer.json()]

    both = [str(two.uuid), str(one.uuid)]
    assert ids("") == ids("mine=true") == ids("namespace=ALICE") == ids("base=alice/base") == both
    assert ids("dataset=alice/digits&stage=running,scheduling") == both
    assert ids("stage=RUNNING") == [both[0]]
    assert ids("stage=SCHEDULING&stage=COMPLETED") == [both[1]]
    assert ids("label=team=a") == ids("target=alice/one") == [both[1]]
    assert ids("target=one") == [both[1]]
    assert ids("namespace=carol") == ids("base=alice/other") == ids(f"sweep={uuids.uuid4()}") == []


@pytest.mark.parametrize(
    "query",
    ["stage=done", "limit=0", "limit=x", "cursor=x", "cursor=ed64c91a-1dcb-4f16-9bc3-52f0c7151f5a", "sweep=1",
     "mine=perhaps", "label=team", "target=/", "limit=9999999999999999"],
)  # fmt: skip
def test_a_query_that_means_nothing_is_400(world: World, alice_token: str, query: str) -> None:
    answer = call(f"/api/runs?{query}", alice_token)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("'")


def test_ones_own_need_a_name(world: World) -> None:
    assert call("/api/runs?mine=1", None).status_code == 401


def test_pages_stay_in_place_while_runs_are_added(world: World, alice_token: str) -> None:
    made = [str(world.submit(f"alice/r{n}").uuid) for n in range(5)]
    answer = call("/api/runs?limit=2&namespace=alice", alice_token)
    seen = [row["id"] for row in answer.json()]
    late = world.submit("alice/late")
    while link := answer.headers.get("Link"):
        assert 'rel="next"' in link
        assert "namespace=alice" in link
        path = link.partition(">")[0].partition("/api/")[2]
        answer = call(f"/api/{path}", alice_token)
        seen += [row["id"] for row in answer.json()]
    assert seen == made[::-1]
    assert str(late.uuid) not in seen


# --- looking


def test_a_run_tells_its_life(world: World, alice_token: str) -> None:
    run = world.claim(world.submit()).run
    run.checkpoint_step, run.checkpoint_bytes, run.checkpoint_at = 40, 1000, timezone.now()
    run.forecast = {"seconds": 12.5}
    run.save()
    RunActivity.objects.create(run=run, attempt=1, name="training")
    found = call(f"/api/runs/{run.uuid}", alice_token).json()
    (attempt,) = found["attempts"]
    assert (attempt["number"], attempt["worker"], attempt["outcome"]) == (1, "local", None)
    assert found["timeline"][-1]["activity"] == "training"
    assert (found["checkpoint"]["step"], found["checkpoint"]["bytes"]) == (40, 1000)
    assert (found["forecast"], found["worker"]) == ({"seconds": 12.5}, "local")
    assert found["startedAt"].endswith("Z")


def test_a_waiting_run_tells_its_place(world: World, alice_token: str) -> None:
    first, second = world.submit("alice/one"), world.submit("alice/two")
    places = [
        call(f"/api/runs/{run.uuid}", alice_token).json()["place"]["position"] for run in (first, second)
    ]
    assert places == [1, 2]
    world.claim(first)
    assert call(f"/api/runs/{first.uuid}", alice_token).json()["place"] is None


def test_a_hidden_parent_is_not_named(world: World, alice_token: str) -> None:
    parent = world.submit("alice/hidden", private=True)
    body = {"recipe": world.recipe(), "target": "alice/open", "parent": str(parent.uuid)}
    made = call("/api/runs", alice_token, body).json()["id"]
    assert call(f"/api/runs/{made}", alice_token).json()["parent"] == str(parent.uuid)
    assert call(f"/api/runs/{made}", None).json()["parent"] is None


def test_the_log_is_read_on_from_where_one_was(world: World, alice_token: str) -> None:
    run = world.submit()
    logged(run, 5)
    logged(run, 2, attempt=2)
    path = f"/api/runs/{run.uuid}/logs"
    first = call(f"{path}?limit=4", alice_token).json()
    assert [line["seq"] for line in first["lines"]] == [0, 1, 2, 3]
    rest = call(f"{path}?since={first['next']}", alice_token).json()
    assert [(line["attempt"], line["text"]) for line in rest["lines"]] == [
        (1, "line 4"), (2, "line 0"), (2, "line 1"),
    ]  # fmt: skip
    again = call(f"{path}?since={rest['next']}", alice_token).json()
    assert (again["lines"], again["next"]) == ([], rest["next"])
    answer = Client().get(f"{path}?format=text&since=1.3")
    text = b"".join(answer.streaming_content).decode()
    assert [line.partition(" ")[2] for line in text.splitlines()] == ["line 4", "line 0", "line 1"]
    assert "attachment" in answer["Content-Disposition"]
    for bad in ("since=x", "since=1", "limit=0", "format=xml", "since=1.9999999999"):
        assert call(f"{path}?{bad}", alice_token).status_code == 400


def test_the_log_follows_as_events(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models_app.api.sse.STREAM_SECONDS", 0)
    run = world.submit()
    logged(run, 3)
    answer = Client().get(f"/api/runs/{run.uuid}/logs?format=events&since=1.0")
    assert answer["Content-Type"] == "text/event-stream"
    text = b"".join(answer.streaming_content).decode()
    assert "line 0" not in text
    assert text.count('"data": "line') == 2


def test_curves_are_told_whole_and_as_a_table(world: World, alice_token: str) -> None:
    run = world.submit()
    points = [
        (step, name, step + len(name) / 10) for step in (1, 2, 3) for name in ("train/loss", "val/loss")
    ]
    RunMetric.objects.bulk_create([RunMetric(run=run, step=s, name=n, value=v) for s, n, v in points])
    path = f"/api/runs/{run.uuid}/metrics"
    told = call(path, alice_token).json()["series"]
    assert told["val/loss"] == [[1, 1.8], [2, 2.8], [3, 3.8]]
    assert list(call(f"{path}?name=val/loss&since=2", alice_token).json()["series"].items()) == [
        ("val/loss", [[3, 3.8]])
    ]
    text = b"".join(Client().get(f"{path}?format=csv").streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(int(row["step"]), row["name"], float(row["value"])) for row in rows] == points
    for bad in ("since=x", "format=xml", "&".join(["name=a"] * 21)):
        assert call(f"{path}?{bad}", alice_token).status_code == 400


def test_published_files_are_listed_with_their_addresses(world: World, alice_token: str) -> None:
    run = world.submit()
    empty = call(f"/api/runs/{run.uuid}/artifacts", alice_token).json()
    assert empty == {"repo": None, "oid": None, "files": [], "checkpoint": None}
    oid = world.publish(run)
    Run.objects.update(stage=Stage.COMPLETED, result_oid=oid)
    told = call(f"/api/runs/{run.uuid}/artifacts", alice_token).json()
    assert (told["repo"], told["oid"]) == ("alice/result", oid)
    found = {file["path"]: file for file in told["files"]}
    assert found["run.json"]["size"] == 2
    path = found["run.json"]["url"].partition("/alice/")[2]
    assert Client().get(f"/alice/{path}").content == b"{}"
    Repo.objects.filter(name="result").update(gated="manual")
    assert call(f"/api/runs/{run.uuid}/artifacts", None).status_code == 401
    assert call(f"/api/runs/{run.uuid}/artifacts", alice_token).status_code == 200


@pytest.mark.parametrize("what", ["", "/logs", "/metrics", "/artifacts"])
def test_what_is_private_looks_missing(world: World, carol_token: str, alice_token: str, what: str) -> None:
    run = world.submit(private=True)
    for token in (None, carol_token):
        hidden = call(f"/api/runs/{run.uuid}{what}", token)
        missing = call(f"/api/runs/{uuids.uuid4()}{what}", token)
        assert (hidden.status_code, hidden.content) == (missing.status_code, missing.content)
        assert hidden.status_code == 404
    assert call(f"/api/runs/{run.uuid}{what}", alice_token).status_code == 200


# --- again


def test_a_failed_run_is_tried_again_copied_and_resumed(world: World, alice_token: str) -> None:
    run = world.submit()
    assert call(f"/api/runs/{run.uuid}/retry", alice_token, {}).status_code == 409
    run = world.claim(run).run
    keep_checkpoint(run, 3)
    finish_run(run, stage=Stage.ERROR, message_id="train:diverged", message="NaN")
    other = world.claim(world.submit("alice/other")).run
    finish_run(other, stage=Stage.ERROR, message_id="train:diverged", message="NaN")
    assert "No checkpoint" in call(f"/api/runs/{other.uuid}/resume", alice_token, {}).json()["error"]
    copied = call(f"/api/runs/{run.uuid}/clone", alice_token, {})
    assert (copied.status_code, copied.json()["target"]["repo"]) == (201, "alice/result-2")
    again = call(f"/api/runs/{run.uuid}/retry", alice_token, {})
    assert (again.status_code, again.json()["target"]["repo"]) == (201, "alice/result")
    assert call(f"/api/runs/{again.json()['id']}", alice_token).json()["parent"] == str(run.uuid)
    call(f"/api/runs/{again.json()['id']}/cancel", alice_token, {})
    resumed = call(f"/api/runs/{run.uuid}/resume", alice_token, {})
    assert (resumed.status_code, resumed.json()["stage"]) == (200, "SCHEDULING")
    assert call(f"/api/runs/{run.uuid}/resume", alice_token, {}).status_code == 409


@pytest.mark.parametrize("verb", ["cancel", "resume", "retry"])
def test_strangers_change_nothing(world: World, carol_token: str, verb: str) -> None:
    run = world.submit()
    Run.objects.update(stage=Stage.ERROR, finished_at=timezone.now() - timedelta(minutes=1))
    assert call(f"/api/runs/{run.uuid}/{verb}", None, {}).status_code == 401
    assert call(f"/api/runs/{run.uuid}/{verb}", carol_token, {}).status_code == 403
    assert Run.objects.count() == 1


def test_a_stranger_copies_a_public_run_to_a_name_of_theirs(world: World, carol_token: str) -> None:
    run = world.submit()
    made = call(f"/api/runs/{run.uuid}/clone", carol_token, {})
    assert (made.status_code, made.json()["target"]["repo"]) == (201, "carol/result")
    assert call(f"/api/runs/{run.uuid}/clone", None, {}).status_code == 401


# --- jobs


def test_measured_steps_are_no_jobs(world: World, alice_token: str) -> None:
    run = world.submit()
    step = Run.objects.create(namespace=run.namespace, created_by=world.alice, kind=Kind.PREFLIGHT, recipe={})
    assert [job["id"] for job in call("/api/jobs/alice", alice_token).json()] == [str(run.uuid)]
    assert call(f"/api/jobs/alice/{step.uuid}", alice_token).status_code == 404


# --- sweeps


def swept(world: World, token: str, **changes: Any) -> Any:
    body = {"recipe": world.recipe(), "name": "probe", "axes": {"optim.lr": [0.1, 0.01], "seed": [0, 1]}}
    return call("/api/sweeps", token, {**body, **changes})


def test_a_sweep_from_start_to_end(world: World, alice_token: str) -> None:
    made = swept(world, alice_token, labels={"kind": "probe"}, timeoutSeconds=600)
    assert made.status_code == 201, made.json()
    told = made.json()
    assert (told["name"], told["namespace"], len(told["rows"])) == ("probe", "alice", 4)
    assert told["counts"] == {"SCHEDULING": 4}
    assert {run.timeout_seconds for run in Run.objects.all()} == {600}
    path = f"/api/sweeps/{told['id']}"
    row = told["rows"][0]
    run = call(f"/api/runs/{row['run']}", alice_token).json()
    assert run["sweep"] == {"id": told["id"], "name": "probe", "index": 0}
    assert run["labels"] == {"kind": "probe"}
    assert len(call(f"/api/runs?sweep={told['id']}", None).json()) == 4
    more = call(f"{path}/extend", alice_token, {"axes": {"optim.lr": [0.001]}}).json()
    assert (len(more["rows"]), more["axes"]["optim.lr"]) == (6, [0.1, 0.01, 0.001])
    stopped = call(f"{path}/cancel", alice_token, {}).json()
    assert (stopped["canceled"], stopped["counts"]) == (6, {"CANCELED": 6})
    assert call(f"{path}/cancel", alice_token, {}).status_code == 409
    assert [one["id"] for one in call("/api/sweeps?namespace=alice", None).json()] == [told["id"]]
    assert call("/api/sweeps?namespace=carol", None).json() == []


def test_the_same_sweep_twice_is_one(world: World, alice_token: str, carol_token: str) -> None:
    uuid = str(uuids.uuid4())
    answers = [swept(world, alice_token, id=uuid) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert Sweep.objects.count() == 1
    assert swept(world, carol_token, id=uuid).status_code == 409


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"axes": [1]}, 400, "axes must be an object"),
        ({"axes": None}, 400, "axes must be an object"),
        ({"axes": {}}, 422, "1 to 12 fields"),
        ({"axis": {}}, 400, "did you mean axes?"),
        ({"mode": "all"}, 422, "mode must be one of"),
        ({"mode": "random"}, 422, "samples must be"),
        ({"samples": 2}, 422, "samples is of the mode random"),
        ({"samples": -1}, 400, "samples must be a whole number"),
        ({"name": "x" * 95}, 422, "at most 90 characters"),
        ({"flavor": "gpu"}, 422, "flavor must be one of"),
        ({"axes": {"optim.lr": [5, 50]}}, 422, "axes.optim.lr: optim.lr must be at most 10, got 50"),
        ({"namespace": "nobody"}, 403, "namespace"),
        ({"axes": {"seed": list(range(50)), "optim.batch_size": [1, 2, 3, 4, 5]}}, 422, "250 runs"),
    ],
)
def test_bad_sweeps(world: World, alice_token: str, changes: dict[str, Any], status: int, words: str) -> None:
    answer = swept(world, alice_token, **changes)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.json()
    assert not Sweep.objects.exists()
    assert not Run.objects.exists()


def test_sweeps_keep_strangers_out(world: World, alice_token: str, carol_token: str) -> None:
    path = f"/api/sweeps/{swept(world, alice_token, private=True).json()['id']}"
    for token in (None, carol_token):
        for method in (None, {}):
            for verb in ("", "/cancel", "/extend")[: 1 if method is None else 3][method is not None :]:
                assert call(path + verb, token, method).status_code == 404
        assert call("/api/sweeps", token).json() == []
    assert swept(world, None).status_code == 401  # type: ignore[arg-type]
    assert call(path + "/extend", alice_token, {"axis": 1}).status_code == 400
    assert call(path + "/extend", alice_token, {}).status_code == 422
