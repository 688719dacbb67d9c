"""A run or a sweep of the hub followed from a terminal: a line that moves, or plain lines where none can."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

from training.hubperson import PersonApi

ENDED = ("COMPLETED", "CANCELED", "ERROR")
# A hub that restarts, or is away over the weekend: the run goes on meanwhile, and so do we.
PATIENCE = 7 * 24 * 3600.0
PLAIN_SECONDS = 15.0
BAR = 24


class Screen:
    """Where it is told: one line that is written over on a terminal, else a line now and then."""

    def __init__(self, stream: TextIO | None = None, *, now: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream or sys.stderr
        self.is_live = self.stream.isatty()
        self._now = now
        self._shown = ""
        self._kind = ""
        self._at = float("-inf")

    def say(self, text: str) -> None:
        """Lines that stay."""
        told = "\n".join(_printable(line) for line in text.splitlines())
        self._write(("\r\x1b[K" if self._shown and self.is_live else "") + told + "\n")
        self._shown = ""

    def show(self, text: str, kind: str = "") -> None:
        """How it stands. Where lines stay, only what is of another `kind`, or news after a while, is told."""
        text = _printable(text)
        if self.is_live:
            width = shutil.get_terminal_size().columns - 1
            if text != self._shown:
                self._write("\r\x1b[K" + text[:width])
        elif text != self._shown and (kind != self._kind or self._now() - self._at >= PLAIN_SECONDS):
            self._write(text + "\n")
            self._at = self._now()
        else:
            return
        self._shown, self._kind = text, kind

    def clear(self) -> None:
        """Make room for a question."""
        if self.is_live and self._shown:
            self._write("\r\x1b[K")
            self._shown = ""

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


@dataclass
class Pace:
    """Seconds left, told from the steps taken since we look; anew for each attempt."""

    attempt: int = -1
    step: int = 0
    at: float = 0.0

    def left(self, attempt: int, step: int, total: int, now: float) -> float | None:
        """None until two looks have shown how fast it goes."""
        if attempt != self.attempt or step < self.step:
            self.attempt, self.step, self.at = attempt, step, now
            return None
        if step == self.step or now <= self.at or total <= step:
            return None
        return (now - self.at) / (step - self.step) * (total - step)


def follow_run(api: PersonApi, run_id: str, screen: Screen, *, pause: float) -> dict[str, Any]:
    """Tell how the run stands until it has ended; what it is then. Raises HubSaidNo when it can no longer be
    seen. A hub that is away is waited for."""
    pace, curves = Pace(), Curves(api, run_id)
    while True:
        run = api.get(f"/api/runs/{run_id}", patience=PATIENCE)
        if run["stage"] in ENDED:
            return dict(run)
        progress = run.get("progress") or {}
        step, total = int(progress.get("step") or 0), int(progress.get("total") or 0)
        left = pace.left(int(run["attempt"]), step, total, time.monotonic())
        screen.show(run_line(run, curves.latest(step), left), f"{run['attempt']} {run['activity']}")
        time.sleep(pause)


class Curves:
    """The newest point of each curve."""

    def __init__(self, api: PersonApi, run_id: str) -> None:
        self._api, self._path = api, f"/api/runs/{run_id}/metrics"
        self._step = -1
        self._found: dict[str, float] = {}

    def latest(self, step: int) -> dict[str, float]:
        """By name; asked for only when the run has moved, and only for what is new."""
        if step < self._step:  # another attempt takes some steps again
            self._step, self._found = -1, {}
        if step > self._step:
            told = self._api.get(f"{self._path}?since={max(self._step, 0)}", patience=PATIENCE)
            for name, points in (told.get("series") or {}).items():
                self._found[str(name)] = float(points[-1][1])
            self._step = step
        return self._found


def run_line(run: Mapping[str, Any], latest: Mapping[str, float], left: float | None) -> str:
    """One line of how a run stands."""
    if run.get("cancelRequested"):
        return "stopping …"
    if run["stage"] == "SCHEDULING":
        return f"waiting for a worker{_place(run)}"
    progress = run.get("progress") or {}
    step, total = int(progress.get("step") or 0), int(progress.get("total") or 0)
    parts = [str(run["activity"] or "running")]
    if total:
        parts += [bar(step / total), f"{100 * step // total} %", f"step {step}/{total}"]
        parts += [f"{name} {value:.4g}" for name, value in _shown(latest)]
    if left is not None:
        parts.append(f"{clock(left)} left")
    if int(run["attempt"]) > 1:
        parts.append(f"attempt {run['attempt']}")
    return "  ".join(parts)


def _place(run: Mapping[str, Any]) -> str:
    place = run.get("place")
    if not isinstance(place, Mapping) or not place.get("position"):
        return ""
    seconds = _seconds_until(place.get("startsAt"))
    when = f", begins in about {clock(seconds)}" if seconds is not None and seconds > 0 else ""
    return f", number {place['position']} in the queue{when}"


def _seconds_until(text: Any) -> float | None:
    try:
        return (datetime.fromisoformat(str(text)) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None


def _shown(latest: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """The loss, and the first thing that validation measures beside it."""
    for name in ("val/loss", "train/loss"):
        if name in latest:
            yield "loss" if name == "train/loss" else "val loss", latest[name]
            break
    measured = [name for name in latest if name.startswith("val/") and name != "val/loss"]
    if measured:
        yield measured[0].replace("/", " "), latest[measured[0]]


def follow_sweep(api: PersonApi, sweep_id: str, screen: Screen, *, pause: float) -> dict[str, Any]:
    """Tell how the sweep stands until all its runs have ended; what it is then. Raises as `follow_run`."""
    told: set[str] = set()
    while True:
        sweep = dict(api.get(f"/api/sweeps/{sweep_id}", patience=PATIENCE))
        for row in sweep["rows"]:
            if row["stage"] in ENDED and row["run"] not in told:
                told.add(row["run"])
                screen.say(row_line(row, sweep.get("metric")))
        if all(row["stage"] in ENDED for row in sweep["rows"]):
            return sweep
        screen.show(sweep_line(sweep))
        time.sleep(pause)


def sweep_line(sweep: Mapping[str, Any]) -> str:
    """One line of how a sweep stands."""
    rows = sweep["rows"]
    done = sum(row["stage"] in ENDED for row in rows)
    running = sum(row["stage"] == "RUNNING" for row in rows)
    parts = [bar(done / max(1, len(rows))), f"{done} of {len(rows)} runs", f"{running} at work"]
    return "  ".join([*parts, *best_words(sweep)])


def best_words(sweep: Mapping[str, Any]) -> list[str]:
    """The best setting so far, with its spread over seeds."""
    best = sweep.get("best")
    if not best or best.get("mean") is None:
        return []
    spread = f" ± {best['sd']:.2g} ({best['n']} seeds)" if best.get("sd") is not None else ""
    return [f"best: {values_words(best['values'])} with {sweep.get('metric')} {best['mean']:.4g}{spread}"]


def row_line(row: Mapping[str, Any], metric: str | None) -> str:
    """One line of a run of a sweep that has ended."""
    score = row.get("score")
    found = f"{metric} {score:.4g}" if isinstance(score, int | float) else str(row["stage"]).lower()
    return f"{values_words(row['values'])}: {found}"


def values_words(values: Mapping[str, Any]) -> str:
    """`optim.lr 0.003, seed 1`."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def bar(share: float) -> str:
    """A drawn share, always of the same width."""
    filled = round(BAR * min(max(share, 0.0), 1.0))
    return "█" * filled + "░" * (BAR - filled)


def clock(seconds: float) -> str:
    """75 → `1:15`, 3675 → `1:01:15`."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def _printable(text: str) -> str:
    """What comes over the network must not steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
