"""The worker's HTTP side against a small hub that misbehaves on purpose."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from training.errors import Canceled, EngineError, Interrupted
from training.hubclient import (
    Claim,
    HubApi,
    HubRefused,
    HubUnreachable,
    NoLongerOurs,
    NotClaimable,
    RunApi,
    claim_run,
    persist,
)
from training.hubreporter import HubReporter, interruptible

SECRET = "hf_secretsecretsecret"


class FakeHub:
    """Answers with the queued (status, body) pairs, then with 200 `{}`; remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.tokens: set[str] = set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hub.tokens.add(self.headers["Authorization"])
                hub.asked.append((self.path, body))
                status, answer = hub.answers.pop(0) if hub.answers else (200, {})
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def sent(self, name: str) -> list[Any]:
        return [item for _, body in self.asked for item in body.get(name, [])]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    fake = FakeHub()
    yield fake
    fake.stop()


CLAIM = {
    "run": "u-1",
    "attempt": 2,
    "token": SECRET,
    "recipe": {},
    "base": {"repo": "a/base", "oid": "1" * 40},
    "dataset": {"repo": "a/data", "oid": "2" * 40},
    "benchmark": None,
    "target": {"repo": "a/result", "type": "model"},
    "heartbeat_seconds": 0.1,
    "published_oid": None,
}


def make_reporter(hub: FakeHub) -> HubReporter:
    return HubReporter(RunApi(hub.url, Claim.from_json(CLAIM)), threading.Event(), interval=0.02)


