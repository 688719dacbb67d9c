"""An optimizer step shared out over processes: who takes which rows, and how gradients come together.

Every process takes its part of the step's rows; gradients are summed, as `DistributedDataParallel` does, so
that weights stay the same everywhere. That class itself would not do: it hooks one module's `forward`, wants
a gradient for every parameter each time, and a process out of memory would leave the others waiting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.device import step_seed
from training.distributed import World
from training.microbatches import MicroBatches


@dataclass(frozen=True)
class Piece:
    """Rows that go through the net at once. `seed` draws what is random about them.

    Without `counts` they go through only so that all processes do so equally often.
    """

    rows: Tensor
    seed: int
    counts: bool = True


def pieces(micro: MicroBatches, rows: Tensor, seed: int, world: World, *, even: bool = False) -> list[Piece]:
    """This process's part of a step.

    Where the step's micro-batches can be dealt out evenly each stays whole: what is random about one, and its
    batch statistics, are then what a single process has. Else the rows are cut into as many parts as there
    are processes. `even`: every process gets equally many pieces, some of which may not count.
    """
    whole = micro.split(rows)
    if len(whole) % world.size == 0:
        return [Piece(part, seed + index) for index, part in enumerate(whole)][world.rank :: world.size]
    count = max(1, min(world.size, len(rows) // micro.smallest))
    parts = torch.tensor_split(rows, count)
    draw = seed if world.leads else step_seed(seed, world.rank)
    mine = _cut(parts[world.rank], micro) if world.rank < count else []
    found = [Piece(part, draw + index) for index, part in enumerate(mine)]
    if even:
        filler = Piece(rows[: micro.smallest], draw, counts=False)
        found += [filler] * (len(_cut(parts[0], micro)) - len(found))
    return found


def _cut(rows: Tensor, micro: MicroBatches) -> tuple[Tensor, ...]:
    count = math.ceil(len(rows) / micro.size)
    return torch.tensor_split(rows, max(1, min(count, len(rows) // micro.smallest)))


@dataclass
class Sums:
    """Of a step's rows: losses, hits, and what they are the means of; `weighted` where these are not rows."""

    loss: Tensor
    hits: Tensor
    count: int | Tensor
    weighted: bool = False
    busy: bool = True


class Union:
    """Brings the processes' parts of a step together. `sharded`: the net itself sums its gradients."""

    def __init__(
        self, world: World, net: nn.Module, parameters: Sequence[Tensor], *, sharded: bool = False
    ) -> None:
        self.world, self.sharded = world, sharded
        self.parameters = list(parameters)
        self.norms = [item for item in net.modules() if isinstance(item, nn.modules.batchnorm._BatchNorm)]

    def pieces(self, micro: MicroBatches, rows: Tensor, seed: int) -> list[Piece]:
        """See `pieces`."""
        return pieces(micro, rows, seed, self.world, even=self.sharded)

    def complete(self, found: Sums | None) -> Sums | None:
        """The sums of all processes, and in `.grad` those of the gradients; None where one had to give up.

        `found`: this process's own, None where it gave up. A parameter without a gradient anywhere keeps
        none. Running statistics of batches become the mean over the processes that had rows.
        """
        if self.world.size == 1:
            return found
        held = [0 if self.sharded or item.grad is None else 1 for item in self.parameters]
        weighted = found is not None and found.weighted
        gave_up, is_weighted, *held = self.world.largest([found is None, weighted, *held])
        if found is None or gave_up:
            return None
        zero = torch.zeros_like(found.loss)
        sums = torch.stack([found.loss, found.hits.to(zero), zero + found.count, zero + float(found.busy)])
        moved = self._statistics()
        if not found.busy:
            for item in moved:
                item.zero_()
        self.world.add_up([sums, *moved, *self._gradients(held)])
        for item in moved:
            item.div_(sums[3])
        return Sums(sums[0], sums[1], sums[2], bool(is_weighted))

    def _gradients(self, held: Sequence[int]) -> list[Tensor]:
        """Of the parameters that have one in some process, zeros where this one has none."""
        found = []
        for item, is_held in zip(self.parameters, held, strict=True):
            if is_held:
                if item.grad is None:
                    item.grad = torch.zeros_like(item)
                found.append(item.grad)
        return found

    def _statistics(self) -> list[Tensor]:
        """Running means and variances that this step moved, each process by its own rows."""
        norms = [item for item in self.norms if item.training]
        return [item for norm in norms for item in (norm.running_mean, norm.running_var) if item is not None]
