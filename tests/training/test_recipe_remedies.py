from __future__ import annotations

from typing import Any

import pytest

from training.recipe import RecipeError, parse_recipe
from training.remedies import LOSSES

TABLE = {"target_column": "price"}


def problems(task: str, **sections: Any) -> dict[str, str]:
    data = {"repo": "c/d", **sections.pop("dataset", {})}
    plain = {"task": task, "base_model": {"repo": "a/b"}, "dataset": data, **sections}
    try:
        parse_recipe(plain)
    except RecipeError as error:
        return {problem.field: problem.message for problem in error.problems}
    return {}


@pytest.mark.parametrize(
    ("sections", "field", "sentence"),
    [
        (
            {"loss": {"kind": "mse"}},
            "loss.kind",
            "must be one of auto, cross-entropy, focal for the task image",
        ),
        (
            {"loss": {"kind": "hinge"}},
            "loss.kind",
            "must be one of auto, cross-entropy, focal, mse, mae, huber",
        ),
        ({"loss": {"gamma": -1}}, "loss.gamma", "must be at least 0, got -1."),
        ({"loss": {"class_weights": "balanced"}, "sampling": "balanced"}, "sampling", "choose one of them."),
        (
            {"dataset": {"mix": "mixup"}},
            "dataset.mix",
            "choose strategy.kind last-stages, dataset.augment light",
        ),
        ({"dataset": {"mix_alpha": 0.3}}, "dataset.mix_alpha", "needs dataset.mix mixup or cutmix."),
        (
            {"strategy": {"l2_sp": 0.1}},
            "strategy.l2_sp",
            "which strategy.kind head never moves; it must be 0.",
        ),
        (
            {"strategy": {"kind": "full", "l2_sp": 0.1}, "init": "scratch"},
            "strategy.l2_sp",
            "with init scratch it must be 0.",
        ),
        ({"strategy": {"kind": "gradual"}, "init": "scratch"}, "strategy.kind", "must be full when init is"),
        ({"strategy": {"kind": "lp-ft"}, "init": "scratch"}, "strategy.kind", "must be full when init is"),
        (
            {"strategy": {"kind": "gradual", "unfreeze_every": 3}},
            "optim.epochs",
            "must be larger than strategy.unfreeze_every with strategy.kind gradual",
        ),
        ({"early_stopping": {"metric": "loss"}}, "early_stopping.metric", "needs early_stopping.patience"),
        ({"optim": {"ema": 1.0}}, "optim.ema", "must be below 1, got 1.0."),
        (
            {"optim": {"schedule": "step"}},
            "optim.schedule",
            "must be one of cosine, linear, constant, one-cycle",
        ),
    ],
)
def test_a_remedy_that_does_not_fit_is_told_in_one_sentence(
    sections: dict[str, Any], field: str, sentence: str
) -> None:
    found = problems("image-classification", **sections)
    assert list(found) == [field]
    assert found[field].startswith(("sampling", field))
    assert sentence in found[field]
    assert found[field].endswith(".")


@pytest.mark.parametrize(
    "sections",
    [
        {"loss": {"kind": "focal", "class_weights": "effective"}, "optim": {"label_smoothing": 0.1}},
        {"dataset": {"mix": "cutmix", "augment": "light"}},
        {"dataset": {"mix": "mixup"}, "strategy": {"kind": "lp-ft"}},
        {"strategy": {"kind": "gradual", "l2_sp": 0.1}, "optim": {"schedule": "one-cycle", "ema": 0.99}},
        {"early_stopping": {"metric": "val/loss", "patience": 3}, "sampling": "balanced"},
    ],
)
def test_remedies_that_fit_are_taken(sections: dict[str, Any]) -> None:
    assert problems("image-classification", **sections) == {}


def test_every_task_says_which_losses_it_takes() -> None:
    data = {"tabular-regression": TABLE, "tabular-classification": TABLE}
    for task, kinds in LOSSES.items():
        for kind in ("cross-entropy", "focal", "mse", "mae", "huber"):
            found = problems(task, dataset=data.get(task, {}), loss={"kind": kind})
            assert ("loss.kind" in found) == (kind not in kinds), (task, kind)


def test_numbers_have_no_classes() -> None:
    found = problems("image-regression", loss={"class_weights": "balanced"}, optim={"label_smoothing": 0.1})
    assert set(found) == {"loss.class_weights", "optim.label_smoothing"}
    assert set(problems("image-regression", sampling="balanced")) == {"sampling"}