def eventually(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_faults_that_pass_are_tried_again(hub: FakeHub) -> None:
    hub.answers = [(503, {}), (500, b"<html>"), (429, {}), (200, b"half an ans"), (200, {"ok": 1})]
    assert HubApi(hub.url, SECRET).post("/x", {}, patience=10) == {"ok": 1}
    assert len(hub.asked) == 5


def test_patience_ends(hub: FakeHub) -> None:
    hub.answers = [(503, {})] * 50
    with pytest.raises(HubUnreachable):
        HubApi(hub.url, SECRET).post("/x", {}, patience=0.6)
    assert 2 <= len(hub.asked) <= 3


def test_a_hub_that_is_not_there_is_unreachable(hub: FakeHub) -> None:
    hub.stop()
    with pytest.raises(HubUnreachable):
        HubApi(hub.url, SECRET, timeout=1).post("/x", {}, patience=0)


@pytest.mark.parametrize("status", [401, 403, 409])
def test_no_longer_ours(hub: FakeHub, status: int) -> None:
    hub.answers = [(status, {"error": "moved on"})]
    with pytest.raises(NoLongerOurs, match="moved on"):
        HubApi(hub.url, SECRET).post("/x", {}, patience=10)


def test_other_refusals_are_not_tried_again(hub: FakeHub) -> None:
    hub.answers = [(422, {"error": "no"})]
    with pytest.raises(HubRefused, match="422: no"):
        HubApi(hub.url, SECRET).post("/x", {}, patience=10)
    assert len(hub.asked) == 1


def test_no_error_tells_the_token(hub: FakeHub) -> None:
    for status in (401, 422, 503):
        hub.answers = [(status, {"error": "no"})]
        with pytest.raises(Exception) as caught:
            HubApi(hub.url, SECRET).post("/x", {})
        assert SECRET not in repr(caught.value) + str(caught.value)
    assert hub.tokens == {f"Bearer {SECRET}"}


def test_only_http_is_spoken() -> None:
    with pytest.raises(ValueError, match="http"):
        HubApi("file:///etc", SECRET)


def test_claiming(hub: FakeHub) -> None:
    hub.answers = [(200, CLAIM), (409, {"error": "taken"}), (200, {"run": "u-1"})]
    api, words = HubApi(hub.url, "tyw_x"), {"name": "w", "flavors": ["cpu-basic"], "versions": {}}
    claim = claim_run(api, "u-1", patience=0, **words)
    assert (claim.attempt, claim.base.repo, claim.target) == (2, "a/base", "a/result")
    with pytest.raises(NotClaimable, match="taken"):
        claim_run(api, "u-1", patience=0, **words)
    with pytest.raises(EngineError, match="attempt"):
        claim_run(api, "u-1", patience=0, **words)
    assert hub.asked[0] == ("/api/runs/u-1/claim", {"worker": "w", "flavors": ["cpu-basic"], "versions": {}})


def test_a_reporter_batches_and_sends_everything_once(hub: FakeHub) -> None:
    reporter = make_reporter(hub)
    reporter.stage("train")
    for step in range(1, 1501):
        reporter.report(step, 1500, {"train/loss": 1.0})
    reporter.log("hello")
    reporter.start()
    reporter.close()
    assert [point["step"] for point in hub.sent("metrics")] == list(range(1, 1501))
    assert [(line["seq"], line["text"]) for line in hub.sent("logs")] == [(0, "hello")]
    assert hub.asked[0][1]["activity"] == "training"
    assert hub.asked[0][1]["attempt"] == 2
    assert len(hub.asked) <= 4


def test_what_could_not_be_sent_is_sent_later(hub: FakeHub) -> None:
    hub.answers = [(503, {})] * 3
    reporter = make_reporter(hub)
    reporter.start()
    reporter.report(1, 2, {"train/loss": 1.0})
    eventually(lambda: len(hub.asked) >= 4)
    reporter.check()
    reporter.close()
    assert hub.asked[3][1]["metrics"] == [{"step": 1, "name": "train/loss", "value": 1.0}]


def test_silence_is_filled_with_heartbeats(hub: FakeHub) -> None:
    reporter = make_reporter(hub)
    reporter.start()
    eventually(lambda: len(hub.asked) >= 3)
    reporter.close()


def test_a_loss_that_is_not_finite_is_told_in_words(hub: FakeHub) -> None:
    reporter = make_reporter(hub)
    reporter.report(3, 9, {"train/loss": float("nan"), "lr": 0.1})
    reporter.start()
    reporter.close()
    assert [point["name"] for point in hub.sent("metrics")] == ["lr"]
    assert "not a finite number" in hub.sent("logs")[0]["text"]


@pytest.mark.parametrize(
    ("answer", "verdict"), [((200, {"cancel": True}), Canceled), ((409, {"error": "gone"}), NoLongerOurs)]
)
def test_the_hubs_verdict_arrives_at_the_step_border(hub: FakeHub, answer: Any, verdict: type) -> None:
    hub.answers = [answer]
    reporter = make_reporter(hub)
    reporter.check()
    reporter.start()
    with pytest.raises(verdict):  # noqa: PT012
        for _ in range(500):
            reporter.check()
            time.sleep(0.01)
    reporter.close()


def test_once_publishing_has_begun_a_cancel_is_too_late(hub: FakeHub) -> None:
    hub.answers = [(200, {"cancel": True})]
    reporter = make_reporter(hub)
    reporter.start()
    eventually(lambda: hub.asked)
    time.sleep(0.1)
    reporter.check_lost()
    with pytest.raises(Canceled):
        reporter.check()
    reporter.close()


def test_being_told_to_stop_interrupts(hub: FakeHub) -> None:
    reporter = make_reporter(hub)
    reporter.stop.set()
    with pytest.raises(Interrupted):
        reporter.check()
    with pytest.raises(Interrupted):
        interruptible(lambda: time.sleep(30), reporter.check)


def test_interruptible_work_gives_its_value_or_its_error() -> None:
    assert interruptible(lambda: 7, lambda: None) == 7
    with pytest.raises(KeyError):
        interruptible(lambda: {}["x"], lambda: None)


class Answered(Exception):
    """As the stock client's errors: they carry the hub's response."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.response = type("Response", (), {"status_code": status})()


@pytest.mark.parametrize("error", [ConnectionError(), TimeoutError(), Answered(503), RuntimeError("xet")])
def test_a_transfer_outlives_a_restart(error: Exception) -> None:
    tries: list[int] = []

    def work() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise error
        return "done"

    assert persist(work, pauses=(0, 0)) == "done"
    assert len(tries) == 3


@pytest.mark.parametrize("error", [Answered(401), Answered(507), OSError(28, "full"), KeyError("ours")])
def test_a_transfer_does_not_argue_with_an_answer(error: Exception) -> None:
    tries: list[int] = []

    def work() -> str:
        tries.append(1)
        raise error

    with pytest.raises(type(error)):
        persist(work, pauses=(0, 0))
    assert len(tries) == 1


def test_what_is_ranked_comes_back_with_the_proof(hub: FakeHub) -> None:
    told = {"proof": "p", "date": "2026-11-22", "metric": "rmse", "value": 72905.5}
    hub.answers.append((200, told))
    evaluation = {"metric": "r2", "value": 0.7, "rmse": 72905.5, "n": 9}
    assert RunApi(hub.url, Claim.from_json(CLAIM)).result(evaluation, patience=0) == told
