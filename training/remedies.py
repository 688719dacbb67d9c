"""Which strategies, losses and augmentations go together, and with which task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.recipe import Recipe

# What `loss.kind` may be beside auto; a task that is not named here has its own loss only.
LOSSES: dict[str, tuple[str, ...]] = {
    "tabular-classification": ("cross-entropy", "focal"),
    "tabular-regression": ("mse", "mae", "huber"),
    "image-classification": ("cross-entropy", "focal"),
    "image-multilabel": ("focal",),
    "image-regression": ("mse", "mae", "huber"),
    "time-series-forecasting": ("mse", "mae", "huber"),
    "semantic-segmentation": ("cross-entropy", "focal"),
    "text-classification": ("cross-entropy", "focal"),
    "token-classification": ("cross-entropy", "focal"),
    "recommendation": ("mse", "mae", "huber"),
}
# Where rows are of one class each, so that classes can be weighed and shown equally often.
BY_CLASS = ("image-classification", "text-classification", "tabular-classification")
# Where every pixel is of one class: classes can be weighed by how many pixels they have.
BY_PIXEL = ("semantic-segmentation",)
# Where each label holds or does not: positives can be weighed.
BY_LABEL = ("image-multilabel",)
OF_IMAGES = ("image-classification", "image-multilabel", "image-regression")
WITH_LORA = ("text-generation", "translation", "summarization")
WITHOUT_HEAD = WITH_LORA
OF_NUMBERS = ("image-regression", "tabular-regression", "time-series-forecasting", "recommendation")


# Where a number may be told by quantiles of it; series have their own rules.
BY_QUANTILES = ("image-regression", "tabular-regression")


def problems(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """(field, sentence) for everything that contradicts itself."""
    yield from _loss_problems(recipe)
    if recipe.task != "time-series-forecasting":
        yield from _quantile_problems(recipe)
    yield from _strategy_problems(recipe)
    yield from _lora_problems(recipe)
    stopping = recipe.early_stopping
    if stopping.metric and not stopping.patience:
        yield (
            "early_stopping.metric",
            "early_stopping.metric needs early_stopping.patience, or nothing stops.",
        )
    mix, augment = getattr(recipe.dataset, "mix", "none"), getattr(recipe.dataset, "augment", "none")
    if mix != "none" and recipe.strategy.kind == "head" and augment == "none":
        yield (
            "dataset.mix",
            f"dataset.mix {mix} blends images anew in every step, but with strategy.kind head each image is "
            "looked at once; choose strategy.kind last-stages, dataset.augment light or dataset.mix none.",
        )
    if mix == "none" and getattr(recipe.dataset, "mix_alpha", None) is not None:
        yield "dataset.mix_alpha", "dataset.mix_alpha needs dataset.mix mixup or cutmix."


def _loss_problems(recipe: Recipe) -> Iterator[tuple[str, str]]:
    loss, task = recipe.loss, recipe.task
    known = LOSSES.get(task, ())
    if loss.kind != "auto" and loss.kind not in known:
        fitting = ", ".join(("auto", *known))
        yield "loss.kind", f"loss.kind must be one of {fitting} for the task {task}, got {loss.kind!r}."
    if recipe.optim.label_smoothing and task in OF_NUMBERS:
        yield (
            "optim.label_smoothing",
            f"optim.label_smoothing must be 0 for the task {task}: it has no labels.",
        )
    if recipe.optim.label_smoothing and task == "object-detection":
        text = f"optim.label_smoothing must be 0 for the task {task}: the detector's own loss takes none."
        yield "optim.label_smoothing", text
    if loss.class_weights != "none" and task not in (*BY_CLASS, *BY_LABEL, *BY_PIXEL):
        yield "loss.class_weights", f"loss.class_weights must be none for the task {task}."
    if loss.class_weights == "effective" and task in BY_PIXEL:
        text = (
            f"loss.class_weights must be none or balanced for the task {task}: there are so many pixels that "
            "effective would weigh all classes alike."
        )
        yield "loss.class_weights", text
    if recipe.sampling == "balanced" and task not in BY_CLASS:
        yield (
            "sampling",
            f"sampling must be shuffled for the task {task}: its rows are not of one class each.",
        )
    if recipe.sampling == "balanced" and loss.class_weights != "none":
        text = (
            "sampling balanced and loss.class_weights would correct rare classes twice; choose one of them."
        )
        yield "sampling", text


def _quantile_problems(recipe: Recipe) -> Iterator[tuple[str, str]]:
    levels = getattr(recipe.dataset, "quantiles", None)
    if not levels:
        return
    if recipe.task not in BY_QUANTILES:
        yield "dataset.quantiles", f"dataset.quantiles must be null for the task {recipe.task}."
        return
    if recipe.loss.kind != "auto":
        yield "loss.kind", f"loss.kind must be auto with dataset.quantiles, got {recipe.loss.kind!r}."
    if 0.5 not in levels:
        text = "dataset.quantiles must have 0.5 among them: the median is what is measured."
        yield "dataset.quantiles", text


def _lora_problems(recipe: Recipe) -> Iterator[tuple[str, str]]:
    strategy, task = recipe.strategy, recipe.task
    lora = strategy.lora
    if strategy.kind == "lora" and task not in WITH_LORA:
        yield "strategy.kind", f"strategy.kind lora is for the task {', '.join(WITH_LORA)}, not for {task}."
    if lora is not None and strategy.kind != "lora":
        yield "strategy.lora", f"strategy.lora needs strategy.kind lora, got {strategy.kind!r}."
    if lora is not None and lora.dora and lora.base_precision in ("int8", "nf4"):
        text = (
            "strategy.lora.dora reads the base's weights; it needs strategy.lora.base_precision fp32 or bf16."
        )
        yield "strategy.lora.dora", text
    if strategy.checkpoint_activations and task not in WITH_LORA:
        text = f"strategy.checkpoint_activations must be false for the task {task}."
        yield "strategy.checkpoint_activations", text
    if task in WITHOUT_HEAD and strategy.kind not in ("last-stages", "full", "lora"):
        text = f"strategy.kind must be lora, last-stages or full for the task {task}, which has no new head"
        yield "strategy.kind", f"{text}; got {strategy.kind!r}."


def _strategy_problems(recipe: Recipe) -> Iterator[tuple[str, str]]:
    strategy = recipe.strategy
    if recipe.task == "multimodal-classification" and strategy.kind != "head":
        text = f"strategy.kind must be head for the task {recipe.task}, whose encoders are frozen"
        yield "strategy.kind", f"{text}; got {strategy.kind!r}."
    own_head = strategy.head.hidden is None and strategy.head.pooling == "own"
    if recipe.task not in OF_IMAGES and not own_head:
        yield "strategy.head", f"strategy.head is for images; leave it out for the task {recipe.task}."
    if strategy.l2_sp and recipe.init == "scratch":
        yield (
            "strategy.l2_sp",
            "strategy.l2_sp pulls towards pretrained weights; with init scratch it must be 0.",
        )
    elif strategy.l2_sp and strategy.kind in ("head", "lora"):
        text = (
            f"strategy.l2_sp holds the body's weights, which strategy.kind {strategy.kind} never moves; "
            "it must be 0."
        )
        yield "strategy.l2_sp", text
    if strategy.kind == "gradual" and recipe.optim.epochs <= strategy.unfreeze_every:
        text = (
            "optim.epochs must be larger than strategy.unfreeze_every with strategy.kind gradual, "
            "or only the head ever learns."
        )
        yield "optim.epochs", text
