from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.training.tabular.test_tabular_task import measured, run
from tests.training.tabular_world import recipe, write_csv
from training.errors import UserError
from training.recipe import Recipe, parse_recipe

ROOT = Path(__file__).resolve().parents[3]
RECIPES = sorted((ROOT / "recipes" / "tabular").glob("*.yaml"))
# 400 of Sacramento's 932 sales, as the MIT-licensed R package modeldata 1.1.0 has them.
SACRAMENTO = ROOT / "tests" / "training" / "slices" / "sacramento"
CALIFORNIA = ("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup")


def short(given: Recipe, **optim: Any) -> Recipe:
    return dataclasses.replace(given, optim=dataclasses.replace(given.optim, **optim))


def rows_for(given: Recipe, count: int) -> list[dict[str, Any]]:
    """Made-up rows with the recipe's target and columns of both kinds."""
    target = getattr(given.dataset, "target_column", "")
    by_class = given.task == "tabular-classification"
    rows = []
    for index in range(count):
        numbers = {name: (index * (place + 3)) % 17 + 0.5 for place, name in enumerate(CALIFORNIA)}
        answer = ("<=50K", ">50K")[index % 2] if by_class else 1.0 + index % 7
        word = {} if getattr(given.dataset, "columns", None) else {"word": "abc"[index % 3]}
        rows.append({**numbers, **word, target: answer})
    return rows


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_committed_recipes_run(path: Path, tmp_path: Path) -> None:
    given = short(parse_recipe(path.read_text(encoding="utf-8")), epochs=1)
    for split, count in (("train", 60), ("validation", 20), ("test", 20)):
        write_csv(tmp_path / "data" / f"{split}.csv", rows_for(given, count))
    base = None
    if given.base_model is not None:
        alone = {"target_column": "MedHouseVal", "columns": list(CALIFORNIA)}
        base = run(recipe(dataset=alone, optim={"epochs": 1}), tmp_path / "data", tmp_path / "base").model_dir
    result = run(given, tmp_path / "data", tmp_path / "work", base=base)
    assert measured(given, result, tmp_path / "data").n == 20


def test_prices_of_sacramento(tmp_path: Path) -> None:
    dataset = {"target_column": "price", "target_transform": "log"}
    given = recipe(dataset=dataset, network={"width": 64}, optim={"epochs": 30, "lr": 3e-3})
    report = measured(given, run(given, SACRAMENTO, tmp_path), SACRAMENTO)
    # The net has 0.72 to 0.77 by seed; on the same rows ridge has 0.77, gradient boosting 0.71, the mean 0.
    assert report.metrics["r2_log"] > 0.65
    assert report.metrics["mae"] < 60_000


def test_a_city_is_no_price(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'city' must hold numbers, got '[A-Z_]+' in train\.csv, row 1"):
        run(recipe(dataset={"target_column": "city"}), SACRAMENTO, tmp_path)
