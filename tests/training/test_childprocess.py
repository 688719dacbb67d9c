"""The process of a run may do what it likes: the worker lives, and says what happened."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.test_hubclient import CLAIM, FakeHub
from training import childprocess, overseer
from training.childprocess import ChildProcess
from training.childwire import BadLine, Lines, decode
from training.errors import Canceled, EngineError, Interrupted, UserError
from training.hearing import Hearing
from training.hubreporter import HubReporter
from training.overseer import Limits
from training.processes import family, marked
from training.runapi import Claim, RunApi

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's own tools")


class Stage:
    """A worker's side without a worker: `play` gives a job to one of the scripts and answers its end."""

    def __init__(self, hub: FakeHub, home: Path) -> None:
        self.hub, self.home = hub, home
        self.stop = threading.Event()
        self.run = RunApi(hub.url, Claim.from_json(CLAIM))
        self.reporter = HubReporter(self.run, self.stop, interval=0.05)
        self.limits = Limits(seconds=30, memory_bytes=4 * 1024**3, told_seconds=30)
        self.child: ChildProcess | None = None
        self.work = home / "work"

    def start(self, what: str) -> ChildProcess:
        command = [sys.executable, "-m", "tests.training.childscript", what]
        self.child = ChildProcess(self.home, command)
        assert self.child.wait_ready(30), self.child.tail
        return self.child

    def play(self, what: str, **job: Any) -> dict[str, Any]:
        child = self.start(what)
        self.reporter.start()
        hearing = Hearing(
            child, self.run, self.reporter, self.work, self.limits, checkpoint_seconds=0.1, patience=5
        )
        self.work.mkdir(exist_ok=True)
        try:
            return hearing.attend({"work_dir": str(self.work), **job})
        finally:
            child.close()
            self.reporter.close()

    def lines(self) -> list[str]:
        return [line["text"] for line in self.hub.sent("logs")]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    fake = FakeHub()
    yield fake
    fake.stop()


