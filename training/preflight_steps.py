"""Optimizer steps and validation batches of a run, a few of them, timed: what an epoch costs."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from training import learning
from training.loop import Run
from training.tasks.base import Examples

# At least so many steps are timed, and of quick ones no more than these.
LEAST_STEPS, MOST_STEPS = 3, 400
# Steps of an epoch whose lengths are looked up to know the mean and the longest.
LOOKED_UP = 300
# Sizes that differ by less are one size.
ALIKE = 1.02
SLOW_SECONDS = 0.2


@dataclass(frozen=True)
class Cost:
    """Seconds of one step: `fixed`, and `each` for every number that goes in."""

    fixed: float
    each: float

    def of(self, steps: float, size: float) -> float:
        """Of so many steps with so many numbers in all."""
        return self.fixed * steps + self.each * size


class Stride:
    """The steps of a run as its first epoch has them: which rows, how large, how long they take.

    `share`: how many times more rows the whole run has. A step of more rows than were looked at sees some
    of them twice: that costs the same.
    """

    def __init__(self, run: Run, share: float) -> None:
        self.run, self.share = run, share
        self.order = run._order(0)
        self.rows = round(len(self.order) * share)
        self.steps_per_epoch = math.ceil(self.rows / run.step_images)
        self.step_rows = min(run.step_images, self.rows)
        if len(self.order) < self.step_rows:
            self.order = self.order.repeat(math.ceil(self.step_rows / len(self.order)))
        self.units = max(1, len(self.order) // (self.step_rows * run.stretch))
        sizes = [self.size(unit) for unit in range(min(3, self.units))]
        if self.units > 3 and max(sizes) > min(sizes):
            chosen = range(0, self.units, max(1, self.units // LOOKED_UP))
            self.sizes = {unit: self.size(unit) for unit in chosen}
        else:
            self.sizes = dict(enumerate(sizes))
        self.taken = 0

    def rows_of(self, unit: int) -> Tensor:
        """A unit is what the loop does between two looks at the clock: a step, or some short ones."""
        width = self.step_rows * self.run.stretch
        return self.order[unit * width : (unit + 1) * width]

    def size(self, unit: int, part: float = 1.0) -> int:
        """Numbers that go into the net in a unit, as its micro-batches are padded."""
        rows = self.rows_of(unit)
        rows = rows[: max(1, int(len(rows) * part))]
        return sum(_numbers(self.run, piece) for piece in rows.split(self.run.recipe.optim.batch_size))

    @property
    def longest(self) -> int:
        return max(self.sizes, key=lambda unit: self.sizes[unit])

    def _ranked(self) -> list[int]:
        return sorted(self.sizes, key=lambda unit: self.sizes[unit])

    def take(self, unit: int, part: float = 1.0) -> float:
        """Take the steps of a unit, or of a part of its rows; seconds."""
        rows = self.rows_of(unit)
        rows = rows[: max(1, int(len(rows) * part))]
        began = time.perf_counter()
        self.run._check()
        count = math.ceil(len(rows) / self.step_rows)
        self.run._take_steps(rows, min(self.taken, self.run.total_steps - 1), count)
        self._wait()
        self.taken += count
        return time.perf_counter() - began

    def epoch_seconds(self, cost: Cost) -> float:
        """All steps of an epoch of the whole run."""
        looked = sum(len(self.rows_of(unit)) for unit in self.sizes)
        return cost.of(self.steps_per_epoch, sum(self.sizes.values()) / looked * self.rows)

    def measure(self, seconds: float) -> Cost:
        """What steps cost, from about so many seconds of them; the first one counts for nothing.

        The longest comes last, as it may in a run: by then smaller pieces lie where it would have fitted.
        """
        learning.set_learning_mode(self.run.prepared.network)
        with self._threads():
            first = self.take(self._ranked()[len(self.sizes) // 2])
            points = self._points(seconds) if first < seconds else []
            last = self.sizes[self.longest], self.take(self.longest)
            return self._cost([*points, last])

    def _points(self, seconds: float) -> list[tuple[float, float]]:
        """(numbers, seconds) of units from short to long, and of halves of them."""
        ranked = self._ranked()
        turns = [ranked[int(place * (len(ranked) - 1))] for place in (0.5, 0.1, 0.9, 0.3, 0.7)]
        halves = self.step_rows >= 4 and self.run.stepper.micro.smallest * 2 <= self.step_rows
        found: list[tuple[float, float]] = []
        ends = time.perf_counter() + seconds
        for number in range(MOST_STEPS):
            if number >= LEAST_STEPS and time.perf_counter() > ends:
                break
            unit = turns[number % len(turns)] if number < 20 else ranked[number % len(ranked)]
            if halves and number % 3 == 2:
                found.append((self.size(unit, 0.5), self.take(unit, 0.5)))
            else:
                found.append((self.sizes[unit], self.take(unit)))
        return found

    def _cost(self, points: list[tuple[float, float]]) -> Cost:
        cost = fitted(points)
        return Cost(cost.fixed / math.ceil(len(self.rows_of(0)) / self.step_rows), cost.each)

    def _threads(self) -> Any:
        step = self.run.head_step
        return step.threads(self.run.step_images) if step is not None else nullcontext()

    def _wait(self) -> None:
        if self.run.prepared.device.type == "cuda":
            torch.cuda.synchronize(self.run.prepared.device)


def fitted(points: Sequence[tuple[float, float]]) -> Cost:
    """The line through (numbers, seconds) by medians: a hiccup of the machine bends nothing.

    Theil and Sen's estimate; neither part is below 0.
    """
    sizes = [size for size, _ in points]
    middle, typical = statistics.median(sizes), statistics.median([seconds for _, seconds in points])
    if max(sizes) < ALIKE * min(sizes) or len(points) < 3:
        mean = statistics.fmean(sizes)
        return Cost(0.0, typical / mean if mean else 0.0)
    slopes = [
        (b[1] - a[1]) / (b[0] - a[0])
        for index, a in enumerate(points)
        for b in points[index + 1 :]
        if max(a[0], b[0]) > ALIKE * min(a[0], b[0])
    ]
    each = max(0.0, statistics.median(slopes)) if slopes else typical / middle
    fixed = statistics.median([seconds - each * size for size, seconds in points])
    if fixed < 0:
        return Cost(0.0, statistics.median([seconds / size for size, seconds in points]))
    return Cost(fixed, each)


class First:
    """The first rows of a split, as a split."""

    def __init__(self, inner: Examples, count: int) -> None:
        self.inner, self.count = inner, min(count, len(inner))

    def __len__(self) -> int:
        return self.count

    def take(self, rows: Tensor, device: torch.device, seed: int | None = None) -> tuple[Any, Any]:
        return self.inner.take(rows, device, seed)

    def fingerprint(self) -> str:
        return self.inner.fingerprint()


def validation_seconds(run: Run, share: float, seconds: float) -> float:
    """Of measuring the whole validation part once, from some batches of it; 0 where there is none."""
    val, size = run.prepared.val, run.validator.size
    if val is None:
        return 0.0
    rows, first = round(len(val) * share), First(val, size)
    cold = _validate(run, first)
    once = cold if cold > seconds else _validate(run, first)
    if cold > seconds or len(val) <= size:
        return once * rows / len(first)
    batches = min(len(val) // size, max(2, int(seconds / max(once, 1e-6))))
    count = len(val) if batches * size >= 0.8 * len(val) else batches * size
    if count <= size:
        return once * rows / len(first)
    long = _validate(run, First(val, count))
    if count == rows:
        return long
    return once + max(0.0, long - once) / (count - size) * (rows - size)


def _validate(run: Run, rows: Examples) -> float:
    began = time.perf_counter()
    with run._kept_weights():
        run.validator.measure(rows)
    learning.set_learning_mode(run.prepared.network)
    return time.perf_counter() - began


def _numbers(run: Run, rows: Tensor) -> int:
    inputs, targets = run.prepared.train.take(rows, torch.device("cpu"))
    leaves = tree_leaves(inputs) + (tree_leaves(targets) if not tree_leaves(inputs) else [])
    return sum(leaf.numel() for leaf in leaves if isinstance(leaf, Tensor))
