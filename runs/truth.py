"""Foretelling held against the truth: of one run, and of all runs by task and flavor."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runs.models import Run, Stage

MEMORY_WITHIN, TIME_WITHIN = 0.10, 0.25


@dataclass(frozen=True)
class Comparison:
    """Bytes and seconds, foretold and true; None where one of them is not known.

    `is_of_gpu`: the memory is the accelerator's. `at_most`: the run might stop earlier.
    """

    memory: int | None
    true_memory: int | None
    seconds: float | None
    true_seconds: float | None
    is_of_gpu: bool = False
    at_most: bool = False

    @property
    def memory_error(self) -> float | None:
        """How far the foretold memory was off, as a share of the true one."""
        return _error(self.memory, self.true_memory)

    @property
    def time_error(self) -> float | None:
        """How far the foretold time was off; of a run that may stop earlier, that it took longer at most."""
        error = _error(self.seconds, self.true_seconds)
        return None if error is None or (self.at_most and error > 0) else error


def compared(run: Run) -> Comparison | None:
    """What was foretold of the run and, once it is done, what became true; None without a foretelling."""
    told = run.forecast
    if "peak_memory_bytes" not in told:
        return None
    gpu = told.get("gpu_peak_memory_bytes")
    done = run.summary if run.stage == Stage.COMPLETED else {}
    resources = done.get("resources") or {}
    true_memory = _number(resources, "peak_memory_bytes" if gpu is None else "gpu_peak_memory_bytes")
    return Comparison(
        memory=told["peak_memory_bytes"] if gpu is None else gpu,
        true_memory=None if true_memory is None else int(true_memory),
        seconds=_number(told, "seconds"),
        true_seconds=_true_seconds(run, done.get("seconds") or {}),
        is_of_gpu=gpu is not None,
        at_most=bool(told.get("at_most")),
    )


def _true_seconds(run: Run, seconds: dict[str, Any]) -> float | None:
    """Of learning and measuring, without fetching and publishing: what a measured step can foretell.

    Of a run that went on from a checkpoint the last attempt's time says nothing.
    """
    learned = _number(seconds, "train")
    if learned is None or run.attempt > 1:
        return None
    evaluated = _number(seconds, "evaluate") if (run.forecast.get("parts") or {}).get("evaluate") else 0.0
    return learned + (evaluated or 0.0)


@dataclass(frozen=True)
class Report:
    """Of the runs of one task on one flavor: medians of the errors, and shares within the promised bounds."""

    task: str
    flavor: str
    runs: int
    memory_median: float | None
    memory_within: float | None
    time_median: float | None
    time_within: float | None


def reports(runs: Iterable[Run]) -> list[Report]:
    """One for each task and flavor of which a foretold run has ended well, by name."""
    found: dict[tuple[str, str], list[Comparison]] = defaultdict(list)
    for run in runs:
        comparison = compared(run)
        if comparison is not None and comparison.true_memory is not None:
            found[str(run.recipe.get("task")), run.flavor].append(comparison)
    return [_report(task, flavor, rows) for (task, flavor), rows in sorted(found.items())]


def foretold_runs() -> Iterable[Run]:
    """Every completed run of which something was foretold."""
    done = Run.objects.training().filter(stage=Stage.COMPLETED).exclude(forecast={})
    return done.only("recipe", "flavor", "forecast", "summary", "stage", "attempt").iterator(chunk_size=500)


def _report(task: str, flavor: str, rows: list[Comparison]) -> Report:
    memory = [abs(row.memory_error) for row in rows if row.memory_error is not None]
    time = [abs(row.time_error) for row in rows if row.time_error is not None]
    return Report(
        task,
        flavor,
        len(rows),
        *(_median(memory), _within(memory, MEMORY_WITHIN)),
        *(_median(time), _within(time, TIME_WITHIN)),
    )


def _median(errors: list[float]) -> float | None:
    return statistics.median(errors) if errors else None


def _within(errors: list[float], bound: float) -> float | None:
    return sum(error <= bound for error in errors) / len(errors) if errors else None


def _error(told: float | None, true: float | None) -> float | None:
    return None if told is None or not true else (told - true) / true


def _number(plain: dict[str, Any], name: str) -> float | None:
    value = plain.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return float(value)
