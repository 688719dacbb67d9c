"""What is sensible to begin with: for each task what may learn, and numbers for each way of learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from training import remedies

DEFAULT_TASK = "image-classification"


@dataclass(frozen=True)
class Plan:
    """Numbers for one strategy; `enlarge` multiplies the edge of the data set's own images."""

    epochs: int
    lr: float
    lr_decay: float = 1.0
    weight_decay: float = 0.0
    enlarge: int = 2


# Chosen so that a few thousand images take about a minute on two CPU cores. Measured on MNIST-5k with
# MobileNetV2: head 20 epochs at 96 px, 14 s of processor time, 96 % of the validation part; last stage 5
# epochs at 64 px, 30 s, 94 %; everything 1 epoch at 64 px, 24 s, 95 %.
_PICTURES = {
    # Each image passes once, so a larger one is affordable.
    "head": Plan(epochs=20, lr=3e-3, enlarge=3),
    "last-stages": Plan(epochs=5, lr=1e-3, lr_decay=0.7, weight_decay=1e-4),
    "full": Plan(epochs=2, lr=1e-3, lr_decay=0.8, weight_decay=1e-4),
}
# The others are what the committed recipes of each task learn with, see recipes/.
_DENSE = {
    "full": Plan(epochs=10, lr=1e-3, lr_decay=0.8, weight_decay=1e-4),
    "last-stages": Plan(epochs=10, lr=1e-3, lr_decay=0.7, weight_decay=1e-4),
    "head": Plan(epochs=10, lr=1e-3),
}
_TEXTS = {
    "full": Plan(epochs=3, lr=1e-4, weight_decay=0.01),
    "last-stages": Plan(epochs=4, lr=3e-4, lr_decay=0.7, weight_decay=0.01),
    "head": Plan(epochs=30, lr=3e-3, weight_decay=0.01),
}
_WRITING = {
    "lora": Plan(epochs=2, lr=5e-4),
    "last-stages": Plan(epochs=2, lr=1e-4, lr_decay=0.7, weight_decay=0.01),
    "full": Plan(epochs=2, lr=5e-5, weight_decay=0.01),
}
_ROWS = {
    "full": Plan(epochs=20, lr=1e-3, weight_decay=0.1),
    "last-stages": Plan(epochs=20, lr=1e-3, lr_decay=0.7, weight_decay=0.1),
    "head": Plan(epochs=20, lr=3e-3, weight_decay=0.1),
}
_SERIES = {
    "full": Plan(epochs=5, lr=1e-3),
    "last-stages": Plan(epochs=5, lr=1e-3, lr_decay=0.7),
    "head": Plan(epochs=5, lr=1e-3),
}
_FUSED = {"head": Plan(epochs=20, lr=1e-3, weight_decay=0.05)}
_OF_TASK = {
    **dict.fromkeys(("image-classification", "image-multilabel", "image-regression"), _PICTURES),
    **dict.fromkeys(("text-classification", "token-classification"), _TEXTS),
    **dict.fromkeys(remedies.WITH_LORA, _WRITING),
    **dict.fromkeys(("tabular-classification", "tabular-regression", "recommendation"), _ROWS),
    "time-series-forecasting": _SERIES,
    "multimodal-classification": _FUSED,
}

STRATEGY_NAMES: dict[str, Any] = {
    "head": _("Only the head"),
    "last-stages": _("The last stages"),
    "full": _("Everything"),
    "lora": _("Small adapters beside it (LoRA)"),
}
_OF_PICTURES = {
    "head": _(
        "The pretrained network looks at each image once, then a new last layer learns from that. "
        "Done in seconds; best when the images resemble photographs."
    ),
    "last-stages": _(
        "The end of the network adapts as well, each stage more gently the deeper it lies. "
        "A middle way in time and quality."
    ),
    "full": _(
        "The whole network adapts. The slowest and usually the best, above all when the images look "
        "unlike what it was pretrained on."
    ),
}
_OF_OTHERS = {
    "head": _("The base stays as it is and only its last layer learns. The quickest."),
    "last-stages": _("The end of the base adapts as well, each stage more gently the deeper it lies."),
    "full": _("Every weight of the base adapts. The slowest and usually the best."),
    "lora": _(
        "The base stays as it is; narrow layers beside its own learn. Little memory, and the result is a "
        "small file that needs its base."
    ),
}
TASK_NAMES: dict[str, Any] = {
    "image-classification": _("Name an image's class"),
    "image-multilabel": _("Name every label of an image"),
    "image-regression": _("Read a number from an image"),
    "object-detection": _("Find objects in an image"),
    "semantic-segmentation": _("Name the class of every pixel"),
    "tabular-classification": _("Name a table row's class"),
    "tabular-regression": _("Tell a number from a table row"),
    "time-series-forecasting": _("Forecast a series"),
    "text-classification": _("Name a text's class"),
    "token-classification": _("Tag the words of a text"),
    "text-generation": _("Answer in a conversation"),
    "translation": _("Translate"),
    "summarization": _("Summarise"),
    "recommendation": _("Recommend items to users"),
    "multimodal-classification": _("Name a class from image, text and columns"),
}


def plans_for(task: str) -> dict[str, Plan]:
    """Every strategy the form offers for a task, the usual one first; each with its numbers."""
    return _OF_TASK.get(task, _DENSE)


def strategy_words(task: str, kind: str) -> Any:
    """What a strategy means for this task, in a sentence or two."""
    return (_OF_PICTURES if plans_for(task) is _PICTURES else _OF_OTHERS).get(kind, "")


def task_title(task: str) -> str:
    """The task as people and recipes call it."""
    return f"{TASK_NAMES[task]} ({task})" if task in TASK_NAMES else task


def has_labels(task: str) -> bool:
    """Whether the target is something that label smoothing can spread."""
    return task not in remedies.OF_NUMBERS
