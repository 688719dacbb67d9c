"""A hub of real processes: web, hub worker with beat, training workers that may be killed; short clocks."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.inputs import publish_inputs
from tests.live import ROOT, LiveHub, make_hub
from training.hubclient import HubApi

WORKER_TOKEN = "tyw_journeysjourneysjourneysjourneys"
CLOCKS = {"HUB_REAPER_SECONDS": "1", "HUB_HEARTBEAT_TIMEOUT_SECONDS": "6"}


@dataclass
class Yard:
    """The running hub, its broker folder, and the processes beside the web."""

    hub: LiveHub
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    resident: subprocess.Popen[bytes] | None = None
    jobs: subprocess.Popen[bytes] | None = None

    @property
    def messages(self) -> Path:
        return self.hub.data_dir / "broker" / "messages"

    def api(self, name: str = "alice") -> HubApi:
        return HubApi(self.hub.url, self.hub.tokens[name])

    def start_jobs(self) -> None:
        """The hub's own worker with beat: it reaps."""
        words = ["-q", "-A", "hub.celery", "worker", "-B", "-Q", "hub", "--pool", "solo", "-n", "hub@%h"]
        extra = ["--loglevel", "WARNING", "--without-gossip", "--without-mingle"]
        self.jobs = self.spawn("jobs", ["-m", "celery", *words, *extra], self.hub.environment)

    def start_worker(self, home: str = "worker", **settings: str) -> subprocess.Popen[bytes]:
        """A training worker as on a machine of its own: no database, no Django settings."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUB_", "DJANGO_"))}
        environment |= {
            "HUB_PUBLIC_URL": self.hub.url,
            "HUB_WORKER_TOKEN": WORKER_TOKEN,
            "HUB_BROKER_DIR": str(self.hub.data_dir / "broker"),
            "HUB_WORKER_DIR": str(self.hub.data_dir / home),
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        code = "from training.worker import main; raise SystemExit(main())"
        return self.spawn(home, ["-c", code], environment)

    def worker(self) -> subprocess.Popen[bytes]:
        """The living training worker, started if there is none: its imports take seconds."""
        if self.resident is None or self.resident.poll() is not None:
            self.resident = self.start_worker()
        return self.resident

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """The training worker takes nothing for a while."""
        process = self.worker()
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def spawn(self, name: str, words: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *words],
                env=environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def log(self, name: str) -> Path:
        return self.hub.data_dir / f"test-{name}.log"

    def end(self, process: subprocess.Popen[bytes], how: int = signal.SIGTERM, seconds: float = 20) -> int:
        """Signal one process and wait; killed after `seconds`."""
        if process.poll() is None:
            process.send_signal(how)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(5)

    def submit(self, target: str, **changes: Any) -> str:
        """Submit a run on the shades as alice; `optim` may be changed."""
        recipe: dict[str, Any] = {
            "base_model": {"repo": "alice/tiny"},
            "dataset": {"repo": "alice/shades", "image_size": 32, "validation_fraction": 0.2},
            "strategy": {"kind": "full"},
            "optim": {"epochs": 2, "batch_size": 8, "lr": 3e-3, **changes},
            "benchmark": {"repo": "alice/shades", "task_id": "shades", "split": "test"},
        }
        return str(self.api().post("/api/runs", {"recipe": recipe, "target": target})["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        return self.api().get(f"/api/runs/{run_id}", patience=10)

    def wait_for(self, run_id: str, reached: Callable[[dict[str, Any]], bool], seconds: float = 90) -> dict:
        """Poll the run until `reached`; fail with every log when it takes too long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            run = self.run(run_id)
            if reached(run):
                return run
            if self.jobs is None or self.jobs.poll() is not None:
                raise AssertionError(f"the hub worker ended: {self.log('jobs').read_text()[-4000:]}")
            time.sleep(0.1)
        logs = {path.name: path.read_text()[-3000:] for path in self.hub.data_dir.glob("test-*.log")}
        raise AssertionError(f"the run is {run['stage']} ({run['activity']}, {run['message']}): {logs}")

    def wait_for_stage(self, run_id: str, stage: str, seconds: float = 90) -> dict[str, Any]:
        run = self.wait_for(run_id, lambda run: run["stage"] in ("COMPLETED", "CANCELED", "ERROR"), seconds)
        assert run["stage"] == stage, (run["message"], self.log("worker").read_text()[-3000:])
        return run

    def count(self, sql: str, *values: str) -> int:
        with sqlite3.connect(f"file:{self.hub.data_dir / 'hub.sqlite3'}?mode=ro", uri=True) as database:
            return int(database.execute(sql, values).fetchone()[0])

    def losses(self, run_id: str) -> int:
        """How often the hub took the run from a worker that had fallen silent."""
        return self.count("SELECT losses FROM runs_run WHERE uuid = ?", run_id.replace("-", ""))

    def finish_events(self, run_id: str) -> int:
        sql = "SELECT count(*) FROM models_app_event WHERE tag = 'run:run:finish' AND data LIKE ?"
        return self.count(sql, f"%{run_id}%")

    def result_commits(self, run: dict[str, Any]) -> list[str]:
        """Commits of the target repo that say they are this run's."""
        commits = self.hub.api().list_repo_commits(run["target"]["repo"])
        return [commit.commit_id for commit in commits if f"Run {run['id']}" in commit.message]


@pytest.fixture(scope="session")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    hub = make_hub(tmp_path_factory.mktemp("yard"), **CLOCKS)
    made = Yard(hub)
    made.worker()
    try:
        hub.manage(
            "provision", "--data-dir", str(hub.data_dir), "--worker", "journeys", "--token", WORKER_TOKEN
        )
        publish_inputs(hub, tmp_path_factory.mktemp("inputs"))
        made.start_jobs()
        yield made
    finally:
        for process in made.processes:
            process.send_signal(signal.SIGTERM)
        for process in made.processes:
            made.end(process)
        hub.stop()


@pytest.fixture
def worker(yard: Yard) -> subprocess.Popen[bytes]:
    """The training worker; a story that ends it leaves the next one to start another."""
    return yard.worker()


@pytest.fixture
def target() -> str:
    return f"alice/r{random.SystemRandom().randrange(10**12)}"
