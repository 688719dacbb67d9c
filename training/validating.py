"""A split through the net, measured; in smaller pieces where memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from training.reporting import Reporter
from training.stepping import out_of_memory, release_memory, short_of_memory
from training.tasks.base import Examples, Prepared


class Validator:
    """Measures the weights of `prepared` as they are; `size` is how many rows go through the net at once."""

    def __init__(self, prepared: Prepared, reporter: Reporter) -> None:
        self.prepared, self.reporter = prepared, reporter
        self.size = prepared.eval_batch

    def measure(self, rows: Examples) -> dict[str, float]:
        """The task's measures; leaves the learner in eval mode. Raises `UserError` where not one row fits."""
        prepared = self.prepared
        while True:
            try:
                return prepared.task.measure(predictions(prepared.learner, rows, prepared.device, self.size))
            except RuntimeError as error:
                if not short_of_memory(error):
                    raise
                if self.size == 1:
                    raise out_of_memory(1) from None
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
