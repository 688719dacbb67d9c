"""Leave-one-out in closed form is what n refits give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from tests.training.world import Listener, recipe, write_base, write_images
from training.errors import UserError
from training.leaveone import leave_one_out
from training.recipe import RecipeError
from training.study import run_study


@pytest.mark.parametrize(("rows", "width"), [(12, 4), (9, 30), (3, 1)])
def test_it_is_what_refits_without_each_row_give(rows: int, width: int) -> None:
    numbers = np.random.default_rng(rows)
    features = numbers.normal(size=(rows, width)) + 3
    goals = features @ numbers.normal(size=(width, 2)) + numbers.normal(size=(rows, 2)) + 5
    found = leave_one_out(features, goals)
    for row in range(rows):
        others = np.arange(rows) != row
        head = Ridge(alpha=found.penalty, solver="svd").fit(features[others], goals[others])
        assert found.predictions[row] == pytest.approx(head.predict(features[[row]])[0], rel=1e-6, abs=1e-8)


def test_noise_is_not_explained_away() -> None:
    numbers = np.random.default_rng(1)
    features, goals = numbers.normal(size=(60, 100)), numbers.normal(size=(60, 1))
    predictions = leave_one_out(features, goals).predictions
    # With more features than rows a plain fit would be perfect.
    assert 1 - ((goals - predictions) ** 2).sum() / ((goals - goals.mean()) ** 2).sum() < 0.2


def test_what_cannot_be_left_out_is_told() -> None:
    with pytest.raises(UserError, match="three rows at least, there are 2"):
        leave_one_out(np.zeros((2, 3)), np.zeros((2, 1)))
    same = leave_one_out(np.ones((5, 3)), np.arange(5.0)[:, None]).predictions
    assert same.ravel() == pytest.approx([2.5, 2.25, 2.0, 1.75, 1.5])  # the mean of the others


def test_a_study_tells_it_for_a_frozen_body_only(tmp_path: Path) -> None:
    base, images = write_base(tmp_path / "base"), write_images(tmp_path / "images", train=16, test=1)
    chosen = {"optim": {"epochs": 1}, "study": {"leave_one_out": True}}
    places = {"base_dir": base, "data_dir": images, "reporter": Listener()}
    study = run_study(recipe(strategy={"kind": "head"}, **chosen), out=tmp_path / "head", **places)
    assert study.leave_one_out is not None
    assert study.leave_one_out["accuracy"] >= 0.9
    with pytest.raises(RecipeError, match="leave_one_out needs strategy"):
        recipe(strategy={"kind": "full"}, **chosen)
    moving = recipe(strategy={"kind": "head"}, dataset={"augment": "light"}, **chosen)
    with pytest.raises(UserError, match="without augmentation"):
        run_study(moving, out=tmp_path / "moving", **places)
