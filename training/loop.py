"""The loop, written out: epochs, steps, validation, early stopping, checkpoint, report, cancel."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training import checkpoint, learning, sharding, stopping, unfreezing
from training.averages import Average
from training.batches import Batches, epoch_order
from training.diagnosis import diverged
from training.distributed import world
from training.equip import equip
from training.errors import Interrupted, UserError
from training.headstep import HeadStep
from training.meter import Meter
from training.optim import lr_factor, make_optimizer, momentum_at, parameter_groups, set_lr
from training.recipe import Recipe
from training.reporting import Reporter
from training.stepping import Stepper
from training.system import Pace
from training.tasks.base import Examples, Prepared
from training.validating import Validator

# A large net's checkpoint takes seconds: between two, learn for so many times as long as the last one took.
CHECKPOINT_SHARE = 20
STRETCH_IMAGES = 256


@dataclass
class Progress:
    """Where a run stands between two optimizer steps; everything a checkpoint keeps beside tensors."""

    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    stopped: bool = False
    # Rows that go through the net at once, where memory did not hold what the recipe says.
    micro_batch: int | None = None


class Run:
    """The state of one phase of a run; `train` is the loop.

    `path` is its checkpoint, written at least `checkpoint_seconds` apart; reports are `report_seconds` apart.
    """

    def __init__(
        self,
        recipe: Recipe,
        prepared: Prepared,
        path: Path,
        reporter: Reporter,
        report_seconds: float,
        checkpoint_seconds: float,
    ) -> None:
        self.world = world()
        prepared = equip(prepared, recipe)
        self.sharded = sharding.shard(prepared.network, prepared.device)
        self.recipe, self.prepared, self.path, self.reporter = recipe, prepared, path, reporter
        self.report_seconds, self.checkpoint_seconds = report_seconds, checkpoint_seconds
        optim = recipe.optim
        self.step_images = optim.batch_size * optim.grad_accum_steps
        kept = len(self._order(0))
        self.steps_per_epoch = math.ceil(kept / self.step_images)
        self.total_steps = optim.epochs * self.steps_per_epoch
        known = dict(prepared.network.net.named_parameters())
        # Some have weights that never learn, such as tables of positions.
        self.stages = [[name for name in stage if known[name].requires_grad] for stage in prepared.stages]
        # With L2-SP the decay is the stepper's.
        decayed = replace(optim, weight_decay=0.0) if recipe.strategy.l2_sp else optim
        groups = parameter_groups(prepared.network.net, prepared.stages, decayed, recipe.strategy.lr_decay)
        self.optimizer = make_optimizer(groups, optim)
        self.stepper = Stepper(recipe, prepared, self.optimizer, reporter)
        self.head_step = self._head_step()
        # Short steps are taken many between two looks at the clock and at the hub: some milliseconds' worth.
        # Not where every single step is to be told.
        short = self.head_step is not None and report_seconds > 0 and optim.ema is None
        self.stretch = max(1, STRETCH_IMAGES // self.step_images) if short else 1
        self.learning = learning.changed_state(prepared.network)
        self.average = Average(self.learning, optim.ema) if optim.ema is not None else None
        self.watched = stopping.watched(recipe.early_stopping.metric, prepared.task)
        self.on_epoch: Callable[[stopping.Watched, float, int], None] | None = None
        # Called with the steps taken whenever a checkpoint of them lies on the disk.
        self.on_saved: Callable[[int], None] | None = None
        self.saved_step = 0
        # A curve of about so many points, at steps that do not depend on the clock; None: by the clock.
        self.points: int | None = None
        self.best: dict[str, Tensor] = {}
        self.validator = Validator(prepared, reporter)
        self.progress = Progress()
        self.meter, self.pace = Meter(), Pace()
        self._require_alike()
        self.saved_at, self.save_cost = time.monotonic(), 0.0
        self.told_at = time.monotonic()

    def train(self) -> tuple[dict[str, float], list[dict[str, float]]]:
        """Run to the end; returns the validation metrics of the final weights and the history."""
        with self.head_step.threads(self.step_images) if self.head_step else nullcontext():
            self._resume()
            self._tell_start()
            self._check_metric()
            self._loop()
        self._unfreeze(len(self.stages))
        return self._final_metrics(), self.progress.history

    def _loop(self) -> None:
        progress = self.progress
        order, order_epoch = torch.empty(0, dtype=torch.long), -1
        while progress.step < self.total_steps and not progress.stopped:
            self._check()
            epoch, place = divmod(progress.step, self.steps_per_epoch)
            if epoch != order_epoch:
                order, order_epoch = self._order(epoch), epoch
                self._begin_epoch(epoch)
            count = min(self.stretch, self.steps_per_epoch - place)
            rows = order[place * self.step_images : (place + count) * self.step_images]
            self._take_steps(rows, progress.step, count)
            self.pace.add(len(rows))
            progress.step += count
            if place + count == self.steps_per_epoch:
                self._end_epoch(epoch)
            elif self._report_is_due(count):
                self.reporter.report(progress.step, self.total_steps, self._train_metrics())
            elif self.points is not None and time.monotonic() - self.told_at >= self.report_seconds:
                self._tell_progress()
            if self._save_is_due():
                self.save()

    def _report_is_due(self, count: int) -> bool:
        """After `count` more steps; with `points`, where a multiple of a whole number of steps was passed."""
        if self.points is None:
            return self.meter.age() >= self.report_seconds
        apart, step = math.ceil(self.total_steps / self.points), self.progress.step
        return step // apart > (step - count) // apart

    def _tell_start(self) -> None:
        """Where a curve goes on, or begins; of a finished phase nothing is drawn anew."""
        if self.points is not None and self.progress.step < self.total_steps and not self.progress.stopped:
            self._tell_progress()

    def _tell_progress(self) -> None:
        self.told_at = time.monotonic()
        self.reporter.report(self.progress.step, self.total_steps, {})

    def _save_is_due(self) -> bool:
        pause = max(self.checkpoint_seconds, CHECKPOINT_SHARE * self.save_cost)
        due = time.monotonic() - self.saved_at >= pause
        # Parts of a sharded net are put together by all processes, when the first one's clock says so.
        return bool(self.world.told(due)) if self.sharded else due

    def _order(self, epoch: int) -> Tensor:
        """The rows of this epoch in the order in which they are learned from."""
        if self.prepared.order is not None:
            return self.prepared.order(epoch)
        return epoch_order(len(self.prepared.train), self.recipe.optim.batch_size, self.recipe.seed, epoch)

    def _begin_epoch(self, epoch: int) -> None:
        strategy = self.recipe.strategy
        if strategy.kind == "gradual":
            count = unfreezing.learning_stages(epoch, len(self.stages), strategy.unfreeze_every)
            self._unfreeze(count)
            self.reporter.log(f"Epoch {epoch + 1}: {count} of {len(self.stages)} stages learn.")
        learning.set_learning_mode(self.prepared.network)

    def _unfreeze(self, count: int) -> None:
        if self.recipe.strategy.kind == "gradual":
            unfreezing.unfreeze(self.prepared.network.net, self.stages, count)

    def _take_steps(self, rows: Tensor, step: int, count: int) -> None:
        """`count` updates from `rows`, the first of them number `step`."""
        optim, steps = self.recipe.optim, range(step, step + count)
        rates = [optim.lr * lr_factor(number, self.total_steps, optim) for number in steps]
        momenta = [momentum_at(number, self.total_steps, optim) for number in steps]
        if self.head_step is not None:
            self.head_step.run(rows, self.step_images, rates, momenta)
        else:
            set_lr(self.optimizer, rates[0], momenta[0])
            self.meter.add(*self.stepper.step(rows, step))
            if self.stepper.micro.size < optim.batch_size:
                self.progress.micro_batch = self.stepper.micro.size
        if self.average is not None:
            self.average.update(step)

    def _end_epoch(self, epoch: int) -> None:
        progress = self.progress
        # The curve goes on with what is new in it; the history has the mean of the whole epoch.
        told, val = self._train_metrics(), {}
        row = self._learned(*self.meter.read_epoch())
        if self.prepared.val is not None:
            with self._kept_weights():
                val = self._validate(self.prepared.val)
                self._watch(val, epoch)
        self.reporter.report(progress.step, self.total_steps, told | val)
        progress.history.append({"epoch": epoch + 1, "step": progress.step, **row, **val})
        self.meter.rest()
        self.pace.rest()

    def _watch(self, row: dict[str, float], epoch: int) -> None:
        """Keep the best epoch in mind, and stop when there was none for too long."""
        progress, rule = self.progress, self.recipe.early_stopping
        name = f"val/{self.watched.name}"
        value = self.watched.sign * row.get(name, math.nan)
        if value > (-math.inf if progress.best is None else progress.best + rule.min_delta):
            progress.best, progress.best_epoch = value, epoch
            if rule.patience:
                self.best = {key: sharding.whole(item) for key, item in self.learning.items()}
        elif rule.patience and epoch - progress.best_epoch >= rule.patience:
            progress.stopped = True
            self.reporter.log(f"Stopping: no better {name} since epoch {progress.best_epoch + 1}.")
        if self.on_epoch is not None:
            self.on_epoch(self.watched, value, epoch)

    def _kept_weights(self) -> AbstractContextManager[None]:
        """The weights that would be published now stand in the network inside the block."""
        return self.average.in_place() if self.average is not None else nullcontext()

    def _validate(self, val: Examples) -> dict[str, float]:
        found = self.validator.measure(val)
        learning.set_learning_mode(self.prepared.network)
        self._require_finite(found["loss"])
        return {f"val/{name}": value for name, value in found.items()}

    def _check_metric(self) -> None:
        """Before the first step: validation must tell what early stopping is to watch."""
        val, metric = self.prepared.val, self.recipe.early_stopping.metric
        if metric and val is not None and self.progress.step == 0:
            stopping.require_measured(self.watched, self.validator.measure(val))

    def _require_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            net, train, clip = self.prepared.network.net, self.prepared.train, self.recipe.optim.grad_clip
            raise diverged(self.progress.step, net, train, clipped=clip is not None)

    def _train_metrics(self) -> dict[str, float]:
        """Means since the last report, pace and memory. Raises `UserError` if the loss is not a number."""
        self._drain()
        return {**self._learned(*self.meter.read()), **self.pace.told()}

    def _learned(self, loss: float, accuracy: float) -> dict[str, float]:
        self._require_finite(loss)
        lr = max(group["lr"] for group in self.optimizer.param_groups)
        hits = {"train/accuracy": accuracy} if self.prepared.task.counts_hits else {}
        return {"train/loss": loss, **hits, "lr": lr}

    def _final_metrics(self) -> dict[str, float]:
        """Early stopping puts the best epoch's weights back, averaging else its mean: metrics are of them."""
        history = self.progress.history
        row = history[-1] if history else {}
        kept = self.best or (self.average.mean if self.average is not None else {})
        with torch.no_grad():
            for name, tensor in kept.items():
                sharding.fill(self.learning[name], tensor)
        if self.best:
            row = history[self.progress.best_epoch]
        return {name: value for name, value in row.items() if name.startswith("val/")}

    def _head_step(self) -> HeadStep | None:
        """The short form of a step where only a linear head learns, on features held in memory."""
        learner, train = self.prepared.learner, self.prepared.train
        if self.prepared.device.type != "cpu" or not self.prepared.task.is_softmax:
            return None
        if not isinstance(train, Batches) or not HeadStep.fits(learner, train.inputs):
            return None
        optim = self.recipe.optim
        smoothing, clip = optim.label_smoothing, optim.grad_clip
        assert isinstance(learner, nn.Linear)
        return HeadStep(
            learner, self.optimizer, train.inputs, train.targets, label_smoothing=smoothing, grad_clip=clip
        )

    def _drain(self) -> None:
        """The short step counts its losses late, many at once."""
        if self.head_step is not None:
            self.meter.add(*self.head_step.drain())

    def _check(self) -> None:
        try:
            self.world.check(self.reporter.check)
        except Interrupted:
            self.save()
            raise

    def save(self) -> None:
        """Write the checkpoint; the history and the meter go with it so that the curve has no seam.

        Nothing is written once the loss is no number: the last checkpoint stays the last good one.
        """
        self._drain()
        if not math.isfinite(self.meter.total()):
            return
        tensors = {f"net.{name}": tensor for name, tensor in self.learning.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors |= checkpoint.pack_optimizer(self.optimizer)
        tensors |= self.average.state() if self.average is not None else {}
        if self.sharded:
            tensors = {name: sharding.whole(tensor) for name, tensor in tensors.items()}
        if not self.world.leads:
            return
        state = {"of": self._fingerprint(), "progress": vars(self.progress), "meter": self.meter.state()}
        began = time.monotonic()
        checkpoint.save_checkpoint(self.path, tensors, state)
        self.saved_at, self.saved_step = time.monotonic(), self.progress.step
        self.save_cost = self.saved_at - began
        if self.on_saved is not None:
            self.on_saved(self.saved_step)

    def _resume(self) -> None:
        loaded = self._loaded()
        if loaded is None:
            return
        tensors, state = loaded
        if state.get("of") != self._fingerprint():
            self.reporter.log("The checkpoint here is of another recipe or other data; starting anew.")
            return
        with torch.no_grad():
            for name, tensor in self.learning.items():
                sharding.fill(tensor, tensors[f"net.{name}"])
        self.best = {key[5:]: item for key, item in tensors.items() if key.startswith("best.")}
        checkpoint.unpack_optimizer(self.optimizer, tensors)
        if self.average is not None:
            self.average.restore(tensors)
        self.progress = Progress(**state["progress"])
        self.saved_step = self.progress.step
        self.stepper.micro.size = self.progress.micro_batch or self.recipe.optim.batch_size
        self.meter.restore(state["meter"])
        self.reporter.log(f"Resuming after step {self.progress.step} of {self.total_steps}.")

    def _loaded(self) -> checkpoint.Loaded | None:
        """What the first process finds, in all of them."""
        tensors, state = (checkpoint.load_checkpoint(self.path) if self.world.leads else None) or (None, None)
        tensors, state = self.world.given(tensors), self.world.told(state)
        return None if tensors is None else (tensors, state)

    def _require_alike(self) -> None:
        """All processes begin with the same rows and, whatever drew them, the same weights."""
        if self.world.size == 1:
            return
        mine = self._fingerprint()
        if self.world.any(mine != self.world.told(mine)):
            text = (
                "The processes of this run do not read the same data or base model; give all the same files."
            )
            raise UserError("run:not-alike", text)
        if not self.sharded:
            self.world.make_alike(list(self.learning.values()))

    def _fingerprint(self) -> str:
        """Recipe, data and network in one hash: a checkpoint fits only the run that wrote it."""
        train, shapes = self.prepared.train, {name: list(item.shape) for name, item in self.learning.items()}
        facts: list[Any] = [self.recipe.as_dict(), self.prepared.task.labels, train.fingerprint(), shapes]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
