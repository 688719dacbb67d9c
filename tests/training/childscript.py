"""Processes of runs that do not behave: `python -m tests.training.childscript WHAT EVENTS_FD WORKER_PID`."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.child import Wire, WireReporter, run_child
from training.errors import UserError

Job = Mapping[str, Any]


def well(job: Job, wire: Wire) -> dict[str, Any]:
    reporter = WireReporter(wire)
    reporter.stage("train")
    for step in range(1, 6):
        reporter.report(step, 5, {"train/loss": 1 / step, "val/loss": float("nan")})
    return {"summary": {"environment": sorted(os.environ), "scratch": os.getcwd()}}


def refuse(job: Job, wire: Wire) -> dict[str, Any]:
    raise UserError("data:broken-image", "train/cat/0.png cannot be read.")


def fail(job: Job, wire: Wire) -> dict[str, Any]:
    raise RuntimeError("/secret/path exploded")


def fill_disk(job: Job, wire: Wire) -> dict[str, Any]:
    raise OSError(28, "No space left on device")


def segfault(job: Job, wire: Wire) -> dict[str, Any]:
    ctypes.string_at(0)
    return {}


def leave(job: Job, wire: Wire) -> dict[str, Any]:
    print("I have had enough of this", flush=True)
    os._exit(3)


def hog(job: Job, wire: Wire) -> dict[str, Any]:
    held = []
    while True:
        held.append(bytearray(os.urandom(1024)) * (16 * 1024))
        time.sleep(0.02)


def hold(job: Job, wire: Wire) -> dict[str, Any]:
    """In C, with the interpreter's lock in hand: no Python thread of this process runs any more."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wire.tell("stage", name="held")
    ctypes.PyDLL(None).sleep(600)
    return {}


def listen(job: Job, wire: Wire) -> dict[str, Any]:
    wire.tell("stage", name="listening")
    while True:
        wire.check()
        time.sleep(0.01)


def flood(job: Job, wire: Wire) -> dict[str, Any]:
    for index in range(20_000):
        print(f"line {index} " + "x" * 100)
    sys.stdout.write("y" * 3_000_000)
    return {"summary": {}}


def breed(job: Job, wire: Wire) -> dict[str, Any]:
    """Children in sessions of their own, whose parents are gone."""
    code = "import os, time; os.fork() or os.setsid(); os.fork(); time.sleep(600)"
    made = [subprocess.Popen([sys.executable, "-c", code], start_new_session=True) for _ in range(4)]
    time.sleep(0.5)
    Path(job["work_dir"], "bred").write_text(" ".join(str(one.pid) for one in made))
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def babble(job: Job, wire: Wire) -> dict[str, Any]:
    os.write(int(sys.argv[2]), b"{this is no JSON\n")
    time.sleep(60)
    return {}


def boast(job: Job, wire: Wire) -> dict[str, Any]:
    os.write(int(sys.argv[2]), b"x" * 2_000_000)
    time.sleep(60)
    return {}


def odd(job: Job, wire: Wire) -> dict[str, Any]:
    wire.tell("report", step=-1, total="many", metrics=[])
    time.sleep(60)
    return {}


def phone(job: Job, wire: Wire) -> dict[str, Any]:
    """Reach for the hub, as a run must not."""
    import socket

    address = job["hub"]
    try:
        socket.create_connection((address[0], address[1]), timeout=2).close()
    except OSError:
        return {"summary": {"reached": False}}
    return {"summary": {"reached": True}}


def save(job: Job, wire: Wire) -> dict[str, Any]:
    """Puts a checkpoint aside, and goes on until it is interrupted."""
    folder = Path(job["work_dir"], "saved", "000001")
    folder.mkdir(parents=True)
    (folder / "checkpoint.safetensors").write_bytes(b"weights")
    WireReporter(wire).report(4, 9, {"train/loss": 0.5})
    wire.tell("checkpoint", step=4, folder="000001")
    return listen(job, wire)


def measure(job: Job, wire: Wire) -> dict[str, Any]:
    wire.tell("measured", evaluation={"metric": "accuracy", "value": 0.5, "n": 2})
    return {"summary": {"proof": wire.answer()}}


if __name__ == "__main__":
    run_child(globals()[sys.argv[1]], sys.argv[2:])
