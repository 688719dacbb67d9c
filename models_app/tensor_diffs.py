"""Which tensors two versions of a weights file differ in, and by how much, in bounded memory and time.

What both versions keep in the same chunks is the same and is not read. Of tensors of one type and shape the
relative distance is measured: the length of the difference by the length of the older tensor. When the time
or the bytes are spent, the rest is told by the share of its bytes that lie in other chunks.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Lock

from models_app.content.tensormath import item_bytes, squares, squares_apart
from models_app.content.tensors import Tensor
from models_app.models import Repo
from models_app.storage.gitstore import Entry
from models_app.tensor_sides import Side, opened_side

MAX_SECONDS = 6.0
MAX_BYTES = 2 * 1024**3
MAX_TENSORS = 20_000
PIECE_BYTES = 1024**2
_REMEMBERED = 32

Range = tuple[int, int]


@dataclass(frozen=True)
class TensorChange:
    """One tensor. `status` is added, deleted, reshaped (another type or shape) or modified; `distance` is the
    relative distance where it was measured, `share` the part of its bytes that lies in other chunks."""

    name: str
    status: str
    old: Tensor | None
    new: Tensor | None
    distance: float | None = None
    share: float = 1.0


@dataclass(frozen=True)
class TensorDiff:
    """The changed tensors, farthest first, and how many are the same; of `unmeasured` the share is told."""

    changes: tuple[TensorChange, ...]
    same: int
    unmeasured: int
    read_bytes: int
    left_out: int = 0


@dataclass
class _Budget:
    """What is left of the time and the bytes."""

    ends: float
    left: int = MAX_BYTES
    read: int = 0

    def spend(self, size: int) -> None:
        self.left -= size
        self.read += size

    @property
    def is_spent(self) -> bool:
        return self.left <= 0 or time.monotonic() > self.ends


@dataclass
class _Memory:
    """The last comparisons: they are of content by its name, which cannot change."""

    known: OrderedDict[tuple[str, str], TensorDiff] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def get(self, key: tuple[str, str]) -> TensorDiff | None:
        with self.lock:
            found = self.known.get(key)
            if found is not None:
                self.known.move_to_end(key)
            return found

    def keep(self, key: tuple[str, str], found: TensorDiff) -> None:
        with self.lock:
            self.known[key] = found
            while len(self.known) > _REMEMBERED:
                self.known.popitem(last=False)


_memory = _Memory()


def diff_tensors(repo: Repo, old: Entry, new: Entry, seconds: float = MAX_SECONDS) -> TensorDiff:
    """From one version of a weights file to another, both of this repo, whose reader may read its content.

    Raises EntryNotFound where the content is not here, BadSafetensors where a side is no sound file.
    """
    # Also where the answer is remembered the repo must hold both sides: its permission may be gone.
    with ExitStack() as stack:
        before = stack.enter_context(opened_side(repo, old))
        after = stack.enter_context(opened_side(repo, new))
        key = (old.etag, new.etag)
        found = _memory.get(key)
        if found is None:
            found = _compare(before, after, _Budget(time.monotonic() + seconds))
            _memory.keep(key, found)
    return found


def _compare(before: Side, after: Side, budget: _Budget) -> TensorDiff:
    olds = {tensor.name: tensor for tensor in before.found.tensors[:MAX_TENSORS]}
    news = {tensor.name: tensor for tensor in after.found.tensors[:MAX_TENSORS]}
    changes: list[TensorChange] = []
    same = 0
    for name, new in news.items():
        old = olds.get(name)
        if old is None:
            changes.append(TensorChange(name, "added", None, new))
        elif (old.dtype, old.shape) != (new.dtype, new.shape):
            changes.append(TensorChange(name, "reshaped", old, new))
        else:
            change = _modified(before, after, old, new, budget)
            if change is None:
                same += 1
            else:
                changes.append(change)
    changes.extend(TensorChange(name, "deleted", old, None) for name, old in olds.items() if name not in news)
    changes.sort(key=_order)
    unmeasured = sum(1 for change in changes if change.status == "modified" and change.distance is None)
    left_out = max(len(side.found.tensors) - MAX_TENSORS for side in (before, after))
    return TensorDiff(tuple(changes), same, unmeasured, budget.read, max(0, left_out))


def _order(change: TensorChange) -> tuple[int, float, str]:
    """What came, went or has another shape first, then by distance, then what was not measured."""
    rank = {"added": 0, "deleted": 1, "reshaped": 2}.get(
        change.status, 3 if change.distance is not None else 4
    )
    distance = change.distance if change.distance is not None else change.share
    return rank, -distance if math.isfinite(distance) else -math.inf, change.name


def _modified(before: Side, after: Side, old: Tensor, new: Tensor, budget: _Budget) -> TensorChange | None:
    """The change of a tensor that kept its type and shape; None where it is the same."""
    ranges = list(_apart(before, after, old, new))
    if not ranges:
        return None
    share = sum(stop - start for start, stop in ranges) / max(new.size, 1)
    size = item_bytes(new.dtype)
    if not size or budget.is_spent:
        return TensorChange(new.name, "modified", old, new, None, share)
    apart = _measure(before, after, old, new, ranges, budget)
    if apart is None:
        return TensorChange(new.name, "modified", old, new, None, share)
    if apart == 0.0:
        return None
    length = _length(before, old, budget)
    if length is None:
        return TensorChange(new.name, "modified", old, new, None, share)
    distance = math.sqrt(apart / length) if length else math.inf
    return TensorChange(new.name, "modified", old, new, distance, share)


def _apart(before: Side, after: Side, old: Tensor, new: Tensor) -> Iterator[Range]:
    """The parts of the tensor that the two files do not keep in the same chunks, from its own beginning, with
    whole numbers at their ends and none in two of them."""
    size = item_bytes(new.dtype) or 1
    last = done = 0
    for start, stop in [*_shared(before, after, new, new.start - old.start), (new.size, new.size)]:
        if start > last:
            first, end = max(done, last - last % size), min(new.size, start + -start % size)
            if end > first:
                yield first, end
                done = end
        last = max(last, stop)


def _shared(before: Side, after: Side, new: Tensor, shift: int) -> Iterator[Range]:
    """The runs of the tensor that lie in chunks of both files, at the same distance from its beginning."""
    for start, (chunk, size) in after.within(new.start, new.stop):
        if before.chunks.get(start - shift) == (chunk, size):
            yield max(0, start - new.start), min(new.size, start + size - new.start)


def _measure(
    before: Side, after: Side, old: Tensor, new: Tensor, ranges: list[Range], budget: _Budget
) -> float | None:
    """The sum of the squares of the differences; None when the budget was spent."""
    total = 0.0
    for first, last in ranges:
        for start, stop in _pieces(first, last):
            if budget.is_spent:
                return None
            ours = after.read(new.start + start, new.start + stop)
            theirs = before.read(old.start + start, old.start + stop)
            budget.spend(2 * (stop - start))
            if ours != theirs:
                total += squares_apart(new.dtype, theirs, ours)
    return total


def _length(before: Side, old: Tensor, budget: _Budget) -> float | None:
    """The sum of the squares of the older tensor; None when the budget was spent."""
    total = 0.0
    for start, stop in _pieces(0, old.size):
        if budget.is_spent:
            return None
        total += squares(old.dtype, before.read(old.start + start, old.start + stop))
        budget.spend(stop - start)
    return total


def _pieces(start: int, stop: int) -> Iterator[Range]:
    for at in range(start, stop, PIECE_BYTES):
        yield at, min(at + PIECE_BYTES, stop)
