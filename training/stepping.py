"""One optimizer step: micro-batches, their gradients' mean, clipping, the pull of L2-SP, the update."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from training import precision
from training.anchors import Anchor
from training.device import step_seed
from training.distributed import world
from training.errors import UserError
from training.microbatches import MicroBatches
from training.recipe import Recipe
from training.reporting import Reporter
from training.sharding import is_sharded
from training.sharing import Sums, Union
from training.tasks.base import Prepared

ALLOCATION = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "can't allocate memory")


class Stepper:
    """Takes steps with `optimizer`; `micro` is how many rows go through the net at once."""

    def __init__(
        self, recipe: Recipe, prepared: Prepared, optimizer: torch.optim.Optimizer, reporter: Reporter
    ) -> None:
        self.recipe, self.prepared = recipe, prepared
        self.optimizer, self.reporter = optimizer, reporter
        self.parameters = [item for group in optimizer.param_groups for item in group["params"]]
        net = prepared.network.net
        self.micro = MicroBatches(recipe.optim.batch_size, net)
        self.union = Union(world(), net, self.parameters, sharded=is_sharded(net))
        self.anchor = _anchor(recipe, prepared)
        self.precision = precision.choose(recipe.precision, prepared.device, prepared.learner)
        if self.precision.mixed:
            reporter.log(self.precision.told())

    def step(self, rows: Tensor, number: int) -> tuple[Tensor, Tensor, int | Tensor]:
        """One update from the rows of step `number`; where memory runs out, anew with half the micro-batch.

        Returns the sum of losses, of hits, and of what they are the means of.

        What batch statistics took in before memory ran out stays in them. Raises `UserError` where not even
        the smallest micro-batch fits.
        """
        sums = None
        while sums is None:
            # Outside of the handler: inside it, the error's own traceback would hold the memory.
            sums = self.union.complete(self._attempt(rows, number))
            if sums is None:
                self._halve()
        if sums.weighted:
            self._divide_gradients(sums.count)
        if self.recipe.optim.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.optim.grad_clip)
        if self.anchor is not None:
            self.anchor.pull(self.optimizer.param_groups)
        self.optimizer.step()
        return sums.loss, sums.hits, sums.count

    def _attempt(self, rows: Tensor, number: int) -> Sums | None:
        """This process's part of the gradients of the mean loss over `rows`; None where memory ran out."""
        try:
            return self._gradients(rows, step_seed(self.recipe.seed, number))
        except RuntimeError as error:
            if not short_of_memory(error):
                raise
            if self.union.sharded:
                # The others wait for this one's part of the weights: there is no way back for them.
                raise out_of_memory(self.micro.size) from None
            return None

    def _gradients(self, rows: Tensor, seed: int) -> Sums:
        prepared, pieces = self.prepared, self.union.pieces(self.micro, rows, seed)
        self.optimizer.zero_grad(set_to_none=True)
        zero = torch.zeros((), device=prepared.device)
        sums = Sums(zero.clone(), zero.clone(), 0, busy=bool(pieces))
        for piece in pieces:
            # Dropout draws from the global generator: seeding it by step and micro-batch is what makes
            # resuming exact, and one process like several.
            torch.manual_seed(piece.seed)
            inputs, targets = prepared.train.take(piece.rows, prepared.device, piece.seed)
            with self.precision.forward():
                result = prepared.task.step(prepared.learner, inputs, targets)
            count: Any = len(piece.rows)
            if result.weight is not None:
                # How much there is in all is known at the end only; the gradients are divided then.
                count, sums.weighted = result.weight, True
            share = count if sums.weighted else count / len(rows)
            (result.loss * (share if piece.counts else 0)).backward()
            if piece.counts:
                sums.loss += result.loss.detach() * count
                sums.count += count
                if result.correct is not None:
                    sums.hits += result.correct
        return sums

    def _divide_gradients(self, weight: int | Tensor) -> None:
        gradients = [item.grad for item in self.parameters if item.grad is not None]
        if gradients:
            torch._foreach_div_(gradients, max(1.0, float(weight)))

    def _halve(self) -> None:
        before = self.micro.size
        self.optimizer.zero_grad(set_to_none=True)
        release_memory()
        if not self.micro.halve():
            raise out_of_memory(before)
        times = self.recipe.optim.batch_size // self.micro.size * self.recipe.optim.grad_accum_steps
        self.reporter.log(
            f"Out of memory with {before} rows at once: going on with {self.micro.size}, "
            f"and {times} accumulation steps for the same update."
        )


def short_of_memory(error: RuntimeError) -> bool:
    """Whether torch failed for lack of memory: its libraries and the CPU's allocator say so in words only."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in ALLOCATION)


def release_memory() -> None:
    """Give back what the allocator keeps, so that smaller pieces find room."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def out_of_memory(rows: int) -> UserError:
    """What to tell of a run that fits in no piece; `rows` is the smallest number that was tried."""
    text = (
        f"The GPU ran out of memory even with {rows} rows at once; "
        "choose a smaller base model, smaller inputs, or a strategy.kind that learns less."
    )
    return UserError("train:out-of-memory", text)


def _anchor(recipe: Recipe, prepared: Prepared) -> Anchor | None:
    """L2-SP from the weights as they are now; on the head `optim.weight_decay`, not on its biases."""
    if not recipe.strategy.l2_sp:
        return None
    known = dict(prepared.network.net.named_parameters())
    *body, head = prepared.stages
    pulled = [known[name] for stage in body for name in stage if known[name].requires_grad]
    shrunk = [known[name] for name in head if known[name].ndim > 1]
    return Anchor(pulled, shrunk, recipe.strategy.l2_sp, recipe.optim.weight_decay)
