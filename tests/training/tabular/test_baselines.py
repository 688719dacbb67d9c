from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.tabular_world import dear, houses
from training.tabular.baselines import BASELINES, Rows, measure
from training.tabular.columns import rows_to_table
from training.tabular.encoding import Encoder
from training.tabular.rows import rows_of
from training.tabular.targets import (
    ClassTarget,
    NumberTarget,
    Target,
    class_places,
    read_classes,
    read_numbers,
)


def prepared(*, by_class: bool) -> tuple[Rows, Rows]:
    """Training and validation rows, and the same with test rows in place of those to validate on."""
    parts = [houses(150), houses(60, seed=1), houses(60, seed=2)]
    tables = [
        rows_to_table(dear(part) if by_class else part, lambda index: f"in row {index + 1}") for part in parts
    ]
    encoder, _ = Encoder.fit(tables[0], ["area", "age", "district", "garden"])
    if by_class:
        target: Target = ClassTarget("class", ("cheap", "dear", "ruin"))
        goals = [class_places(target, read_classes(one, "class", None), one) for one in tables]
    else:
        prices = [read_numbers(one, "price") for one in tables]
        target = NumberTarget.fit("price", prices[0], "log")
        goals = [target.to_learn(one) for one in prices]
    train, val, test = (rows_of(encoder, one, goal) for one, goal in zip(tables, goals, strict=True))
    return Rows(encoder, target, train, val), Rows(encoder, target, train, test)


@pytest.mark.parametrize("by_class", [False, True])
def test_every_baseline_beats_the_constant(by_class: bool) -> None:
    rows, test = prepared(by_class=by_class)
    name = "accuracy" if by_class else "r2"
    found = {
        title: measure(rows.target, test.val, fit(rows, 0)(test.val))[name]
        for title, fit in BASELINES.items()
    }
    constant = found.pop("constant")
    assert constant < 0.01 or (by_class and constant < 0.8)
    assert min(found.values()) > max(0.8, constant + 0.05), found


def test_the_constant_is_the_mean_or_the_shares() -> None:
    rows, _ = prepared(by_class=False)
    assert BASELINES["constant"](rows, 0)(rows.val) == pytest.approx(np.zeros(60), abs=1e-6)
    rows, _ = prepared(by_class=True)
    shares = torch.bincount(rows.train.targets, minlength=3) / 150
    # The third class has no training rows, and still its column.
    np.testing.assert_allclose(BASELINES["constant"](rows, 0)(rows.val)[0], shares)
    assert BASELINES["linear"](rows, 0)(rows.val).shape == (60, 3)


def test_measures_are_in_the_targets_own_unit() -> None:
    rows, _ = prepared(by_class=False)
    found = measure(rows.target, rows.val, rows.val.targets.double().numpy() + 0.0)
    assert found["mae"] == pytest.approx(0, abs=1e-3)
    assert found["r2"] == pytest.approx(1)
    assert isinstance(rows.target, NumberTarget)
    off = rows.val.targets.double().numpy() + 0.1 / rows.target.std
    assert measure(rows.target, rows.val, off)["rmse_log"] == pytest.approx(0.1)
