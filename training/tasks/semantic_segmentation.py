"""A class for every pixel: a decoder's map of logits against a mask of class indices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import learning
from training.data import set_aside, thin
from training.device import pick_device
from training.errors import UserError
from training.features import enough_images
from training.images import open_image
from training.losses import IGNORED, Loss, make_loss
from training.measures import masks as measures
from training.recipe import NetworkSpec, Recipe, SegmentationData
from training.reporting import Reporter
from training.sampling import balanced_weights
from training.segmentation import measuring
from training.segmentation.batches import MaskBatches
from training.segmentation.loading import Loaded, found_labels, load_masks, require_two
from training.segmentation.maps import HeadOnMaps, map_shapes, to_maps
from training.segmentation.models import Dense, Segmenter, load_model, prepare_model, save_model
from training.segmentation.reading import Masks, read_masks
from training.segmentation.usage import usage_of
from training.tasks.base import Measured, Plan, Prepared, StepResult

# Where pixels lie that do not fit in memory; of no use after the run.
PIXELS = "scratch"
MAX_EVAL_BATCH = 64
# Logits of a validation batch: a quarter of a gibibyte in fp32.
EVAL_ELEMENTS = 64 * 1024 * 1024
# More classes than these have no table of confusions.
MAX_TABLE_CLASSES = 200


class SemanticSegmentation:
    """The kind."""

    pipeline_tag, library, example = "image-segmentation", "transformers", "photo.png"

    def prepare(self, plan: Plan) -> Prepared:
        data, recipe = _data(plan.recipe), plan.recipe
        decoder = _decoder(recipe.network)
        split = held = read_masks(plan.data_dir, data.train_split, data)
        if data.validation_split:
            held = read_masks(plan.data_dir, data.validation_split, data)
            rows, held_rows = list(range(len(split))), list(range(len(held)))
        else:
            rows, held_rows = set_aside(split.strata, data, recipe.seed)
        rows = thin(rows, split.strata, data.max_train_images, recipe.seed)
        labels = found_labels(split, rows, data.ignore_index)
        scratch = recipe.init == "scratch"
        model = prepare_model(
            plan.base(),
            labels=labels,
            image_size=data.image_size,
            decoder=decoder,
            scratch=scratch,
            seed=recipe.seed,
        )
        stages = learning.freeze(model, recipe.strategy)
        _check_batch_size(recipe, model)
        loaded = _load(plan, split, rows, model)
        require_two(loaded.counts, labels, data.ignore_index)
        held_out = _load(plan, held, held_rows, model) if held_rows else None
        _tell(plan.reporter, loaded, held_out, labels)
        train = MaskBatches.of(loaded, data.ignore_index, model.spec, data.augment)
        val = MaskBatches.of(held_out, data.ignore_index, model.spec, "none") if held_out else None
        task = SegmentationTask(labels, recipe, loaded)
        return _prepared(plan, model, stages, task, train, val)

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        """Mean IoU at every picture's own size, with its bootstrap interval over pictures."""
        data, model = _data(recipe), load_model(model_dir)
        found = read_masks(data_dir, split, data)
        counted = measuring.count(model, found, data.ignore_index, reporter)
        labels = list(model.spec.labels)
        scores = measures.summary(counted.matrix)
        reporter.check()
        lo, hi = measuring.interval(counted.parts)
        tables: dict[str, Any] = {"labels": labels, "per_class": measuring.by_class(counted.matrix, labels)}
        if len(labels) <= MAX_TABLE_CLASSES:
            tables["confusion"] = counted.matrix.tolist()
        return Measured(len(found), "mean_iou", scores["mean_iou"], lo, hi, scores, tables)

    def predict(self, model_dir: Path, given: str) -> dict[str, Any]:
        """`{shares, labels, width, height, mask_png}`: shares by class, the mask as a PNG in base64."""
        model = load_model(model_dir)
        model.net.to(pick_device())
        return measuring.answer(model, open_image(Path(given), Path(given).name))

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        return usage_of(repo, config)