@pytest.fixture
def stage(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.setenv("HUB_WORKER_TOKEN", "tyw_secret")
    monkeypatch.setenv("HUB_BROKER_URL", "redis://:password@broker/0")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    made = Stage(hub, tmp_path)
    yield made
    made.stop.set()
    if made.child is not None:
        made.child.close()


def later(seconds: float, act: Callable[[], Any]) -> None:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_good_run_is_heard_to_its_end(stage: Stage, hub: FakeHub) -> None:
    end = stage.play("well")
    assert end["summary"]["scratch"] == str(stage.work / "tmp")
    points = [(point["step"], point["name"]) for point in hub.sent("metrics")]
    assert points == [(step, "train/loss") for step in range(1, 6)]
    assert "not a finite number" in stage.lines()[0]


def test_the_process_knows_no_secret(stage: Stage) -> None:
    names = stage.play("well")["summary"]["environment"]
    assert not [name for name in names if name.startswith(("HUB_", "HF_TOKEN"))]


@LINUX
def test_the_process_reaches_nobody(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        end = stage.play("phone", hub=list(server.getsockname()))
    assert stage.child is not None
    if stage.child.network == "open":
        pytest.skip("this machine does not let a process leave the network")
    assert end["summary"] == {"reached": False}


@pytest.mark.parametrize(
    ("what", "kind", "message_id", "words"),
    [
        ("refuse", UserError, "data:broken-image", "0.png"),
        ("fail", EngineError, "worker:failed", "our fault"),
        ("fill_disk", EngineError, "worker:disk-full", "disk is full"),
        ("segfault", EngineError, "worker:crashed", "SIGSEGV"),
        ("leave", EngineError, "worker:crashed", "I have had enough of this"),
        ("babble", EngineError, "worker:child-protocol", "our fault"),
        ("boast", EngineError, "worker:child-protocol", "our fault"),
        ("odd", EngineError, "worker:child-protocol", "our fault"),
    ],
)
def test_each_bad_end_has_a_name(stage: Stage, what: str, kind: type, message_id: str, words: str) -> None:
    with pytest.raises(kind) as caught:
        stage.play(what)
    assert (caught.value.message_id, words in caught.value.message) == (message_id, True), caught.value
    assert "/secret" not in caught.value.message
    assert stage.child is not None
    assert stage.child.status is not None


@LINUX
def test_who_takes_too_much_memory_is_stopped(stage: Stage) -> None:
    stage.limits.memory_bytes = 200 * 1000**2
    with pytest.raises(EngineError, match="more than 200 MB") as caught:
        stage.play("hog")
    assert caught.value.message_id == "worker:out-of-memory"


def test_who_takes_too_long_is_stopped(stage: Stage) -> None:
    stage.limits = Limits(seconds=1.0, memory_bytes=4 * 1024**3, told_seconds=90)
    with pytest.raises(EngineError, match=r"limit of 1\.5 min") as caught:
        stage.play("hold")
    assert caught.value.message_id == "run:timeout"


@pytest.mark.parametrize("what", ["listen", "hold"])
def test_a_cancel_is_obeyed_within_seconds(stage: Stage, hub: FakeHub, what: str) -> None:
    def cancel() -> None:
        hub.answers = [(200, {"cancel": True})]
        began.append(time.monotonic())

    began: list[float] = []
    later(1.5, cancel)
    with pytest.raises(Canceled):
        stage.play(what)
    assert time.monotonic() - began[0] < 20


def test_told_to_stop_it_hands_over_a_checkpoint(stage: Stage, hub: FakeHub) -> None:
    later(1.5, stage.stop.set)
    with pytest.raises(Interrupted):
        stage.play("save")
    ((path, body),) = hub.uploads
    assert path == "/api/runs/u-1/checkpoint?attempt=2&step=4"
    assert body.endswith(b"weights")
    # every point up to it was there before
    assert hub.order.index("metrics") < hub.order.index("upload")


def test_who_is_deaf_is_stopped_all_the_same(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overseer, "INTERRUPT_SECONDS", 0.5)
    later(1.0, stage.stop.set)
    with pytest.raises(Interrupted):
        stage.play("hold")


def test_a_flood_of_words_is_cut(stage: Stage) -> None:
    assert stage.play("flood")["summary"] == {}
    said = [line for line in stage.lines() if line.startswith("line ")]
    assert 250 < len(said) <= 300
    assert "not shown" in stage.lines()[-1]


def test_the_last_word_is_waited_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the process is gone long before its pipe is read."""
    plain = childprocess.decode

    def slow(line: bytes) -> dict[str, Any]:
        if b'"end"' in line:
            time.sleep(1.5)
        return plain(line)

    monkeypatch.setattr(childprocess, "decode", slow)
    assert stage.play("well")["outcome"] == "completed"


@LINUX
def test_nothing_of_a_brood_is_left(stage: Stage) -> None:
    with pytest.raises(EngineError):
        stage.play("breed")
    assert stage.child is not None
    assert (stage.work / "bred").read_text()
    assert marked(stage.child.marker) == set()


def test_the_proof_comes_from_the_hub(stage: Stage, hub: FakeHub) -> None:
    told = {"proof": "p", "date": "2026-11-22", "metric": "accuracy", "value": 0.5}
    hub.by_path["result"] = [(409, {"error": "not now"}), (200, told)]
    assert stage.play("measure")["summary"] == {"proof": told}


@LINUX
def test_it_dies_with_the_worker(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from training.childprocess import ChildProcess\n"
        "words = [sys.executable, '-m', 'tests.training.childscript', 'hold']\n"
        "child = ChildProcess(Path(sys.argv[1]), words)\n"
        "assert child.wait_ready(30)\n"
        "child.give({'work_dir': sys.argv[1]}); child.next_event(9)\n"
        "print(child.process.pid, flush=True); time.sleep(60)"
    )
    import subprocess

    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    ) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        assert is_alive(pid)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        deadline = time.monotonic() + 5
        while is_alive(pid):
            assert time.monotonic() < deadline
            time.sleep(0.02)


@LINUX
def test_a_family_is_found() -> None:
    import subprocess

    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as first:
        deadline = time.monotonic() + 10
        while len(family(first.pid)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(first.pid, signal.SIGKILL)


def test_lines_are_bounded() -> None:
    lines = Lines(limit=10)
    assert list(lines.feed(b'{"a":1}\n{"b"')) == [b'{"a":1}']
    assert list(lines.feed(b":2}\n")) == [b'{"b":2}']
    with pytest.raises(BadLine):
        list(lines.feed(b"x" * 11))
    for bad in (b"[]", b"{", b'{"a": NaN}', b"\xff", b'{"a":' * 5000):
        with pytest.raises(BadLine):
            decode(bad)
