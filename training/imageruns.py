"""From a recipe and two directories to what the loop runs on: a network, what of it learns, and batches."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training import learning, model
from training.batches import Batches, normalized
from training.data import Split, holdout, load_pixels, read_split, thin
from training.errors import UserError
from training.featurecache import FeatureKey, cached_features
from training.features import frozen_features, micro_batch_size
from training.model import Network
from training.recipe import ImageData, Recipe
from training.reporting import Reporter
from training.tasks.base import Plan, Prepared, Task

PROGRESS_SECONDS = 5.0
# Where pixels lie that do not fit in memory; of no use after the run.
PIXELS = "scratch"


class ImageRun:
    """A plan over images, its files read: what the image tasks have in common.

    Raises `UserError` before training costs any time.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.data = image_data(plan.recipe)
        columns = {"image_column": self.data.image_column, "label_column": self.data.label_column}
        self.split = read_split(plan.data_dir, self.data.train_split, **columns)

    def prepared(self, task: Task) -> Prepared:
        """The network with a head for `task`, and pixels, or features where the body is frozen."""
        plan, recipe = self.plan, self.plan.recipe
        network = model.prepare_network(
            plan.base(),
            labels=self.split.labels,
            image_size=self.data.image_size,
            scratch=recipe.init == "scratch",
            seed=recipe.seed,
        )
        stages = learning.freeze(network, recipe.strategy)
        _check_batch_size(recipe, network)
        train, val = _load_batches(recipe, self.data, self.split, plan, network)
        network.to(plan.device)
        learner: nn.Module = network.net
        if caches_features(recipe):
            plan.reporter.stage("features")
            learner = network.net.get_submodule(network.head)
            train, val = _to_features(network, train, val, plan.cache_dir, plan.device, plan.reporter)

        def save(model_dir: Path) -> None:
            # Nothing of the base is left where all was random, but its order keeps a family's files alike.
            model.save_network(network, model_dir, base_dir=plan.base_dir)

        return Prepared(network, learner, stages, task, train, val, plan.device, save)


def image_data(recipe: Recipe) -> ImageData:
    """The recipe's data set as an image task has it."""
    assert isinstance(recipe.dataset, ImageData)  # the recipe's task decides its class
    return recipe.dataset


def usage_of(repo: str, config: dict[str, Any]) -> str:
    """Python that loads a published network with timm or torchvision."""
    if config.get("library_name", "timm") == "timm":
        return f'import timm\nnet = timm.create_model("hf-hub:{repo}", pretrained=True)'
    return f'''import json, torchvision
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file

repo = "{repo}"
config = json.load(open(hf_hub_download(repo, "config.json")))
net = torchvision.models.get_model(config["architecture"], num_classes=config["num_classes"])
net.load_state_dict(load_file(hf_hub_download(repo, "model.safetensors")))'''


def caches_features(recipe: Recipe) -> bool:
    """True where the frozen body sees the same pixels in every epoch, so that once is enough."""
    return recipe.strategy.kind == "head" and image_data(recipe).augment == "none"


def _load_batches(
    recipe: Recipe, data: ImageData, split: Split, plan: Plan, network: Network
) -> tuple[Batches, Batches | None]:
    held = split
    if data.validation_split:
        columns = {"image_column": data.image_column, "label_column": data.label_column}
        held = _same_classes(read_split(plan.data_dir, data.validation_split, **columns), split.labels)
        rows, held_rows = list(range(len(split))), list(range(len(held)))
    else:
        rows, held_rows = holdout(split.targets, data.validation_fraction, recipe.seed)
    rows = thin(rows, split.targets, data.max_train_images, recipe.seed)
    _check_classes(split, rows)
    train = _decode(split, rows, network, data.augment, plan)
    val = _decode(held, held_rows, network, "none", plan) if held_rows else None
    plan.reporter.log(
        f"{len(rows)} images to learn from, {len(held_rows)} to validate, {len(split.labels)} classes"
    )
    return train, val


def _decode(split: Split, rows: list[int], network: Network, augment: str, plan: Plan) -> Batches:
    # Two tensors may come from one split (a holdout): each needs a file of its own.
    scratch = plan.work_dir / PIXELS / hashlib.sha256(str(rows[:1000]).encode()).hexdigest()[:16]
    pixels = load_pixels(split, rows, network.spec.geometry, scratch=scratch, check=plan.reporter.check)
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
