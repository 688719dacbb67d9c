"""The processes of a hub under fire: web, hub worker and training workers, each to be killed at will."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.brokers.servers import Broker
from tests.chaos.proxy import Wire
from tests.journeys.inputs import publish_inputs
from tests.live import ROOT, LiveHub, make_hub

WORKER_TOKENS = "tyw_chaoschaoschaoschaoschaoschaos{}"
CLOCKS = {"HUB_REAPER_SECONDS": "1", "HUB_HEARTBEAT_TIMEOUT_SECONDS": "6", "HUB_RUN_ATTEMPTS": "50"}
JOBS = ["-q", "-A", "hub.celery", "worker", "-B", "-Q", "hub", "--pool", "solo", "-n", "hub@%h"]
JOBS += ["--loglevel", "WARNING", "--without-gossip", "--without-mingle"]


@dataclass
class Role:
    """One process that is to run; `start` makes it anew after it was killed."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None
    due_at: float | None = None
    kills: int = 0

    def ensure(self) -> None:
        """Start it where it should run and does not: also when it ended by itself."""
        now = time.monotonic()
        if self.due_at is not None and now >= self.due_at:
            self.due_at, self.process = None, self.start()
        elif self.due_at is None and (self.process is None or self.process.poll() is not None):
            self.due_at = now + 0.5

    def kill(self, pause: float) -> None:
        """kill -9 of its whole session; it comes back after `pause` seconds."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.kills += 1
        self.due_at = time.monotonic() + pause

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(25)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(5)


@dataclass
class Stage:
    """A live hub behind a wire, and the roles beside it."""

    hub: LiveHub
    wire: Wire
    broker: Broker | None
    folder: Path
    roles: dict[str, Role] = field(default_factory=dict)

    def spawn(self, name: str, words: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"log-{name}").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *words],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def worker(self, number: int) -> subprocess.Popen[bytes]:
        """A training worker as on a machine of its own: no database, no Django settings."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUB_", "DJANGO_"))}
        environment |= {
            "HUB_PUBLIC_URL": self.wire.url,
            "HUB_WORKER_TOKEN": WORKER_TOKENS.format(number),
            "HUB_WORKER_NAME": f"chaos-{number}",
            "HUB_WORKER_DIR": str(self.folder / f"worker-{number}"),
            "HUB_CHECKPOINT_SECONDS": "0.5",
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            **self.broker_settings(),
        }
        return self.spawn(f"worker-{number}", ["-m", "training", "worker"], environment)

    def broker_settings(self) -> dict[str, str]:
        if self.broker is None:
            return {"HUB_BROKER_DIR": str(self.hub.data_dir / "broker")}
        return {"HUB_BROKER_URL": self.broker.url}

    def web(self) -> subprocess.Popen[bytes]:
        self.hub.launch()
        assert self.hub.process is not None
        return self.hub.process

    def jobs(self) -> subprocess.Popen[bytes]:
        return self.spawn("jobs", ["-m", "celery", *JOBS], self.hub.environment)

    def asked(self, code: str) -> Any:
        """What a line of Python says inside the hub, as JSON: the same question on either database."""
        told = self.hub.manage("shell", "-v", "0", "-c", code)
        return json.loads(told.strip().splitlines()[-1])


def set_up(workers: int, broker: Broker | None) -> Stage:
    """A hub with its people, workers' tokens, alice/tiny and alice/shades; nothing runs yet but the web."""
    folder, wire = Path(tempfile.mkdtemp(prefix="tuneyard-chaos-")), Wire()
    settings = {**CLOCKS, "HUB_PUBLIC_URL": wire.url}
    if broker is not None:
        settings["HUB_BROKER_URL"] = broker.url
    hub = make_hub(folder / "hub", **settings)
    wire.target = hub.port
    stage = Stage(hub, wire, broker, folder)
    for number in range(workers):
        words = ["--worker", f"chaos-{number}", "--token", WORKER_TOKENS.format(number)]
        hub.manage("provision", "--data-dir", str(hub.data_dir), *words)
        stage.roles[f"worker-{number}"] = Role(f"worker-{number}", lambda number=number: stage.worker(number))
    publish_inputs(hub, folder)
    stage.roles["web"] = Role("web", stage.web, hub.process)
    stage.roles["jobs"] = Role("jobs", stage.jobs)
    return stage


def tear_down(stage: Stage, *, keep: bool) -> None:
    for name in sorted(stage.roles, key=lambda name: name == "web"):
        stage.roles[name].end()
    stage.wire.close()
    if not keep:
        shutil.rmtree(stage.folder, ignore_errors=True)
