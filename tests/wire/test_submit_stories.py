"""`python -m training submit` against a live hub: followed, stopped, left alone, refused, over a restart."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.live import ROOT, LiveHub
from training.hubclient import HubApi

pytestmark = pytest.mark.wire
WORKER_TOKEN = "tyw_submitsubmitsubmitsubmitsubmit"


@dataclass
class Submitting:
    """The command as alice on a machine of her own; `text` is what it has said so far."""

    process: subprocess.Popen[bytes]
    keyboard: int | None = None
    text: str = ""
    _reader: threading.Thread = field(default_factory=threading.Thread)

    def read(self, source: int) -> None:
        self._reader = threading.Thread(target=self._read, args=(source,), daemon=True)
        self._reader.start()

    def _read(self, source: int) -> None:
        while True:
            try:
                piece = os.read(source, 4096)
            except OSError:  # the other end of a terminal is gone
                return
            if not piece:
                return
            self.text += piece.decode(errors="replace")

    def wait_for(self, words: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.text:
            assert time.monotonic() < deadline, f"no {words!r} in {self.text!r}"
            time.sleep(0.05)

    def run_id(self) -> str:
        self.wait_for("/runs/")
        deadline = time.monotonic() + 10
        while not (found := re.search(r"/runs/([0-9a-f-]{36})", self.text)):
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)
        return found[1]

    def type(self, text: bytes) -> None:
        assert self.keyboard is not None
        os.write(self.keyboard, text)

    def end(self, seconds: float = 30) -> int:
        status = self.process.wait(seconds)
        self._reader.join(5)
        return status


@dataclass
class Desk:
    """Where the command is started; everything it started is ended with the test."""

    hub: LiveHub
    home: Path
    recipe: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def submit(self, *words: str, terminal: bool = False, token: str | None = None) -> Submitting:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUB_", "DJANGO_"))}
        env = {**kept, "HF_TOKEN": token or self.hub.tokens["alice"], "HF_HOME": str(self.home)}
        line = [sys.executable, "-m", "training", "submit", str(self.recipe), "--hub", self.hub.url, *words]
        if terminal:
            ours, theirs = pty.openpty()
            process = subprocess.Popen(
                line, env=env, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                preexec_fn=_take_terminal,
            )  # fmt: skip
            os.close(theirs)
            made = Submitting(process, ours)
            made.read(ours)
        else:
            process = subprocess.Popen(
                line, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_heed_interrupts,
            )  # fmt: skip
            made = Submitting(process)
            assert process.stdout is not None
            made.read(process.stdout.fileno())
        self.started.append(process)
        return made

    def claim(self, run_id: str) -> tuple[HubApi, dict[str, Any]]:
        """As a worker would; the answer's token speaks for the run."""
        body = {"flavors": ["cpu-basic"], "versions": {}}
        claim = HubApi(self.hub.url, WORKER_TOKEN).post(f"/api/runs/{run_id}/claim", body)
        return HubApi(self.hub.url, claim["token"]), claim

    def complete(self, worker: HubApi, claim: dict[str, Any]) -> None:
        """Publish a commit and say so."""
        from huggingface_hub import CommitOperationAdd

        done = self.hub.api().create_commit(
            claim["target"]["repo"],
            [CommitOperationAdd("run.json", b"{}")],
            commit_message="Fine-tune",
            commit_description=f"Run {claim['run']}",
        )
        body = {"attempt": claim["attempt"], "outcome": "completed", "result_oid": done.oid}
        worker.post(f"/api/runs/{claim['run']}/finish", body)

    def stage(self, run_id: str) -> str:
        return str(HubApi(self.hub.url, self.hub.tokens["alice"]).get(f"/api/runs/{run_id}")["stage"])


