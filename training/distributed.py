"""Several processes that learn as one, each started by `torchrun`: who they are, and how they agree.

Decisions of people and clocks (cancel, a checkpoint that is due, memory that ran out) travel over gloo on the
CPU, so that no GPU waits for them; gradients over NCCL where there are GPUs. Without `torchrun` there is one
process, and everything here costs nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

from training.errors import Canceled, Interrupted, ToldElsewhere, UserError

# A process that dies is noticed by torchrun and by its peers' connections; this only bounds honest waiting,
# such as for the first process to validate.
PATIENCE = timedelta(hours=24)
BUCKET_BYTES = 25 * 2**20
GO_ON, INTERRUPTED, CANCELED = range(3)


@dataclass
class World:
    """This process among the others. `mode` is how states are held: `auto`, `ddp` or `fsdp`."""

    rank: int = 0
    size: int = 1
    mode: str = "auto"
    # typed Any: torch has no process groups where it was built without them
    control: Any = None

    @property
    def leads(self) -> bool:
        """The first process alone writes, logs and reports."""
        return self.rank == 0

    def largest(self, values: Sequence[int]) -> list[int]:
        """Element by element the largest over all processes."""
        if self.size == 1:
            return list(values)
        told = torch.tensor(values, dtype=torch.int32)
        torch.distributed.all_reduce(told, op=torch.distributed.ReduceOp.MAX, group=self.control)
        found: list[int] = told.tolist()
        return found

    def any(self, mine: bool) -> bool:
        """Whether it is so in some process."""
        return bool(self.largest([int(mine)])[0])

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Sum each over all processes, in place; the processes' results are equal to the last bit.

        They travel by type in pieces of about 25 MiB, the next one packed while the last one is on its way.
        """
        if self.size == 1:
            return
        waiting: list[tuple[Any, Tensor, list[Tensor]]] = []
        for bucket in _buckets(tensors):
            flat = torch.cat([item.detach().reshape(-1) for item in bucket])
            waiting.append((torch.distributed.all_reduce(flat, async_op=True), flat, bucket))
        with torch.no_grad():
            for work, flat, bucket in waiting:
                work.wait()
                parts = flat.split([item.numel() for item in bucket])
                for item, part in zip(bucket, parts, strict=True):
                    item.copy_(part.view(item.shape))

    def make_alike(self, tensors: Sequence[Tensor]) -> None:
        """Everywhere the values that the first process has."""
        if self.size > 1:
            for item in tensors:
                # Not every memory format can be sent as it lies.
                held = item.detach().contiguous()
                torch.distributed.broadcast(held, 0)
                item.detach().copy_(held)

    def told(self, value: Any) -> Any:
        """What the first process has, to all: JSON-able. The others' `value` does not count."""
        if self.size == 1:
            return value
        raw = torch.frombuffer(
            bytearray(json.dumps(value if self.leads else None).encode()), dtype=torch.uint8
        )
        length = torch.tensor([len(raw)])
        torch.distributed.broadcast(length, 0, group=self.control)
        if not self.leads:
            raw = torch.empty(int(length), dtype=torch.uint8)
        torch.distributed.broadcast(raw, 0, group=self.control)
        return json.loads(raw.numpy().tobytes())

    def given(self, tensors: dict[str, Tensor] | None) -> dict[str, Tensor] | None:
        """The first process's tensors on the CPU, to all; None where it has none."""
        if self.size == 1:
            return tensors
        kinds = None
        if tensors is not None:
            kinds = {name: [str(item.dtype), list(item.shape)] for name, item in tensors.items()}
        shapes = self.told(kinds)
        if shapes is None:
            return None
        found = {}
        for name, (dtype, shape) in shapes.items():
            kind = getattr(torch, dtype.removeprefix("torch."))
            held = tensors[name].contiguous() if tensors and self.leads else torch.empty(shape, dtype=kind)
            torch.distributed.broadcast(held, 0, group=self.control)
            found[name] = held
        return found

    def check(self, ask: Callable[[], None]) -> None:
        """Ask whether the run is to go on; what one process hears, all raise."""
        if self.size == 1:
            ask()
            return
        verdict, sentence = GO_ON, ""
        try:
            ask()
        except (Interrupted, Canceled) as stop:
            verdict, sentence = (INTERRUPTED if isinstance(stop, Interrupted) else CANCELED), stop.message
        agreed = self.largest([verdict])[0]
        if agreed != GO_ON:
            kind = Interrupted if agreed == INTERRUPTED else Canceled
            raise kind(sentence) if sentence else kind()

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """The first process goes through the block before the others: what it leaves on disk they find."""
        if self.size > 1 and not self.leads:
            torch.distributed.barrier(group=self.control)
        yield
        # Not in a `finally`: a first process that failed ends the others by its exit.
        if self.size > 1 and self.leads:
            torch.distributed.barrier(group=self.control)


_world = World()


def world() -> World:
    """The processes that this one learns with; itself alone where nobody called `join`."""
    return _world


@contextmanager
def joined(mode: str = "auto") -> Iterator[World]:
    """The processes of this `torchrun` until the block ends.

    Raises `UserError` for more of them than GPUs, and `ToldElsewhere` in all but the first that fails.
    """
    global _world
    local, rank, size = (int(os.environ.get(name, "0")) for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE"))
    backend = "gloo"
    if torch.cuda.is_available():
        backend, here = "nccl", torch.cuda.device_count()
        if local >= here:
            have = "1 GPU" if here == 1 else f"{here} GPUs"
            text = (
                f"torchrun starts process {local + 1} where there is {have}: --nproc-per-node is too large."
            )
            raise UserError("cli:too-many-processes", text)
        torch.cuda.set_device(local)
    torch.distributed.init_process_group(backend, timeout=PATIENCE)
    control: Any = (
        torch.distributed.new_group(backend="gloo", timeout=PATIENCE) if backend == "nccl" else None
    )
    _world = World(rank, size, mode, control)
    try:
        yield _world
        # Together: a process that is gone early would look like one that failed.
        torch.distributed.barrier(group=control)
    except BaseException as error:
        if _first_to_fail(f"{type(error).__name__}: {error}"):
            raise
        # What the others then meet, closed connections mostly, is no news to anyone.
        raise ToldElsewhere from None
    else:
        torch.distributed.destroy_process_group()
    finally:
        _world = World()


def _first_to_fail(sentence: str) -> bool:
    """Whether no other process has failed before: one mistake is told once, not by every process."""
    mine = f"{torch.distributed.get_rank()} {sentence[:1000]}"
    # typed Any: the default store has no public name
    store: Any = torch.distributed.distributed_c10d._get_default_store()
    try:
        return bool(store.compare_set("tuneyard/failed", "", mine).decode() == mine)
    except (RuntimeError, ValueError):
        return False  # the store went with the process that failed first


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    by_type: dict[torch.dtype, list[Tensor]] = {}
    for item in tensors:
        by_type.setdefault(item.dtype, []).append(item)
    for items in by_type.values():
        bucket, held = [], 0
        for item in items:
            bucket.append(item)
            held += item.numel() * item.element_size()
            if held >= BUCKET_BYTES:
                yield bucket
                bucket, held = [], 0
        if bucket:
            yield bucket
