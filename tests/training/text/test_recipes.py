"""Every committed recipe for texts runs from its YAML to a model that transformers loads, on a tiny slice."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.training.text.test_text_classification import run
from tests.training.text.world import reviews, write_encoder, write_jsonl
from training.recipe import Recipe, dump_recipe, parse_recipe
from training.reporting import SilentReporter
from training.tasks import task_kind

ROOT = Path(__file__).resolve().parents[3]
RECIPES = sorted((ROOT / "recipes" / "text").glob("*.yaml"))
# 24 addresses of usaddress 0.5.16 (MIT), labelled by hand.
ADDRESSES = ROOT / "tests" / "training" / "slices" / "usaddress.jsonl"
NAMES = {"fine-foods": ("great", "other"), "spam": ("spam", "ham")}


def write_slice(recipe: Recipe, folder: Path) -> Path:
    if recipe.task == "token-classification":
        lines = ADDRESSES.read_text(encoding="utf-8").splitlines(keepends=True)
        for name, part in (("train", lines[:16]), ("validation", lines[:4]), ("test", lines[16:])):
            (folder / f"{name}.jsonl").write_text("".join(part), encoding="utf-8")
        return folder
    good, bad = NAMES[recipe.dataset.repo.partition("/")[2]]
    for name, count in (("train", 24), ("validation", 8), ("test", 8)):
        rows = reviews(count, seed=len(name))
        named = [{**row, "label": good if row["label"] == "good" else bad} for row in rows]
        write_jsonl(folder / f"{name}.jsonl", named)
    return folder


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_committed_recipe_runs_to_its_end(path: Path, tmp_path: Path) -> None:
    recipe = parse_recipe(path.read_text(encoding="utf-8"))
    assert parse_recipe(dump_recipe(recipe)) == recipe
    (tmp_path / "data").mkdir()
    data, base = write_slice(recipe, tmp_path / "data"), write_encoder(tmp_path / "base")
    short = dataclasses.replace(recipe, optim=dataclasses.replace(recipe.optim, epochs=1))
    result = run(short, base, data, tmp_path / "work")
    kind = task_kind(recipe.task)
    report = kind.evaluate(result.model_dir, data, "test", recipe=recipe, reporter=SilentReporter())
    assert report.n == 8
    assert report.lo <= report.value <= report.hi
    assert kind.predict(result.model_dir, kind.example)
    assert 'pipeline("' + recipe.task in kind.usage("me/it", {})
