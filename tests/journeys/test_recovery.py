"""Runs nobody loses, with real processes: killed machines, a hub that is away, processes that crash."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import Yard

pytestmark = [pytest.mark.journeys, pytest.mark.timeout(400)]
LONG = {"epochs": 120}
OFTEN = {"HUB_CHECKPOINT_SECONDS": "0.5"}
Points = set[tuple[int, str]]


@pytest.fixture
def alone(yard: Yard) -> Iterator[Yard]:
    """No worker but those that a story starts, and after it none of these."""
    if yard.resident is not None:
        yard.end(yard.resident)
    before = len(yard.processes)
    yield yard
    for process in yard.processes[before:]:
        if process is not yard.jobs:
            yard.end(process, signal.SIGKILL)


def points(yard: Yard, run_id: str) -> list[tuple[int, str]]:
    sql = "SELECT step, name FROM runs_runmetric JOIN runs_run ON runs_run.id = run_id WHERE uuid = ?"
    with sqlite3.connect(f"file:{yard.hub.data_dir / 'hub.sqlite3'}?mode=ro", uri=True) as database:
        return list(database.execute(sql, (run_id.replace("-", ""),)))


def logged(yard: Yard, run_id: str) -> str:
    sql = "SELECT text FROM runs_runlog JOIN runs_run ON runs_run.id = run_id WHERE uuid = ?"
    with sqlite3.connect(f"file:{yard.hub.data_dir / 'hub.sqlite3'}?mode=ro", uri=True) as database:
        return "\n".join(row[0] for row in database.execute(sql, (run_id.replace("-", ""),)))


def child_of(worker: subprocess.Popen[bytes]) -> int:
    """The process of the run that this worker has under way, or the one it keeps ready."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "stat").read_text().rpartition(")")[2].split()
            if int(words[1]) == worker.pid and b"training.child" in (path / "cmdline").read_bytes():
                return int(path.name)
        except OSError:
            continue
    raise AssertionError("the worker has no process of a run")


def is_past(step: int) -> Any:
    return lambda run: run["stage"] == "RUNNING" and run["progress"]["step"] > step


def test_another_machine_goes_on_from_the_hubs_checkpoint(alone: Yard, target: str) -> None:
    first = alone.start_worker("first", **OFTEN)
    whole = alone.submit(f"{target}-whole", **LONG)
    alone.wait_for_stage(whole, "COMPLETED", 200)
    run_id = alone.submit(target, **LONG)
    run = alone.wait_for(run_id, lambda run: (run.get("checkpoint") or {}).get("step", 0) > 40, 120)
    alone.end(first, signal.SIGKILL)
    alone.start_worker("second", **OFTEN)
    run = alone.wait_for_stage(run_id, "COMPLETED", 200)
    assert (run["attempt"], alone.losses(run_id)) == (2, 1)
    text = logged(alone, run_id)
    assert "fetching the checkpoint after step" in text
    assert "Resuming after step" in text
    drawn = points(alone, run_id)
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == set(points(alone, whole))
    assert alone.result_commits(run) == [run["resultOid"]]


def test_a_canceled_run_leaves_a_free_worker(alone: Yard, target: str) -> None:
    worker = alone.start_worker("canceling", **OFTEN)
    run_id = alone.submit(target, epochs=1000)
    alone.wait_for(run_id, is_past(3), 120)
    # The worst case: a process that hears nothing any more.
    os.kill(child_of(worker), signal.SIGSTOP)
    began = time.monotonic()
    alone.api().post(f"/api/runs/{run_id}/cancel", {})
    alone.wait_for_stage(run_id, "CANCELED", 30)
    assert time.monotonic() - began < 20
    again = alone.submit(f"{target}-next")
    alone.wait_for_stage(again, "COMPLETED", 120)
    assert worker.poll() is None


def test_a_hub_that_was_away_finds_the_run_where_it_is(alone: Yard, target: str) -> None:
    """Longer than a worker may be silent: the reaper has given the run up, and nobody else has taken it."""
    alone.start_worker("patient", HUB_CHECKPOINT_SECONDS="1000")
    run_id = alone.submit(target, epochs=400)
    alone.wait_for(run_id, is_past(3), 120)
    alone.hub.stop()
    try:
        deadline = time.monotonic() + 60
        while not alone.losses(run_id) and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        alone.hub.start()
    assert alone.losses(run_id) == 1
    run = alone.wait_for_stage(run_id, "COMPLETED", 300)
    assert run["attempt"] == 2
    assert "Resuming" not in logged(alone, run_id)
    steps = {step for step, name in points(alone, run_id) if name == "val/loss"}
    assert len(steps) == 400
    assert alone.finish_events(run_id) == 1


def test_a_worker_without_a_broker_polls(alone: Yard, target: str) -> None:
    worker = alone.start_worker("polling", HUB_BROKER_URL="none", HUB_BROKER_DIR="", **OFTEN)
    run_id = alone.submit(target, **LONG)
    alone.wait_for(run_id, is_past(3), 120)
    os.kill(child_of(worker), signal.SIGSEGV)
    # a fault of ours: the run waits to be tried again, and the worker is as well as before
    run = alone.wait_for(run_id, lambda run: run["stage"] == "SCHEDULING", 30)
    assert run["messageId"] == "worker:crashed"
    assert "SIGSEGV" in run["message"]
    alone.api().post(f"/api/runs/{run_id}/cancel", {})
    other = alone.submit(f"{target}-other")
    alone.wait_for_stage(other, "COMPLETED", 120)
    assert alone.end(worker) == 0
