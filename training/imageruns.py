"""From a recipe and two directories to what the loop runs on: a network, what of it learns, and batches."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from training import learning, model
from training.batches import Batches, normalized
from training.data import set_aside, thin
from training.errors import UserError
from training.featurecache import FeatureKey, cached_features
from training.features import enough_images, frozen_features, micro_batch_size
from training.model import Network
from training.pixels import Pictures, load_pixels
from training.recipe import ImageData, Recipe
from training.reporting import Reporter
from training.tasks.base import Plan, Prepared, Task

PROGRESS_SECONDS = 5.0
# Where pixels lie that do not fit in memory; of no use after the run.
PIXELS = "scratch"


P = TypeVar("P", bound=Pictures)


class ImageRun(Generic[P]):
    """A plan over images, its rows read and parted: what the image tasks have in common.

    `read(name)` reads a split, `match(held, train)` puts another split's answers in the order of the training
    split's. `rows` count in `split`, `held_rows` in `held`. Raises `UserError` before training costs time.
    """

    def __init__(self, plan: Plan, read: Callable[[str], P], match: Callable[[P, P], P]) -> None:
        self.plan = plan
        self.data = data = image_data(plan.recipe)
        self.split = self.held = read(data.train_split)
        seed = plan.recipe.seed
        if data.validation_split:
            self.held = match(read(data.validation_split), self.split)
            rows, self.held_rows = list(range(len(self.split))), list(range(len(self.held)))
        else:
            rows, self.held_rows = set_aside(self.split.strata, data, seed)
        self.rows = thin(rows, self.split.strata, data.max_train_images, seed)

    def prepared(
        self, task: Task, targets: Callable[[P, list[int]], Tensor], labels: list[str], **outputs: Any
    ) -> Prepared:
        """The network with a head for `labels`, and pixels, or features where the body is frozen.

        `targets(split, rows)`: a tensor [rows, ...] for `task`. `outputs`: what else
        `model.prepare_network` asks of a head.
        """
        plan, recipe = self.plan, self.plan.recipe
        network = model.prepare_network(
            plan.base(),
            labels=labels,
            image_size=self.data.image_size,
            scratch=recipe.init == "scratch",
            seed=recipe.seed,
            head=recipe.strategy.head,
            **outputs,
        )
        stages = learning.freeze(network, recipe.strategy)
        _check_batch_size(recipe, network)
        train = self._decode(self.split, self.rows, targets, network, self.data.augment)
        val = self._decode(self.held, self.held_rows, targets, network, "none") if self.held_rows else None
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

    def tell(self, about: str) -> None:
        """The log's line on how many images there are; `about` says what is learned."""
        counts = f"{len(self.rows)} images to learn from, {len(self.held_rows)} to validate"
        self.plan.reporter.log(f"{counts}, {about}")

    def _decode(
        self,
        split: P,
        rows: list[int],
        targets: Callable[[P, list[int]], Tensor],
        network: Network,
        augment: str,
    ) -> Batches:
        plan = self.plan
        # Two tensors may come from one split (a set_aside): each needs a file of its own.
        scratch = plan.work_dir / PIXELS / hashlib.sha256(str(rows[:1000]).encode()).hexdigest()[:16]

        def load(some: list[int]) -> Batches:
            geometry, check = network.spec.geometry, plan.reporter.check
            pixels = load_pixels(split, some, geometry, scratch=scratch, check=check)
            return Batches(pixels, targets(split, some), network.spec, augment)

        few = None
        if caches_features(plan.recipe):
            side = network.spec.image_size
            few = enough_images(side, side, len(rows), plan.device)
        return plan.load(rows, load, at_most=few)


def image_data(recipe: Recipe) -> ImageData:
    """The recipe's data set as an image task has it."""
    assert isinstance(recipe.dataset, ImageData)  # the recipe's task decides its class
    return recipe.dataset


def caches_features(recipe: Recipe) -> bool:
    """True where the frozen body sees the same pixels in every epoch, so that once is enough."""
    return recipe.strategy.kind == "head" and image_data(recipe).augment == "none"


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
