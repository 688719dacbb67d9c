"""From a recipe and two directories to what the loop runs on: a network, what of it learns, and batches."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from training import model
from training.batches import Batches, normalized
from training.data import Split, holdout, load_pixels, read_split, thin
from training.errors import UserError
from training.featurecache import FeatureKey, cached_features
from training.features import frozen_features, micro_batch_size
from training.model import Network
from training.recipe import Recipe
from training.reporting import Reporter
from training.tasks import make_task
from training.tasks.base import Task

PROGRESS_SECONDS = 5.0
# Where pixels lie that do not fit in memory; of no use after the run.
PIXELS = "pixels"


@dataclass
class Prepared:
    """`learner` maps a batch's inputs to logits: the whole net, or its head alone where features are cached.

    `stages` are the learning parameter names of the whole net, a list a stage, the head last.
    """

    network: Network
    learner: nn.Module
    stages: list[list[str]]
    task: Task
    train: Batches
    val: Batches | None
    device: torch.device


def prepare(
    recipe: Recipe,
    *,
    base_dir: Path,
    data_dir: Path,
    work_dir: Path,
    cache_dir: Path,
    device: torch.device,
    reporter: Reporter,
) -> Prepared:
    """Read data and base model, check that they fit. Raises `UserError` before training costs any time."""
    data = recipe.dataset
    split = read_split(
        data_dir, data.train_split, image_column=data.image_column, label_column=data.label_column
    )
    network = model.prepare_network(
        base_dir,
        labels=split.labels,
        image_size=data.image_size,
        scratch=recipe.init == "scratch",
        seed=recipe.seed,
    )
    stages = model.freeze(network, recipe.strategy)
    _check_batch_size(recipe, network)
    train, val = _load_batches(recipe, split, data_dir, network, work_dir, reporter)
    network.to(device)
    learner: nn.Module = network.net
    if caches_features(recipe):
        reporter.stage("features")
        learner = network.net.get_submodule(network.head)
        train, val = _to_features(network, train, val, cache_dir, device, reporter)
    task = make_task(recipe.task, split.labels, recipe.optim.label_smoothing)
    return Prepared(network, learner, stages, task, train, val, device)


def caches_features(recipe: Recipe) -> bool:
    """True where the frozen body sees the same pixels in every epoch, so that once is enough."""
    return recipe.strategy.kind == "head" and recipe.dataset.augment == "none"


def _load_batches(
    recipe: Recipe, split: Split, data_dir: Path, network: Network, work_dir: Path, reporter: Reporter
) -> tuple[Batches, Batches | None]:
    data = recipe.dataset
    held = split
    if data.validation_split:
        columns = {"image_column": data.image_column, "label_column": data.label_column}
        held = _same_classes(read_split(data_dir, data.validation_split, **columns), split.labels)
        rows, held_rows = list(range(len(split))), list(range(len(held)))
    else:
        rows, held_rows = holdout(split.targets, data.validation_fraction, recipe.seed)
    rows = thin(rows, split.targets, data.max_train_images, recipe.seed)
    _check_classes(split, rows)
    train = _decode(split, rows, network, data.augment, work_dir, reporter.check)
    val = _decode(held, held_rows, network, "none", work_dir, reporter.check) if held_rows else None
    reporter.log(
        f"{len(rows)} images to learn from, {len(held_rows)} to validate, {len(split.labels)} classes"
    )
    return train, val


def _decode(
    split: Split, rows: list[int], network: Network, augment: str, work_dir: Path, check: Callable[[], None]
) -> Batches:
    # Two tensors may come from one split (a holdout): each needs a file of its own.
    scratch = work_dir / PIXELS / hashlib.sha256(str(rows[:1000]).encode()).hexdigest()[:16]
    pixels = load_pixels(split, rows, network.spec.geometry, scratch=scratch, check=check)
    targets = torch.tensor([split.targets[row] for row in rows])
    return Batches(pixels, targets, network.spec, augment)


def _to_features(
    network: Network,
    train: Batches,
    val: Batches | None,
    cache_dir: Path,
    device: torch.device,
    reporter: Reporter,
) -> tuple[Batches, Batches | None]:
    """Replace pixels by what the frozen body says of them: one inference pass for the whole run."""
    spec = network.spec
    parts = [train.inputs, val.inputs] if val is not None else [train.inputs]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.numpy().data)

    n = sum(map(len, parts))
    # Pixels normalised in the batches that the body takes stay in the processor's cache on the way.
    micro = micro_batch_size(spec.image_size, spec.image_size, n, device)

    def compute() -> Tensor:
        return frozen_features(
            body,
            itertools.chain.from_iterable(normalized(part, spec, device, micro) for part in parts),
            n=n,
            device=device,
            progress=_progress_log(reporter),
            check=reporter.check,
        )

    with model.without_head(network) as body:
        body.eval()
        how = {"mean": spec.mean, "std": spec.std}
        key = FeatureKey.of(body, preprocessing=how, images=digest.hexdigest(), device=device)
        table = cached_features(key, cache_dir, compute)
    cut = len(train)
    rest = Batches(table[cut:], val.targets, None) if val is not None else None
    return Batches(table[:cut], train.targets, None), rest


def _progress_log(reporter: Reporter) -> Callable[[int, int], None]:
    """A line now and then, so that a long inference pass does not look like a hang."""
    told = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= PROGRESS_SECONDS:
            told = time.monotonic()
            reporter.log(f"features of {done} of {total} images")

    return progress


def _same_classes(split: Split, labels: list[str]) -> Split:
    """The split with its targets renumbered to `labels`."""
    index_of = {label: index for index, label in enumerate(labels)}
    for target in sorted(set(split.targets)):
        if split.labels[target] not in index_of:
            stranger = split.labels[target][:60]
            text = f"The split {split.name!r} holds the class {stranger!r}, the training split does not."
            raise UserError("data:unknown-class", text)
    targets = [index_of[split.labels[target]] for target in split.targets]
    return Split(split.name, labels, targets, split.rows)


def _check_classes(split: Split, rows: list[int]) -> None:
    found = {split.targets[row] for row in rows}
    if len(found) < 2:
        only = split.labels[next(iter(found))][:60]
        text = f"All training images are of one class, {only!r}; a classifier needs at least two."
        raise UserError("data:one-class", text)


def _check_batch_size(recipe: Recipe, network: Network) -> None:
    if recipe.optim.batch_size > 1 or recipe.strategy.kind == "head":
        return
    learning = {
        name.rpartition(".")[0] for name, item in network.net.named_parameters() if item.requires_grad
    }
    for name, module in network.net.named_modules():
        if name in learning and isinstance(module, nn.modules.batchnorm._BatchNorm):
            text = (
                "optim.batch_size must be at least 2 for this network: it computes statistics over a batch."
            )
            raise UserError("recipe:batch-size", text)
