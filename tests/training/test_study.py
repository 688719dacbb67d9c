"""Searches keep their budget and find what is there; repeats tell mean and spread; folds cover all rows."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.training.world import Listener, recipe, write_base, write_images
from training.data import set_aside
from training.errors import UserError
from training.recipe import ImageData, Recipe, RecipeError, parse_recipe
from training.study import Study, mean_and_spread, run_study


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), train=16, test=4)


def head_only(**sections: Any) -> Recipe:
    optim = {"epochs": 2, **sections.pop("optim", {})}
    data = {"validation_fraction": 0.25, **sections.pop("dataset", {})}
    return recipe(strategy={"kind": "head"}, optim=optim, dataset=data, **sections)


def carried_out(
    chosen: Recipe, base: Path, images: Path, out: Path, listener: Listener | None = None
) -> Study:
    return run_study(
        chosen, base_dir=base, data_dir=images, out=out, reporter=listener or Listener(), measure=None
    )


def test_a_grid_tries_every_point_and_repeats_the_best(base: Path, images: Path, tmp_path: Path) -> None:
    space = {"optim.lr": [1e-9, 0.3], "optim.name": ["sgd", "adamw"]}
    chosen = head_only(study={"seeds": 2, "search": {"method": "grid", "space": space}}, optim={"epochs": 8})
    study = carried_out(chosen, base, images, tmp_path)
    tried = [tuple(trial.changes.values()) for trial in study.trials]
    assert tried == [(1e-9, "sgd"), (1e-9, "adamw"), (0.3, "sgd"), (0.3, "adamw")]
    assert study.metric == "val/accuracy"
    assert study.recipe.optim.lr == 0.3
    assert [repeat.seed for repeat in study.repeats] == [0, 1]
    row = study.summary()["val/accuracy"]
    assert row == mean_and_spread([repeat.metrics["val/accuracy"] for repeat in study.repeats])
    kept = json.loads((tmp_path / "study.json").read_text())
    assert [trial["outcome"] for trial in kept["trials"]] == ["finished"] * 4
    assert parse_recipe(kept["recipe"]) == study.recipe
    assert (study.model_dir / "model.safetensors").is_file()
    assert not list(tmp_path.glob("trial-*"))


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_a_search_repeated_draws_the_same(base: Path, images: Path, tmp_path: Path, method: str) -> None:
    space = {"optim.lr": {"low": 1e-4, "high": 1e-1, "log": True}, "optim.batch_size": {"low": 2, "high": 8}}
    chosen = head_only(study={"search": {"method": method, "trials": 4, "space": space}})
    drawn = [
        [trial.changes for trial in carried_out(chosen, base, images, tmp_path / name).trials]
        for name in ("one", "two")
    ]
    assert drawn[0] == drawn[1]
    assert all(1e-4 <= changes["optim.lr"] <= 1e-1 for changes in drawn[0])
    assert all(isinstance(changes["optim.batch_size"], int) for changes in drawn[0])


def test_halving_gives_up_who_is_behind(base: Path, images: Path, tmp_path: Path) -> None:
    space = {"optim.lr": [0.3, 1e-9]}
    search = {"method": "halving", "trials": 8, "space": space, "reduction": 2}
    chosen = head_only(study={"search": search}, optim={"epochs": 8})
    study = carried_out(chosen, base, images, tmp_path)
    outcomes = {trial.outcome for trial in study.trials}
    assert outcomes == {"finished", "given up"}
    assert all(trial.epochs < 8 for trial in study.trials if trial.outcome == "given up")
    assert study.recipe.optim.lr == 0.3


def test_the_budget_is_kept(base: Path, images: Path, tmp_path: Path) -> None:
    space = {"optim.lr": {"low": 1e-4, "high": 1e-1}}
    search = {"trials": 1000, "budget_minutes": 0.05, "space": space}
    listener = Listener()
    began = time.monotonic()
    study = carried_out(head_only(study={"search": search}), base, images, tmp_path, listener)
    # The repeat that follows is not the search's; a slow machine gets ten times what it should take.
    assert time.monotonic() - began < 30
    assert 1 <= len(study.trials) < 1000
    assert any("budget ended" in line for line in listener.logs) or study.trials[-1].outcome == "out of time"


def test_a_budget_too_small_for_one_trial_is_told(base: Path, images: Path, tmp_path: Path) -> None:
    search = {"budget_minutes": 1e-6, "space": {"optim.lr": [1e-3]}}
    with pytest.raises(UserError, match="No trial of the search came to its end"):
        carried_out(head_only(study={"search": search}), base, images, tmp_path)


def test_a_point_that_diverges_is_one_lost_trial(base: Path, images: Path, tmp_path: Path) -> None:
    search = {"method": "grid", "space": {"optim.lr": [10.0, 1e-2]}}
    chosen = recipe(
        study={"search": search}, optim={"name": "sgd", "epochs": 3}, dataset={"validation_fraction": 0.25}
    )
    study = carried_out(chosen, base, images, tmp_path)
    assert study.trials[1].outcome == "finished"
    assert study.recipe.optim.lr in (10.0, 1e-2)


def test_folds_cover_every_row_once_and_keep_classes_even() -> None:
    strata = [0] * 11 + [1] * 6 + [2] * 3
    held_rows: list[int] = []
    for fold in range(4):
        kept, held = set_aside(strata, ImageData(repo="x", folds=4, fold=fold), seed=5)
        assert sorted(kept + held) == list(range(20))
        assert len(held) == 5
        assert abs(sum(strata[row] == 0 for row in held) - 11 / 4) < 1
        held_rows += held
    assert sorted(held_rows) == list(range(20))
    with pytest.raises(UserError, match="is 4, but there are 3 rows"):
        set_aside([0, 1, 0], ImageData(repo="x", folds=4), seed=0)


def test_cross_validation_measures_each_fold(base: Path, images: Path, tmp_path: Path) -> None:
    study = carried_out(head_only(study={"folds": 4, "seeds": 2}), base, images, tmp_path)
    assert [(repeat.seed, repeat.fold) for repeat in study.repeats] == [
        (seed, fold) for seed in (0, 1) for fold in range(4)
    ]
    assert study.summary()["val/accuracy"]["n"] == 8


@pytest.mark.parametrize(
    ("study", "sentence"),
    [
        (
            {"search": {"space": {"optim.rate": [1]}}},
            "does not name a field of a recipe that can be searched",
        ),
        ({"search": {"space": {"dataset.repo": ["x"]}}}, "does not name a field"),
        ({"search": {"space": {"optim.lr": [-1]}}}, "optim.lr must be above 0, got -1"),
        (
            {"search": {"space": {"optim.lr": {"low": 1, "high": 0.1}}}},
            "from a smaller number to a larger one",
        ),
        ({"search": {"space": {"optim.lr": {"low": 0, "high": 1, "log": True}}}}, "must begin above 0"),
        (
            {"search": {"space": {"optim.lr": {"low": 1e-3, "high": 99}}}},
            "optim.lr must be at most 10, got 99",
        ),
        ({"search": {"space": {}}}, "study.search.space must be a mapping of fields"),
        ({"search": {"method": "grid", "space": {"optim.lr": {"low": 0.1, "high": 1}}}}, "grid needs lists"),
        ({"search": {"space": {"strategy.kind": ["head", "lora"]}}}, "study.search.space.strategy.kind: "),
        ({"seeds": 0}, "study.seeds must be at least 1, got 0."),
        ({"folds": 1}, "study.folds must be at least 2, got 1."),
    ],
)
def test_mistakes_are_told_before_anything_runs(study: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecipeError, match="study") as caught:
        recipe(study=study)
    assert sentence in str(caught.value)


def test_a_spread_of_one_is_none() -> None:
    assert mean_and_spread([2.0]) == {"mean": 2.0, "std": 0.0, "min": 2.0, "max": 2.0, "n": 1}
    assert mean_and_spread([1.0, 2.0, 3.0])["std"] == 1.0