class SegmentationTask:
    """Logits [B, C, H, W] and targets int64 [B, H, W], `IGNORED` where a pixel has no class.

    The recipe's loss, smoothing and weights count while learning only: `measure` tells plain cross-entropy,
    so that validation losses of all recipes can be compared. Means are over pixels, not over pictures.
    """

    metric, higher_is_better = "mean_iou", True
    counts_hits = is_softmax = False

    def __init__(self, labels: tuple[str, ...], recipe: Recipe, train: Loaded) -> None:
        self.labels = list(labels)
        self.loss = _loss(recipe, train)

    def step(self, learner: nn.Module, inputs: Tensor, targets: Tensor) -> StepResult:
        logits = learner(inputs)
        # The losses of the house take classes last.
        loss = self.loss(logits.permute(0, 2, 3, 1), targets)
        return StepResult(loss, logits, weight=(targets != IGNORED).sum())

    def measure(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """loss, mean_iou, pixel_accuracy and dice of all pixels together, at the size that is learned at."""
        classes = len(self.labels)
        matrix, loss = np.zeros((classes, classes), dtype=np.int64), 0.0
        for logits, targets in pairs:
            loss += float(F.cross_entropy(logits.float(), targets, ignore_index=IGNORED, reduction="sum"))
            matrix += measures.pixel_confusion(targets, logits.argmax(1), classes, IGNORED)
        return {"loss": loss / max(1, int(matrix.sum())), **measures.summary(matrix)}


def _data(recipe: Recipe) -> SegmentationData:
    assert isinstance(recipe.dataset, SegmentationData)  # the recipe's task decides its class
    return recipe.dataset


def _decoder(network: NetworkSpec | None) -> str:
    """The decoder that `network` names. Raises `UserError` for fields that mean nothing to one."""
    plain = NetworkSpec()
    if network is None:
        return plain.kind
    for name in ("width", "depth", "heads", "dropout"):
        if getattr(network, name) != getattr(plain, name):
            text = f"network.{name} must be left out: the decoders of semantic-segmentation are fixed."
            raise UserError("recipe:network", text)
    return network.kind


def _loss(recipe: Recipe, train: Loaded) -> Loss:
    kind = "cross-entropy" if recipe.loss.kind == "auto" else recipe.loss.kind
    weights = None
    if recipe.loss.class_weights == "balanced":
        weights = balanced_weights(torch.from_numpy(train.counts.sum(axis=0)))
    smoothing = recipe.optim.label_smoothing
    return make_loss(kind, gamma=recipe.loss.gamma, smoothing=smoothing, weights=weights)


def _load(plan: Plan, split: Masks, rows: list[int], model: Segmenter) -> Loaded:
    # Two parts may come from one split (a set_aside): each needs a file of its own.
    scratch = plan.work_dir / PIXELS / hashlib.sha256(str(rows[:1000]).encode()).hexdigest()[:16]
    data, spec, few = _data(plan.recipe), model.spec, None
    if _looks_once(plan.recipe):
        few = enough_images(spec.image_size, spec.image_size, len(rows), plan.device)

    def load(some: list[int]) -> Loaded:
        return load_masks(split, some, spec, data.ignore_index, scratch=scratch, check=plan.reporter.check)

    return plan.load(rows, load, at_most=few)


def _looks_once(recipe: Recipe) -> bool:
    return recipe.strategy.kind == "head" and _data(recipe).augment == "none"


def _tell(reporter: Reporter, train: Loaded, val: Loaded | None, labels: tuple[str, ...]) -> None:
    counts = f"{len(train)} pictures to learn from, {len(val) if val else 0} to validate"
    reporter.log(f"{counts}, {len(labels)} classes")
    seen = train.counts.sum(axis=0)
    missing = [labels[index] for index in np.flatnonzero(seen == 0)]
    if missing:
        shown = ", ".join(name[:60] for name in missing[:5])
        reporter.log(f"No training picture shows {shown}: {len(missing)} of {len(labels)} classes.")


def _prepared(
    plan: Plan,
    model: Segmenter,
    stages: list[list[str]],
    task: SegmentationTask,
    train: MaskBatches,
    val: MaskBatches | None,
) -> Prepared:
    spec, recipe = model.spec, plan.recipe
    model.net.to(plan.device).to(memory_format=torch.channels_last)
    learner: nn.Module = Dense(model.net)
    shapes = None
    if _looks_once(recipe):
        shapes = map_shapes(model, plan.all_of(len(train) + (len(val) if val is not None else 0)))
    if shapes is not None:
        plan.reporter.stage("features")
        train, val = to_maps(plan, model, train, val)
        learner = HeadOnMaps(model.net.get_submodule(model.head), shapes, spec.image_size)
    base_dir = None if recipe.init == "scratch" else plan.base_dir

    def save(model_dir: Path) -> None:
        save_model(model, model_dir, base_dir=base_dir)

    batch = EVAL_ELEMENTS // (len(spec.labels) * spec.image_size**2)
    size = max(1, min(MAX_EVAL_BATCH, batch))
    return Prepared(model, learner, stages, task, train, val, plan.device, save, eval_batch=size)


def _check_batch_size(recipe: Recipe, model: Segmenter) -> None:
    """A decoder that pools to one value a channel has no statistics over one picture."""
    learns = {name.rpartition(".")[0] for name, item in model.net.named_parameters() if item.requires_grad}
    for name, module in model.net.named_modules():
        is_norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        if recipe.optim.batch_size < 2 and name in learns and is_norm:
            text = (
                "optim.batch_size must be at least 2 for this network: it computes statistics over a batch."
            )
            raise UserError("recipe:batch-size", text)
