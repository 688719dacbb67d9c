"""The same remedies for texts, lines of a table, and pictures of numbers: the loop knows no difference."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.imageworld import coloured, shade, write_rows
from tests.training.test_finetune import assert_same_weights, run
from tests.training.text.world import text_recipe, write_encoder, write_reviews
from tests.training.world import Listener, recipe
from training.errors import Interrupted, UserError
from training.recipe import Recipe, parse_recipe

TEXT: dict[str, dict[str, Any]] = {
    "focal": {"loss": {"kind": "focal"}},
    "weighed": {"loss": {"class_weights": "balanced"}},
    "balanced": {"sampling": "balanced"},
    "balanced-head": {"sampling": "balanced", "strategy": {"kind": "head"}},
    "gradual": {"strategy": {"kind": "gradual"}, "optim": {"epochs": 3}},
    "lp-ft": {"strategy": {"kind": "lp-ft", "probe_epochs": 2}},
    "l2-sp": {"strategy": {"kind": "full", "l2_sp": 0.1}, "optim": {"ema": 0.9, "schedule": "one-cycle"}},
}
TABLE: dict[str, dict[str, Any]] = {
    "focal": {"loss": {"kind": "focal", "class_weights": "effective"}},
    "balanced": {"sampling": "balanced"},
    "one-cycle": {"optim": {"schedule": "one-cycle", "ema": 0.9}},
    "metric": {"early_stopping": {"metric": "macro_f1", "patience": 1}},
}

NUMBERS: dict[str, dict[str, Any]] = {
    "huber-mixup": {"loss": {"kind": "huber", "delta": 0.5}, "dataset": {"mix": "mixup"}},
    "lp-ft": {"strategy": {"kind": "lp-ft", "probe_epochs": 1}},
    "mae-gradual": {"loss": {"kind": "mae"}, "strategy": {"kind": "gradual", "l2_sp": 0.1}},
}
TAGS: dict[str, dict[str, Any]] = {
    "focal-cutmix": {"loss": {"kind": "focal"}, "dataset": {"mix": "cutmix"}},
    "weighed": {"loss": {"class_weights": "balanced"}, "optim": {"label_smoothing": 0.1, "ema": 0.9}},
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("reviews"))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two numbers a row; the sum decides the class, one row in five is of the smaller one."""
    draw, folder = random.Random(0), tmp_path_factory.mktemp("table")
    lines = ["a,b,kind"]
    for index in range(60):
        kind = index % 5 == 0
        lines.append(f"{draw.gauss(2 * kind, 1):.3f},{draw.gauss(0, 1):.3f},{'rare' if kind else 'common'}")
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def shades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(0)
    levels = draw.random(40)
    rows = [{"target": float(level)} for level in levels]
    return write_rows(
        tmp_path_factory.mktemp("shades"), "train", [shade(level, draw) for level in levels], rows
    )


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(0)
    labels = [[name for name in ("red", "green") if draw.random() < share] for share in [0.2, 0.6] * 20]
    rows = [{"labels": names} for names in labels]
    return write_rows(
        tmp_path_factory.mktemp("colours"), "train", [coloured(names, draw) for names in labels], rows
    )


def table_recipe(**sections: Any) -> Recipe:
    optim = {"lr": 1e-2, "epochs": 2, "batch_size": 8, **sections.pop("optim", {})}
    return parse_recipe(
        {
            "task": "tabular-classification",
            "init": "scratch",
            "dataset": {"repo": "data", "target_column": "kind"},
            "network": {"width": 16, "depth": 1},
            "strategy": {"kind": "full"},
            "optim": optim,
            **sections,
        }
    )


def assert_resumes(given: Recipe, base: Path | None, data: Path, work: Path) -> None:
    whole = Listener()
    expected = run(given, base, data, work / "whole", whole)
    losses = [loss for _, loss in whole.losses()]
    assert all(loss > 0 for loss in losses)
    first, second = Listener(4, Interrupted()), Listener()
    with pytest.raises(Interrupted):
        run(given, base, data, work / "cut", first)
    torch.manual_seed(5)
    result = run(given, base, data, work / "cut", second)
    assert first.losses() + second.losses() == whole.losses()
    assert result.history == expected.history
    assert_same_weights(result, expected)


@pytest.mark.parametrize("name", TEXT)
def test_of_texts(name: str, encoder: Path, reviews: Path, tmp_path: Path) -> None:
    assert_resumes(text_recipe(**TEXT[name]), encoder, reviews, tmp_path)


@pytest.mark.parametrize("name", TABLE)
def test_of_tables(name: str, table: Path, tmp_path: Path) -> None:
    assert_resumes(table_recipe(**TABLE[name]), None, table, tmp_path)


@pytest.mark.parametrize("name", NUMBERS)
def test_of_pictures_of_numbers(name: str, base: Path, shades: Path, tmp_path: Path) -> None:
    assert_resumes(recipe(task="image-regression", **NUMBERS[name]), base, shades, tmp_path)


@pytest.mark.parametrize("name", TAGS)
def test_of_pictures_of_many_labels(name: str, base: Path, colours: Path, tmp_path: Path) -> None:
    assert_resumes(recipe(task="image-multilabel", **TAGS[name]), base, colours, tmp_path)


def test_targets_far_from_one_are_named_where_the_loss_runs_away(tmp_path: Path) -> None:
    draw = random.Random(0)
    lines = ["a,price"] + [f"{draw.gauss(0, 1):.3f},{draw.randrange(10**6)}" for _ in range(40)]
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    given = table_recipe(
        task="tabular-regression",
        dataset={"repo": "data", "target_column": "price", "target_transform": "none"},
        optim={"name": "sgd", "lr": 1.0, "epochs": 20},
    )
    with pytest.raises(UserError, match=r"the targets reach 9\.\d+e\+05; bring them near 1") as caught:
        run(given, None, tmp_path, tmp_path / "work")
    assert caught.value.message_id == "train:target-scale"
