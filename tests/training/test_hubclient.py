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
from training.hubclient import HubApi, HubRefused, HubUnreachable, NoLongerOurs, NotClaimable
from training.hubreporter import HubReporter, interruptible
from training.runapi import Claim, Offer, RunApi, claim_next, claim_run
from training.transfers import persist

SECRET = "hf_secretsecretsecret"


class FakeHub:
    """Answers with the queued (status, body) pairs, then with 200 `{}`; remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.tokens: set[str] = set()
        # The same, but for paths that end so; what was uploaded; and in which order points and uploads came.
        self.by_path: dict[str, list[tuple[int, Any]]] = {}
        self.uploads: list[tuple[str, bytes]] = []
        self.order: list[str] = []
        self.date: str | None = None
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hub.tokens.add(self.headers["Authorization"])
                hub.asked.append((self.path, body))
                hub.order += ["metrics"] if body.get("metrics") else []
                waiting = hub.by_path.get(self.path.rpartition("/")[2], hub.answers)
                self.answer(*(waiting.pop(0) if waiting else (200, {})))

            def do_PUT(self) -> None:
                hub.uploads.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                hub.order.append("upload")
                self.answer(200, {})

            def answer(self, status: int, answer: Any) -> None:
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response_only(status)
                self.send_header("Content-Length", str(len(data)))
                if hub.date is not None:
                    self.send_header("Date", hub.date)
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


OFFER = Offer("w", ["cpu-basic"], {"torch": "2"}, {"cores": 2})


def test_claiming_one_run(hub: FakeHub) -> None:
    hub.answers = [(200, CLAIM), (409, {"error": "taken"}), (200, {"run": "u-1"})]
    api = HubApi(hub.url, "tyw_x")
    claim = claim_run(api, "u-1", OFFER)
    assert (claim.attempt, claim.base.repo, claim.target) == (2, "a/base", "a/result")
    with pytest.raises(NotClaimable, match="taken"):
        claim_run(api, "u-1", OFFER)
    with pytest.raises(EngineError, match="attempt"):
        claim_run(api, "u-1", OFFER)
    offered = {"worker": "w", "flavors": ["cpu-basic"], "versions": {"torch": "2"}, "hardware": {"cores": 2}}
    assert hub.asked[0] == ("/api/runs/u-1/claim", offered)


def test_claiming_the_next_run(hub: FakeHub) -> None:
    more = {"kind": "preflight", "checkpoint": {"step": 3, "bytes": 9, "sha256": "0" * 64}, "target": None}
    hub.answers = [(204, b""), (200, {**CLAIM, **more, "memory_limit_bytes": 10**9, "timeout_seconds": 60})]
    api = HubApi(hub.url, "tyw_x")
    assert claim_next(api, OFFER) is None
    claim = claim_next(api, OFFER)
    assert claim is not None
    assert (claim.kind, claim.target, claim.memory_limit_bytes) == ("preflight", "", 10**9)
    assert claim.checkpoint is not None
    assert (claim.checkpoint.step, claim.timeout_seconds) == (3, 60.0)
    assert SECRET not in repr(claim.without_token())


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
    assert hub.asked[0][1] == {"attempt": 2, "activity": "training", "step": 1, "total_steps": 1500}
    assert len(hub.asked) <= 5


def test_where_a_run_begins_again_is_told_before_its_points(hub: FakeHub) -> None:
    reporter = make_reporter(hub)
    for step in (0, 5, 10, 15):
        reporter.report(step, 20, {"train/loss": 1.0} if step else {})
    reporter.report(10, 20, {})
    reporter.report(15, 20, {"train/loss": 2.0})
    reporter.start()
    reporter.close()
    assert hub.asked[0][1] == {"attempt": 2, "step": 10, "total_steps": 20}
    points = [(point["step"], point["value"]) for point in hub.sent("metrics")]
    assert points == [(5, 1.0), (10, 1.0), (15, 2.0)]


def test_a_hub_that_stays_away_costs_old_points_but_no_validation(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.hubreporter.MAX_POINTS", 100)
    reporter = make_reporter(hub)
    for step in range(1, 1001):
        reporter.report(step, 1000, {"train/loss": 1.0, **({"val/loss": 2.0} if step % 100 == 0 else {})})
    reporter.start()
    reporter.close()
    sent = hub.sent("metrics")
    assert [point["step"] for point in sent if point["name"] == "val/loss"] == list(range(100, 1001, 100))
    steps = [point["step"] for point in sent if point["name"] == "train/loss"]
    assert len(steps) <= 100
    assert steps[-20:] == list(range(981, 1001))


def test_what_is_no_number_of_ours_costs_no_report(hub: FakeHub) -> None:
    reporter = make_reporter(hub)
    reporter.report(1, 2, {"train/loss": 1.0, "Was ist das?": 2.0, "x" * 65: 3.0})
    reporter.start()
    reporter.close()
    assert [point["name"] for point in hub.sent("metrics")] == ["train/loss"]


def test_a_run_that_was_taken_for_lost_is_asked_for_again(hub: FakeHub) -> None:
    reporter = make_reporter(hub)
    reporter.regain = lambda: asked.append(1) or True  # type: ignore[func-returns-value]
    asked: list[int] = []
    hub.answers = [(401, {"error": "moved on"})]
    assert not reporter.touch()  # heard of us a moment ago: it means it
    assert isinstance(reporter.verdict, NoLongerOurs)
    reporter.verdict, reporter.heard_at = None, time.monotonic() - 60
    hub.answers = [(401, {"error": "moved on"})]
    assert not reporter.touch()
    assert (asked, reporter.verdict, reporter.touch()) == ([1], None, True)


def test_the_hubs_clock_counts(hub: FakeHub) -> None:
    reporter = make_reporter(hub)
    hub.date = "Sun, 22 Nov 2093 22:00:00 GMT"
    reporter.touch()
    reporter.log("late")
    reporter.touch()
    assert hub.sent("logs")[0]["at"].startswith("2093-11-22T22:00:0")


def test_what_could_not_be_sent_is_sent_later(hub: FakeHub) -> None:
    hub.answers = [(503, {})] * 3
    reporter = make_reporter(hub)
    reporter.start()
    reporter.report(1, 2, {"train/loss": 1.0})
    eventually(lambda: len(hub.asked) >= 4)
    reporter.check()
    reporter.close()
    assert hub.sent("metrics") == [{"step": 1, "name": "train/loss", "value": 1.0}]


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
    eventually(lambda: reporter.verdict)
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
