"""Following a run from a terminal: lines that move or stay, and a hub that is away, wrong, or hostile."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from training.errors import UserError
from training.following import (
    Pace,
    Screen,
    bar,
    best_words,
    clock,
    follow_run,
    follow_sweep,
    row_line,
    run_line,
)
from training.hubperson import HubAway, HubSaidNo, PersonApi, read_token
from training.submit import main

pytestmark = pytest.mark.enable_socket
RUN = {
    "id": "x",
    "stage": "RUNNING",
    "activity": "training",
    "attempt": 1,
    "progress": {"step": 5, "total": 10},
    "cancelRequested": False,
}
Answer = tuple[int, Any, dict[str, str]]


class Hub:
    """A small hub that answers what a test wants and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.otherwise: Callable[[str, str], Answer] = lambda method, path: (404, {"error": "no"}, {})
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size) or b"null")
                hub.asked.append((self.command, self.path, body))
                given = hub.answers.pop(0) if hub.answers else hub.otherwise(self.command, self.path)
                status, told, headers = given
                data = told if isinstance(told, bytes) else json.dumps(told).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _answer

            def log_message(self, *words: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody sleeps; how long they would have."""
    slept: list[float] = []
    monkeypatch.setattr("training.hubperson.time.sleep", slept.append)
    return slept


def api(hub: Hub) -> PersonApi:
    return PersonApi(hub.url, "hf_secret")


# --- the wire


def test_problems_are_told_one_by_one(hub: Hub) -> None:
    problems = [{"field": "a", "message": "One."}, {"field": "b", "message": "Two."}, "x"]
    hub.answers = [(422, {"error": "One. Two.", "problems": problems}, {})]
    with pytest.raises(HubSaidNo) as refusal:
        api(hub).post("/api/runs", {})
    assert (refusal.value.status, refusal.value.problems) == (422, ["One.", "Two."])


@pytest.mark.parametrize(
    ("status", "told", "words"),
    [
        (401, {"error": "x"}, "does not know this token"),
        (403, {"error": "Not yours."}, "Not yours."),
        (404, b"<html>", "refused (404) and gave no reason"),
        (429, {"error": "Too many."}, "Too many."),
        (400, b"[1]", "refused (400)"),
    ],
)
def test_refusals_are_not_tried_again(hub: Hub, status: int, told: Any, words: str) -> None:
    hub.answers = [(status, told, {})]
    with pytest.raises(HubSaidNo) as refusal:
        api(hub).post("/api/runs", {}, patience=60)
    assert words in refusal.value.message
    assert len(hub.asked) == 1


def test_what_may_pass_is_waited_for(hub: Hub, quick: list[float]) -> None:
    hub.answers = [
        (503, {}, {}),
        (502, b"", {}),
        (200, b"half", {}),
        (429, {"error": "slow"}, {}),
        (200, {"a": 1}, {}),
    ]
    told: list[str | None] = []
    person = api(hub)
    person.on_silence = told.append
    assert person.get("/x", patience=1000) == {"a": 1}
    assert quick == [0.5, 1.0, 2.0, 4.0]
    assert told[-1] is None
    assert told[0] == "it says 503"


def test_patience_ends(hub: Hub) -> None:
    hub.otherwise = lambda method, path: (503, {}, {})
    with pytest.raises(HubAway, match="it says 503"):
        api(hub).get("/x")
    url = hub.url
    hub.stop()
    with pytest.raises(HubAway, match="refused"):
        PersonApi(url, "t").get("/x")


def test_the_token_follows_no_redirect(hub: Hub) -> None:
    other = Hub()
    try:
        hub.answers = [(302, {}, {"Location": f"{other.url}/steal"})]
        with pytest.raises(HubSaidNo, match="give that address with --hub"):
            api(hub).get("/x")
        assert other.asked == []
    finally:
        other.stop()


@pytest.mark.parametrize("endpoint", ["", "hub.example.org", "ftp://x", "file:///etc/passwd", "http://"])
def test_addresses_that_are_none(endpoint: str) -> None:
    with pytest.raises(UserError, match="address must be like"):
        PersonApi(endpoint, "t")


def test_where_the_token_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    (tmp_path / "token").write_text("hf_file\n")
    assert read_token(tmp_path / "token") == "hf_file"
    assert read_token(None) == "hf_environment"
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    for path in (None, tmp_path / "none", tmp_path):
        with pytest.raises(UserError):
            read_token(path)
    (tmp_path / "token").write_text("a\nb")
    with pytest.raises(UserError):
        read_token(tmp_path / "token")


# --- what is shown


def test_lines_of_a_run() -> None:
    waiting = {**RUN, "stage": "SCHEDULING", "place": {"position": 3, "of": 9, "startsAt": None}}
    assert run_line(waiting, {}, None) == "waiting for a worker, number 3 in the queue"
    assert run_line({**waiting, "place": None}, {}, None) == "waiting for a worker"
    soon = (datetime.now(UTC) + timedelta(seconds=75.95)).isoformat()
    told = run_line({**waiting, "place": {"position": 1, "startsAt": soon}}, {}, None)
    assert told == "waiting for a worker, number 1 in the queue, begins in about 1:15"
    told = run_line(RUN, {"train/loss": 0.25, "val/loss": 0.5, "val/accuracy": 0.75, "train/lr": 1e-3}, 75)
    assert told.split("  ")[2:] == ["50 %", "step 5/10", "val loss 0.5", "val accuracy 0.75", "1:15 left"]
    assert run_line({**RUN, "cancelRequested": True}, {}, None) == "stopping …"
    assert run_line({**RUN, "attempt": 2, "progress": {}}, {}, None) == "training  attempt 2"


def test_a_bar_is_always_as_wide() -> None:
    assert {len(bar(share)) for share in (-1, 0, 0.33, 1, 7)} == {24}
    assert (clock(75), clock(3675), clock(-1)) == ("1:15", "1:01:15", "0:00")


def test_the_pace_is_of_this_attempt() -> None:
    pace = Pace()
    assert pace.left(1, 10, 100, 0.0) is None
    assert pace.left(1, 20, 100, 5.0) == pytest.approx(40)
    assert pace.left(1, 20, 100, 5.0) == pytest.approx(40)
    assert pace.left(2, 15, 100, 9.0) is None  # another attempt, from an earlier step
    assert pace.left(2, 16, 100, 10.0) == pytest.approx(84)
    assert pace.left(2, 100, 100, 11.0) is None


def test_lines_that_stay_are_few() -> None:
    stream, now = io.StringIO(), [0.0]
    screen = Screen(stream, now=lambda: now[0])
    for second in range(40):
        now[0] = float(second)
        screen.show(f"step {second}", "training")
    screen.show("publishing", "publishing")
    screen.say("done")
    assert stream.getvalue().splitlines() == ["step 0", "step 15", "step 30", "publishing", "done"]


def test_what_comes_over_the_wire_does_not_steer_the_terminal() -> None:
    stream = io.StringIO()
    Screen(stream).show("a\x1b[2Jb\rc\x07")
    Screen(stream).say(
        row_line({"values": {"optim.name": "x\x1b[0m"}, "score": None, "stage": "ERROR"}, None)
    )
    assert "\x1b" not in stream.getvalue()
    assert "\x07" not in stream.getvalue()


def test_a_run_is_followed_over_attempts(hub: Hub, quick: list[float]) -> None:
    steps = iter([(1, 5), (1, 9), (2, 4), (2, 8)])

    def answer(method: str, path: str) -> Answer:
        if "metrics" in path:
            since = int(path.partition("since=")[2])
            return 200, {"series": {"train/loss": [[since + 1, 1 / (since + 1)]]}}, {}
        attempt, step = next(steps, (2, 10))
        stage = "COMPLETED" if step == 10 else "RUNNING"
        progress = {"step": step, "total": 10}
        return 200, {**RUN, "attempt": attempt, "progress": progress, "stage": stage}, {}

    hub.otherwise = answer
    assert follow_run(api(hub), "x", Screen(io.StringIO()), pause=0.0)["stage"] == "COMPLETED"
    assert [path.partition("since=")[2] for _, path, _ in hub.asked if "metrics" in path] == [
        "0",
        "5",
        "0",
        "4",
    ]


def test_a_sweep_is_followed_row_by_row(hub: Hub, quick: list[float]) -> None:
    def sweep(*stages: str) -> Answer:
        rows = [
            {
                "run": str(n),
                "stage": stage,
                "values": {"seed": n},
                "score": 0.5 if stage == "COMPLETED" else None,
            }
            for n, stage in enumerate(stages)
        ]
        best = {"values": {"optim.lr": 0.1}, "mean": 0.5, "sd": 0.01, "n": 2}
        return 200, {"rows": rows, "metric": "accuracy", "best": best}, {}

    hub.answers = [sweep("RUNNING", "SCHEDULING"), sweep("COMPLETED", "RUNNING"), sweep("COMPLETED", "ERROR")]
    stream = io.StringIO()
    found = follow_sweep(api(hub), "x", Screen(stream), pause=0.0)
    assert "seed 0: accuracy 0.5" in stream.getvalue()
    assert "seed 1: error" in stream.getvalue()
    assert best_words(found) == ["best: optim.lr 0.1 with accuracy 0.5 ± 0.01 (2 seeds)"]
    assert best_words({"best": None}) == []


# --- the command


def test_the_request_is_one_over_a_restart(
    hub: Hub, quick: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    (tmp_path / "recipe.yaml").write_text("task: x\n")
    made = {"id": "7", "url": "http://x/runs/7"}
    hub.answers = [(502, b"", {}), (201, made, {})]
    words = [str(tmp_path / "recipe.yaml"), "--hub", hub.url, "--detach", "--target", "alice/x"]
    assert main(words) == 0
    first, second = (body for _, _, body in hub.asked)
    assert first == second
    assert first["target"] == "alice/x"
    assert len(first["id"]) == 36


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.yaml"], "cannot be read"),
        (["recipe.yaml", "--axis", "x"], "is no axis"),
        (["recipe.yaml", "--axis", "seed=1", "--axis", "seed=2"], "given twice"),
        (["recipe.yaml", "--samples", "3"], "--samples needs"),
        (["recipe.yaml", "--label", "x"], "--label must be like"),
        (["recipe.yaml", "--token-file", "none"], "cannot be read"),
        (["big.yaml"], "larger than 64 KiB"),
        (["binary.yaml"], "not text in UTF-8"),
    ],
)
def test_what_is_wrong_here_is_2_without_a_request(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], told: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    (tmp_path / "recipe.yaml").write_text("task: x\n")
    (tmp_path / "big.yaml").write_text("a" * 70_000)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    assert main([*words, "--hub", hub.url]) == 2
    assert told in capsys.readouterr().err
    assert hub.asked == []
