"""A split through the net, measured; in smaller pieces where memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from training import sharding
from training.distributed import world
from training.reporting import Reporter
from training.stepping import out_of_memory, release_memory, short_of_memory
from training.tasks.base import Examples, Prepared


class Validator:
    """Measures the weights of `prepared` as they are; `size` is how many rows go through the net at once."""

    def __init__(self, prepared: Prepared, reporter: Reporter) -> None:
        self.prepared, self.reporter = prepared, reporter
        self.size = prepared.eval_batch
        self.sharded = sharding.is_sharded(prepared.network.net)

    def measure(self, rows: Examples) -> dict[str, float]:
        """The task's measures; leaves the learner in eval mode. Raises `UserError` where not one row fits.

        Of several processes the first one measures and tells the others, so that all decide alike. Where the
        net is in parts every process runs it: each holds what the others need.
        """
        together = world()
        found = self._measure(rows) if together.leads or self.sharded else {}
        return dict(together.told({name: float(value) for name, value in found.items()}))

    def _measure(self, rows: Examples) -> dict[str, float]:
        prepared = self.prepared
        while True:
            try:
                return prepared.task.measure(predictions(prepared.learner, rows, prepared.device, self.size))
            except RuntimeError as error:
                if not short_of_memory(error):
                    raise
                if self.size == 1 or self.sharded:
                    raise out_of_memory(self.size) from None
            # Outside of the handler: inside it, the error's own traceback would hold the memory.
            self.size //= 2
            release_memory()
            self.reporter.log(f"Out of memory while validating: going on with {self.size} rows at once.")


def predictions(
    learner: nn.Module, rows: Examples, device: torch.device, size: int
) -> Iterator[tuple[Any, Any]]:
    """Outputs in fp32 and targets on the CPU, in order, in batches of a fixed size."""
    learner.eval()
    with torch.inference_mode():
        for part in torch.arange(len(rows)).split(size):
            inputs, targets = rows.take(part, device)
            yield tree_map(_at_rest, learner(inputs)), tree_map(_at_rest, targets)


def _at_rest(item: Any) -> Any:
    if not isinstance(item, Tensor):
        return item
    return item.float().cpu() if item.is_floating_point() else item.cpu()
