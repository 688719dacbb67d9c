"""Runs in several processes at once, for `test_distributed`: `torchrun -m tests.training.together JOBS`.

JOBS is a JSON list; every process writes what it saw of job NAME on rank RANK to `NAME.RANK.json` beside it.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from tests.training.world import Listener
from training import stepping
from training.distributed import joined, world
from training.errors import Canceled, Interrupted, TrainingError
from training.finetune import finetune
from training.launch import leave
from training.recipe import Recipe, dump_recipe, parse_recipe

ROOT = Path(__file__).parents[2]
ENDINGS = {"interrupted": Interrupted, "canceled": Canceled}


def job(name: str, given: Recipe, base: Path, data: Path, work: Path, **more: Any) -> dict[str, Any]:
    """One run. `stop_at` with `ending`: what the first process hears after so many reports; `short_at`: the
    last process runs out of memory in its step of that number; `dies_at`: it meets a fault of ours there."""
    places = {"base": str(base), "data": str(data), "work": str(work)}
    return {"name": name, "recipe": dump_recipe(given), **places, **more}


def launch(
    jobs: list[dict[str, Any]], folder: Path, processes: int = 2, mode: str = "auto"
) -> dict[str, list[dict[str, Any]]]:
    """What each process saw of each job, by the job's name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "jobs.json"
    path.write_text(json.dumps(jobs), encoding="utf-8")
    done = torchrun(["-m", "tests.training.together", str(path), mode], processes)
    assert done.returncode == 0, done.stderr[-5000:]
    return {
        item["name"]: [
            json.loads((folder / f"{item['name']}.{rank}.json").read_text()) for rank in range(processes)
        ]
        for item in jobs
    }


def torchrun(
    arguments: list[str], processes: int = 2, seconds: float = 500
) -> subprocess.CompletedProcess[str]:
    """Its standard output and error as text. Raises `TimeoutExpired`: a run that hangs is a failure."""
    with started(arguments, processes) as running:
        out, error = running.communicate(timeout=seconds)
    return subprocess.CompletedProcess(arguments, running.returncode, out, error)


@contextmanager
def started(arguments: list[str], processes: int = 2) -> Iterator[subprocess.Popen[str]]:
    """A `torchrun` that is ended with the block, if it has not ended itself."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    with subprocess.Popen(
        [*command, *arguments], env=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        try:
            yield running
        finally:
            # torchrun ends its processes when it is told to stop; a kill would leave them behind.
            running.terminate()


def main(path: Path, mode: str) -> None:
    torch.set_num_threads(1)
    with joined(mode):
        for item in json.loads(path.read_text(encoding="utf-8")):
            seen = _run(item)
            path.with_name(f"{item['name']}.{world().rank}.json").write_text(json.dumps(seen))


def _run(item: dict[str, Any]) -> dict[str, Any]:
    ending = ENDINGS[item["ending"]]() if world().leads and "ending" in item else None
    listener = Listener(item.get("stop_at"), ending)
    seen: dict[str, Any] = {"error": None}
    try:
        with _trouble(item) if world().rank == world().size - 1 else nullcontext():
            result = finetune(
                parse_recipe(item["recipe"]),
                base_dir=Path(item["base"]),
                data_dir=Path(item["data"]),
                work_dir=Path(item["work"]),
                reporter=listener,
                report_seconds=0.0,
                checkpoint_seconds=item.get("checkpoint_seconds", 1e9),
            )
        seen |= {"metrics": result.metrics, "history": result.history}
    except TrainingError as error:
        seen["error"] = [type(error).__name__, error.message]
    return seen | {"losses": listener.losses(), "logs": listener.logs}


@contextmanager
def _trouble(item: dict[str, Any]) -> Iterator[None]:
    """In the stepper's gradients, as an allocator or a mistake would make it."""
    calls, real = itertools.count(1), stepping.Stepper._gradients

    def gradients(stepper: stepping.Stepper, *given: Any) -> Any:
        call = next(calls)
        if call == item.get("short_at"):
            raise torch.OutOfMemoryError("CUDA out of memory (not really)")
        if call == item.get("dies_at"):
            raise ZeroDivisionError("a fault of ours")
        return real(stepper, *given)

    stepping.Stepper._gradients = gradients  # type: ignore[method-assign]
    try:
        yield
    finally:
        stepping.Stepper._gradients = real  # type: ignore[method-assign]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
    leave(0)
