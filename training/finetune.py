"""The loop, written out: epochs, accumulation, clip, validate, checkpoint, report, cancel."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from training import checkpoint, learning
from training.allocator import keep_freed_memory
from training.batches import Batches, epoch_order
from training.device import describe, pick_device, reproducible, step_seed, train_dtype
from training.errors import Interrupted, UserError
from training.headstep import HeadStep
from training.meter import Meter
from training.optim import lr_factor, make_optimizer, parameter_groups, set_lr
from training.recipe import Recipe
from training.reporting import Reporter
from training.tasks import task_kind
from training.tasks.base import Examples, Plan, Prepared

CHECKPOINT = "checkpoint.safetensors"
# A large net's checkpoint takes seconds: between two, learn for so many times as long as the last one took.
CHECKPOINT_SHARE = 20
STRETCH_IMAGES = 256
# What a task keeps here does not fit in memory, and is of no use after the run.
SCRATCH = "scratch"


@dataclass(frozen=True)
class FinetuneResult:
    """`model_dir` holds what the task publishes: weights, config.json and how inputs are prepared.

    `metrics`: val/loss and the task's measures of the saved weights (empty without validation rows);
    `history`: one row an epoch; `seconds`: wall-clock time of this call.
    """

    model_dir: Path
    metrics: dict[str, float]
    history: list[dict[str, float]]
    labels: list[str]
    seconds: float


@dataclass
class Progress:
    """Where a run stands between two optimizer steps; everything a checkpoint keeps beside tensors."""

    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    stopped: bool = False


def finetune(
    recipe: Recipe,
    *,
    base_dir: Path | None,
    data_dir: Path,
    work_dir: Path,
    reporter: Reporter,
    cache_dir: Path | None = None,
    report_seconds: float = 0.5,
    checkpoint_seconds: float = 10.0,
) -> FinetuneResult:
    """Fine-tune `base_dir` on `data_dir`; what is needed to go on after a kill lies under `work_dir`.

    Called again with the same recipe and files it resumes from the last checkpoint and ends with the weights
    the uninterrupted run would have had. `cache_dir` keeps frozen features for later runs (default: in
    `work_dir`). Raises `UserError`, and what `reporter.check` raises: `Canceled`, or `Interrupted` once a
    checkpoint is written.
    """
    began = time.monotonic()
    work_dir.mkdir(parents=True, exist_ok=True)
    device = pick_device()
    keep_freed_memory()
    try:
        with reproducible(recipe.seed, recipe.deterministic):
            reporter.stage("data")
            reporter.log(describe(device))
            cache = cache_dir or work_dir / "features"
            plan = Plan(recipe, base_dir, data_dir, work_dir, cache, device, reporter)
            prepared = task_kind(recipe.task).prepare(plan)
            run = Run(recipe, prepared, work_dir / CHECKPOINT, reporter, report_seconds, checkpoint_seconds)
            reporter.stage("train")
            metrics, history = run.train()
    except torch.OutOfMemoryError:
        text = "The GPU ran out of memory; choose a smaller optim.batch_size and more optim.grad_accum_steps."
        raise UserError("train:out-of-memory", text) from None
    finally:
        shutil.rmtree(work_dir / SCRATCH, ignore_errors=True)
    reporter.stage("save")
    model_dir = work_dir / "model"
    prepared.save(model_dir)
    return FinetuneResult(model_dir, metrics, history, prepared.task.labels, time.monotonic() - began)


class Run:
    """The state of one call of `finetune`; `train` is the loop."""

    def __init__(
        self,
        recipe: Recipe,
        prepared: Prepared,
        path: Path,
        reporter: Reporter,
        report_seconds: float,
        checkpoint_seconds: float,
    ) -> None:
        self.recipe, self.prepared, self.path, self.reporter = recipe, prepared, path, reporter
        self.report_seconds, self.checkpoint_seconds = report_seconds, checkpoint_seconds
        optim = recipe.optim
        self.step_images = optim.batch_size * optim.grad_accum_steps
        kept = len(self._order(0))
        self.steps_per_epoch = math.ceil(kept / self.step_images)
        self.total_steps = optim.epochs * self.steps_per_epoch
        groups = parameter_groups(prepared.network.net, prepared.stages, optim, recipe.strategy.lr_decay)
        self.optimizer = make_optimizer(groups, optim)
        self.parameters = [item for group in groups for item in group["params"]]
        self.head_step = self._head_step()
        # Short steps are taken many between two looks at the clock and at the hub: some milliseconds' worth.
        # Not where every single step is to be told.
        short = self.head_step is not None and report_seconds > 0
        self.stretch = max(1, STRETCH_IMAGES // self.step_images) if short else 1
        self.learning = learning.changed_state(prepared.network)
        self.best: dict[str, Tensor] = {}
        self.progress = Progress()
        self.meter = Meter()
        self.saved_at, self.save_cost = time.monotonic(), 0.0

    def train(self) -> tuple[dict[str, float], list[dict[str, float]]]:
        """Run to the end; returns the validation metrics of the final weights and the history."""
        with self.head_step.threads(self.step_images) if self.head_step else nullcontext():
            self._resume()
            self._loop()
        return self._final_metrics(), self.progress.history

    def _loop(self) -> None:
        progress, prepared = self.progress, self.prepared
        order, order_epoch = torch.empty(0, dtype=torch.long), -1
        while progress.step < self.total_steps and not progress.stopped:
            self._check()
            epoch, place = divmod(progress.step, self.steps_per_epoch)
            if epoch != order_epoch:
                order, order_epoch = self._order(epoch), epoch
                learning.set_learning_mode(prepared.network)
            count = min(self.stretch, self.steps_per_epoch - place)
            rows = order[place * self.step_images : (place + count) * self.step_images]
            rates = [self._lr(progress.step + number) for number in range(count)]
            if self.head_step is not None:
                self.head_step.run(rows, self.step_images, rates)
            else:
                set_lr(self.optimizer, rates[0])
                self._optimizer_step(rows, progress.step)
            progress.step += count
            if place + count == self.steps_per_epoch:
                self._end_epoch(epoch)
            elif self.meter.age() >= self.report_seconds:
                self.reporter.report(progress.step, self.total_steps, self._train_metrics())
            pause = max(self.checkpoint_seconds, CHECKPOINT_SHARE * self.save_cost)
            if time.monotonic() - self.saved_at >= pause:
                self.save()

    def _order(self, epoch: int) -> Tensor:
        """The rows of this epoch in the order in which they are learned from."""
        if self.prepared.order is not None:
            return self.prepared.order(epoch)
        return epoch_order(len(self.prepared.train), self.recipe.optim.batch_size, self.recipe.seed, epoch)

    def _lr(self, step: int) -> float:
        return self.recipe.optim.lr * lr_factor(step, self.total_steps, self.recipe.optim)

    def _optimizer_step(self, rows: Tensor, step: int) -> None:
        """One update from the images of `rows`; the gradients of its micro-batches add up to the mean."""
        recipe, prepared = self.recipe, self.prepared
        seed = step_seed(recipe.seed, step)
        # Dropout draws from the global generator: seeding it by step is what makes resuming exact.
        torch.manual_seed(seed)
        self.optimizer.zero_grad(set_to_none=True)
        zero = torch.zeros((), device=prepared.device)
        loss_sum, correct, weight = zero.clone(), zero.clone(), None
        for index, micro in enumerate(rows.split(recipe.optim.batch_size)):
            inputs, targets = prepared.train.take(micro, prepared.device, seed + index)
            with self._autocast():
                result = prepared.task.step(prepared.learner, inputs, targets)
            share: Any = len(micro) / len(rows)
            if result.weight is not None:
                # How much there is in all is known at the end only; the gradients are divided then.
                share = result.weight
                weight = share if weight is None else weight + share
            (result.loss * share).backward()
            loss_sum += result.loss.detach() * (len(micro) if result.weight is None else result.weight)
            if result.correct is not None:
                correct += result.correct
        if weight is not None:
            self._divide_gradients(weight)
        if recipe.optim.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, recipe.optim.grad_clip)
        self.optimizer.step()
        self.meter.add(loss_sum, correct, len(rows) if weight is None else weight)

    def _divide_gradients(self, weight: Tensor) -> None:
        gradients = [item.grad for item in self.parameters if item.grad is not None]
        if gradients:
            torch._foreach_div_(gradients, float(weight.clamp(min=1)))

    def _end_epoch(self, epoch: int) -> None:
        progress = self.progress
        row = self._train_metrics(whole_epoch=True)
        if self.prepared.val is not None:
            row |= self._validate(self.prepared.val)
            self._watch(row, epoch)
        self.reporter.report(progress.step, self.total_steps, row)
        progress.history.append({"epoch": epoch + 1, "step": progress.step, **row})

    def _watch(self, row: dict[str, float], epoch: int) -> None:
        """Keep the best epoch in mind, and stop when there was none for too long."""
        progress, stopping, task = self.progress, self.recipe.early_stopping, self.prepared.task
        name = f"val/{task.metric}"
        value = row[name] if task.higher_is_better else -row[name]
        if progress.best is None or value > progress.best + stopping.min_delta:
            progress.best, progress.best_epoch = value, epoch
            if stopping.patience:
                self.best = {key: item.detach().cpu().clone() for key, item in self.learning.items()}
        elif stopping.patience and epoch - progress.best_epoch >= stopping.patience:
            progress.stopped = True
            self.reporter.log(f"Stopping: no better {name} since epoch {progress.best_epoch + 1}.")

    def _validate(self, val: Examples) -> dict[str, float]:
        prepared = self.prepared
        pairs = predictions(prepared.learner, val, prepared.device, prepared.eval_batch)
        found = prepared.task.measure(pairs)
        learning.set_learning_mode(self.prepared.network)
        self._require_finite(found["loss"])
        return {f"val/{name}": value for name, value in found.items()}

    def _require_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            text = f"The loss became infinite or NaN by step {self.progress.step}; choose a smaller optim.lr."
            raise UserError("train:diverged", text)

    def _train_metrics(self, *, whole_epoch: bool = False) -> dict[str, float]:
        """Means since the last report, or over the epoch. Raises `UserError` if the loss is not a number."""
        self._drain()
        loss, accuracy = self.meter.read(whole_epoch)
        self._require_finite(loss)
        lr = max(group["lr"] for group in self.optimizer.param_groups)
        hits = {"train/accuracy": accuracy} if self.prepared.task.counts_hits else {}
        return {"train/loss": loss, **hits, "lr": lr}

    def _final_metrics(self) -> dict[str, float]:
        """Early stopping puts the best epoch's weights back; the metrics are always of the weights kept."""
        history = self.progress.history
        row = history[-1] if history else {}
        if self.best:
            with torch.no_grad():
                for name, tensor in self.learning.items():
                    tensor.copy_(self.best[name])
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

    def _autocast(self) -> torch.autocast:
        device, dtype = self.prepared.device, train_dtype(self.prepared.device)
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)

    def _check(self) -> None:
        try:
            self.reporter.check()
        except Interrupted:
            self.save()
            raise

    def save(self) -> None:
        """Write the checkpoint; the history and the meter go with it so that the curve has no seam."""
        tensors = {f"net.{name}": tensor for name, tensor in self.learning.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors |= checkpoint.pack_optimizer(self.optimizer)
        self._drain()
        state = {"of": self._fingerprint(), "progress": vars(self.progress), "meter": self.meter.state()}
        began = time.monotonic()
        checkpoint.save_checkpoint(self.path, tensors, state)
        self.saved_at = time.monotonic()
        self.save_cost = self.saved_at - began

    def _resume(self) -> None:
        loaded = checkpoint.load_checkpoint(self.path)
        if loaded is None:
            return
        tensors, state = loaded
        if state.get("of") != self._fingerprint():
            self.reporter.log("The checkpoint here is of another recipe or other data; starting anew.")
            return
        with torch.no_grad():
            for name, tensor in self.learning.items():
                tensor.copy_(tensors[f"net.{name}"])
        self.best = {key[5:]: item for key, item in tensors.items() if key.startswith("best.")}
        checkpoint.unpack_optimizer(self.optimizer, tensors)
        self.progress = Progress(**state["progress"])
        self.meter.restore(state["meter"])
        self.reporter.log(f"Resuming after step {self.progress.step} of {self.total_steps}.")

    def _fingerprint(self) -> str:
        """Recipe, data and network in one hash: a checkpoint fits only the run that wrote it."""
        train, shapes = self.prepared.train, {name: list(item.shape) for name, item in self.learning.items()}
        facts: list[Any] = [self.recipe.as_dict(), self.prepared.task.labels, train.fingerprint(), shapes]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


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