def _heed_interrupts() -> None:
    """A suite that was started in the background ignores them, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _take_terminal() -> None:
    _heed_interrupts()
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def report(worker: HubApi, claim: dict[str, Any], step: int, loss: float) -> bool:
    body = {
        "attempt": claim["attempt"],
        "activity": "training",
        "step": step,
        "total_steps": 10,
        "metrics": [
            {"step": step, "name": "train/loss", "value": loss},
            {"step": step, "name": "val/accuracy", "value": 0.75},
        ],
    }
    return bool(worker.post(f"/api/runs/{claim['run']}/report", body)["cancel"])


@pytest.fixture
def desk(hub: LiveHub, unique: str, tmp_path: Path) -> Iterator[Desk]:
    api = hub.api()
    base, data = f"alice/{unique}-base", f"alice/{unique}-data"
    api.create_repo(base)
    api.create_repo(data, repo_type="dataset")
    for name, content in (("config.json", b"{}"), ("model.safetensors", b"weights")):
        api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id=base)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"base_model: {{repo: {base}}}\ndataset: {{repo: {data}}}\noptim: {{lr: 1e-3}}\n")
    words = ("provision", "--data-dir", str(hub.data_dir), "--worker", "submits", "--token", WORKER_TOKEN)
    hub.manage(*words)
    made = Desk(hub, tmp_path / "home", recipe)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def test_a_run_is_followed_to_its_end(desk: Desk, unique: str) -> None:
    command = desk.submit("--target", f"alice/{unique}", "--label", "team=vision")
    command.wait_for("waiting for a worker, number")
    run_id = command.run_id()
    worker, claim = desk.claim(run_id)
    report(worker, claim, 5, 0.5)
    command.wait_for("training")
    command.wait_for("step 5/10")
    assert "50 %" in command.text
    assert "loss 0.5" in command.text
    assert "val accuracy 0.75" in command.text
    desk.complete(worker, claim)
    assert command.end() == 0
    assert f"Completed: {desk.hub.url}/alice/{unique}" in command.text
    assert "\x1b" not in command.text


def test_what_is_refused_is_told_line_by_line(desk: Desk) -> None:
    desk.recipe.write_text(desk.recipe.read_text().replace("lr: 1e-3", "lr: -1, epoch: 3"))
    command = desk.submit("--target", "alice/x")
    assert command.end() == 2
    lines = command.text.strip().splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["optim.epoch", "optim.lr"]
    assert desk.submit("--target", "carol/x").end() == 2
    wrong = desk.submit(token="hf_wrongwrongwrongwrongwrongwrongwrong")
    assert wrong.end() == 2
    assert "does not know this token" in wrong.text
    assert "hf_wrong" not in wrong.text


def test_a_failed_run_is_1_and_says_why(desk: Desk, unique: str) -> None:
    command = desk.submit("--target", unique)
    worker, claim = desk.claim(command.run_id())
    body = {"attempt": 1, "outcome": "error", "message_id": "data:no-rows", "message": "No row is left."}
    worker.post(f"/api/runs/{claim['run']}/finish", body)
    assert command.end() == 1
    assert "No row is left." in command.text


def test_detached_it_prints_the_id_and_leaves(desk: Desk, unique: str) -> None:
    command = desk.submit("--target", unique, "--detach", "--private", "--timeout", "600")
    assert command.end() == 0
    run_id = command.text.strip().splitlines()[-1]
    run = HubApi(desk.hub.url, desk.hub.tokens["alice"]).get(f"/api/runs/{run_id}")
    assert (run["stage"], run["timeoutSeconds"], run["target"]["repo"]) == (
        "SCHEDULING",
        600,
        f"alice/{unique}",
    )
    desk.hub.api().cancel_job(job_id=run_id)


def test_the_hub_may_restart_meanwhile(desk: Desk, unique: str) -> None:
    command = desk.submit("--target", unique)
    worker, claim = desk.claim(command.run_id())
    report(worker, claim, 2, 0.9)
    command.wait_for("step 2/10")
    desk.hub.stop()
    try:
        command.wait_for("the hub does not answer")
    finally:
        desk.hub.start()
    command.wait_for("the hub is back")
    report(worker, claim, 9, 0.1)
    desk.complete(worker, claim)
    assert command.end(60) == 0


def test_ctrl_c_asks_and_cancels(desk: Desk, unique: str) -> None:
    command = desk.submit("--target", unique, terminal=True)
    run_id = command.run_id()
    worker, claim = desk.claim(run_id)
    report(worker, claim, 5, 0.5)
    command.wait_for("step 5/10")
    command.type(b"\x03")
    command.wait_for("or cancel it? [l/c]")
    command.type(b"c\n")
    command.wait_for("stopping")
    assert report(worker, claim, 6, 0.4)
    worker.post(f"/api/runs/{run_id}/finish", {"attempt": 1, "outcome": "canceled"})
    assert command.end() == 1
    assert "The run was canceled." in command.text
    assert "\r\x1b[K" in command.text


@pytest.mark.parametrize("answer", [b"l\n", b"\n", b"\x03"])
def test_ctrl_c_leaves_it_alone_otherwise(desk: Desk, unique: str, answer: bytes) -> None:
    command = desk.submit("--target", unique, terminal=True)
    run_id = command.run_id()
    command.wait_for("waiting for a worker")
    command.type(b"\x03")
    command.wait_for("or cancel it? [l/c]")
    command.type(answer)
    assert command.end() == 130
    assert "It goes on without us" in command.text
    assert desk.stage(run_id) == "SCHEDULING"
    desk.hub.api().cancel_job(job_id=run_id)


def test_without_a_terminal_an_interrupt_leaves_it_alone(desk: Desk, unique: str) -> None:
    command = desk.submit("--target", unique)
    run_id = command.run_id()
    command.wait_for("waiting for a worker")
    command.process.send_signal(signal.SIGINT)
    assert command.end() == 130
    assert desk.stage(run_id) == "SCHEDULING"
    desk.hub.api().cancel_job(job_id=run_id)


def test_axes_make_a_sweep(desk: Desk, unique: str) -> None:
    command = desk.submit("--target", f"alice/{unique}", "--axis", "optim.lr=1e-3,3e-3", "--axis", "seed=0")
    command.wait_for("0 of 2 runs")
    found = re.search(r"/sweeps/([0-9a-f-]{36})", command.text)
    assert found is not None
    api = HubApi(desk.hub.url, desk.hub.tokens["alice"])
    rows = api.get(f"/api/sweeps/{found[1]}")["rows"]
    worker, claim = desk.claim(rows[0]["run"])
    desk.complete(worker, claim)
    command.wait_for("1 of 2 runs")
    api.post(f"/api/runs/{rows[1]['run']}/cancel", {})
    assert command.end() == 1
    assert "1 of 2 runs completed." in command.text
    refused = desk.submit("--axis", "optim.lr=1e-3,300", "--axis", "nonsense")
    assert refused.end() == 2
    assert "is no axis" in refused.text
    refused = desk.submit("--axis", "optim.lr=1e-3,300")
    assert refused.end() == 2
    assert refused.text.strip() == "axes.optim.lr: optim.lr must be at most 10, got 300."


def test_a_sweep_by_the_api_is_listed_whole(desk: Desk, unique: str) -> None:
    api = HubApi(desk.hub.url, desk.hub.tokens["alice"])
    body = {"recipe": desk.recipe.read_text(), "name": unique, "axes": {"seed": list(range(8))}}
    made = api.post("/api/sweeps", body)
    listed = api.get_list(f"/api/runs?sweep={made['id']}")
    assert [run["target"]["repo"] for run in listed] == [f"alice/{unique}-{n}" for n in range(8, 0, -1)]
    assert json.loads(json.dumps(api.post(f"/api/sweeps/{made['id']}/cancel", {})))["canceled"] == 8
