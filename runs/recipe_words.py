"""What a recipe does, in sentences: written from its fields, for people who do not read YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from training.remedies import WITHOUT_HEAD

TASKS: dict[str, Any] = {
    "image-classification": gettext_lazy("Teaches a model to name the class of an image."),
    "image-multilabel": gettext_lazy("Teaches a model to name every label that fits an image."),
    "image-regression": gettext_lazy("Teaches a model to read a number off an image."),
    "object-detection": gettext_lazy("Teaches a model to find objects in an image and draw their boxes."),
    "semantic-segmentation": gettext_lazy("Teaches a model to name the class of every pixel of an image."),
    "tabular-classification": gettext_lazy("Teaches a model to name the class of a table's row."),
    "tabular-regression": gettext_lazy("Teaches a model to tell a number from a table's row."),
    "time-series-forecasting": gettext_lazy("Teaches a model to forecast how a series goes on."),
    "text-classification": gettext_lazy("Teaches a model to name the class of a text."),
    "token-classification": gettext_lazy("Teaches a model to tag every word of a text."),
    "text-generation": gettext_lazy("Teaches a language model to answer in conversations like these."),
    "translation": gettext_lazy("Teaches a model to translate texts."),
    "summarization": gettext_lazy("Teaches a model to summarise texts."),
    "recommendation": gettext_lazy("Teaches a model which items a user will like."),
    "multimodal-classification": gettext_lazy(
        "Teaches a model to name a class from what image, text and columns say together."
    ),
}
STRATEGIES: dict[str, Any] = {
    "head": gettext_lazy("Only a new last layer learns; everything before it stays as it is."),
    "gradual": gettext_lazy("The new last layer learns first, then one stage after the other joins in."),
    "full": gettext_lazy("Every layer learns."),
    "lp-ft": gettext_lazy("The new last layer learns alone at first, then every layer with it."),
    "lora": gettext_lazy("The base stays as it is; small adapters beside its layers learn (LoRA)."),
}
OPTIMIZERS = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}
SCHEDULES: dict[str, Any] = {
    "cosine": gettext_lazy("The learning rate falls along a cosine."),
    "linear": gettext_lazy("The learning rate falls in a straight line."),
    "constant": gettext_lazy("The learning rate stays the same."),
    "one-cycle": gettext_lazy("The learning rate rises and falls once, momentum the other way round."),
}
AUGMENTS: dict[str, Any] = {
    "light": gettext_lazy("Training images are changed a little at random."),
    "strong": gettext_lazy("Training images are changed a lot at random."),
    "randaugment": gettext_lazy("Training images are changed by two of RandAugment's operations each."),
}
MIXES: dict[str, Any] = {
    "mixup": gettext_lazy("Images of a batch are blended in pairs (mixup)."),
    "cutmix": gettext_lazy("Boxes of one image are put into another (CutMix)."),
}
LOSSES: dict[str, Any] = {
    "cross-entropy": gettext_lazy("Its loss is cross-entropy."),
    "focal": gettext_lazy("Its loss is focal, so that hard examples count more."),
    "mse": gettext_lazy("Its loss is the squared error."),
    "mae": gettext_lazy("Its loss is the absolute error."),
    "huber": gettext_lazy("Its loss is Huber's, squared for small errors and straight for large ones."),
}


def line_of(spec: Mapping[str, Any]) -> str:
    """What it does in a line: the task, and what learns."""
    if not spec:
        return ""
    return " ".join([_task(spec), _strategy(spec)])


def words_of(spec: Mapping[str, Any]) -> list[str]:
    """What it does, sentence by sentence; `spec` is a sound recipe with its defaults filled in."""
    if not spec:
        return []
    return [
        _task(spec),
        _beginning(spec),
        _strategy(spec),
        *_learning(spec),
        *_care(spec),
        *_measuring(spec),
    ]


def _task(spec: Mapping[str, Any]) -> str:
    named = TASKS.get(spec["task"])
    return str(named) if named else _("Teaches a model the task %(task)s.") % {"task": spec["task"]}


def _beginning(spec: Mapping[str, Any]) -> str:
    names = {"data": spec["dataset"]["repo"], "base": (spec["base_model"] or {}).get("repo", "")}
    if not names["base"]:
        kind = (spec["network"] or {}).get("kind", "auto")
        if kind == "auto":
            return _("It builds a new net of the task's usual kind and learns from %(data)s.") % names
        return _("It builds a new net (%(kind)s) and learns from %(data)s.") % {**names, "kind": kind}
    if spec["init"] == "scratch":
        return _("It takes the shape of %(base)s with random weights and learns from %(data)s.") % names
    return _("It begins with the weights of %(base)s and learns from %(data)s.") % names


def _strategy(spec: Mapping[str, Any]) -> str:
    strategy = spec["strategy"]
    if strategy["kind"] == "last-stages" and spec["task"] in WITHOUT_HEAD:
        words = ngettext(
            "The last stage learns; what is before it stays as it is.",
            "The last %(n)d stages learn; what is before them stays as it is.",
            strategy["stages"],
        )
        return words % {"n": strategy["stages"]}
    if strategy["kind"] == "last-stages":
        stages = strategy["stages"]
        words = ngettext(
            "The last stage and a new last layer learn; what is before them stays as it is.",
            "The last %(n)d stages and a new last layer learn; what is before them stays as it is.",
            stages,
        )
        return words % {"n": stages}
    return str(STRATEGIES[strategy["kind"]])


def _learning(spec: Mapping[str, Any]) -> Iterator[str]:
    optim, strategy = spec["optim"], spec["strategy"]
    steps = optim["batch_size"] * optim["grad_accum_steps"]
    words = ngettext(
        "It sees every example once, in batches of %(batch)s, with %(optimizer)s at a learning rate of "
        "%(lr)s.",
        "It sees every example %(n)d times, in batches of %(batch)s, with %(optimizer)s at a learning rate "
        "of %(lr)s.",
        optim["epochs"],
    )
    yield words % {
        "n": optim["epochs"],
        "batch": number_format(steps),
        "optimizer": OPTIMIZERS.get(optim["name"], optim["name"]),
        "lr": f"{optim['lr']:g}",
    }
    yield str(SCHEDULES[optim["schedule"]])
    if strategy["lr_decay"] < 1:
        yield _("Each stage below the last layer learns %(factor)s times as fast as the one above it.") % {
            "factor": f"{strategy['lr_decay']:g}"
        }
    if spec["task"] == "time-series-forecasting":
        data = spec["dataset"]
        yield _("It looks %(context)d steps back and %(horizon)d steps ahead.") % data
    if size := spec["dataset"].get("image_size"):
        yield _("Images are brought to %(size)d pixels.") % {"size": size}


def _care(spec: Mapping[str, Any]) -> Iterator[str]:
    """Against learning by heart, and for what is rare."""
    data, optim, loss = spec["dataset"], spec["optim"], spec["loss"]
    for table, value in ((AUGMENTS, data.get("augment")), (MIXES, data.get("mix")), (LOSSES, loss["kind"])):
        if value in table:
            yield str(table[value])
    if data.get("quantiles") and spec["task"] == "time-series-forecasting":
        yield _("It tells how likely higher and lower values are, not one number alone.")
    elif data.get("quantiles"):
        yield _("It tells quantiles of the number, not the number alone.")
    if loss["class_weights"] != "none" or spec["sampling"] == "balanced":
        yield _("Rare classes count as much as common ones.")
    if optim["label_smoothing"]:
        share = f"{optim['label_smoothing'] * 100:.3g}"
        yield _("Labels are smoothed by %(share)s %%.") % {"share": share}
    if optim["ema"]:
        yield _("What is published is a running average of the weights.")
    if spec["strategy"]["l2_sp"]:
        yield _("The weights are pulled back towards those of the base (L2-SP).")
    if patience := spec["early_stopping"]["patience"]:
        words = ngettext(
            "It stops after %(n)d epoch without progress.",
            "It stops after %(n)d epochs without progress.",
            patience,
        )
        yield words % {"n": patience}


def _measuring(spec: Mapping[str, Any]) -> Iterator[str]:
    if board := spec["benchmark"]:
        yield _("The result is measured on %(board)s.") % {"board": board["repo"]}
    if study := spec["study"]:
        if study["search"]:
            yield _("Before that, it searches for good values of its own fields.")
        if study["seeds"] > 1:
            words = ngettext(
                "It is done with %(n)d seed.",
                "It is done %(n)d times, each with another seed.",
                study["seeds"],
            )
            yield words % {"n": study["seeds"]}
