"""Axes of a sweep: read from people's lines, laid out as points, judged value by value."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.axes import (
    MAX_POINTS,
    axis_text,
    judge,
    key_of,
    plain_axes,
    points_of,
    read_axes,
    read_axes_text,
    read_axis,
    spread,
    values_at,
)
from training.recipe import Recipe, RecipeError, parse_recipe

RECIPE = {"base_model": {"repo": "a/base"}, "dataset": {"repo": "a/data"}}


@pytest.fixture
def recipe() -> Recipe:
    return parse_recipe(RECIPE)


def points(recipe: Recipe, axes: dict[str, Any], mode: str = "grid", **more: Any) -> list[dict[str, Any]]:
    space, problems = read_axes(recipe, axes)
    assert problems == []
    return points_of(space, mode=mode, samples=more.pop("samples", None), **more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optim.lr: 0.001, 3e-3", ("optim.lr", [0.001, 0.003])),
        ("optim.lr=1e-3,3e-3", ("optim.lr", [0.001, 0.003])),
        ("  seed :  0, 1,2 ", ("seed", [0, 1, 2])),
        ("optim.name: adamw, sgd", ("optim.name", ["adamw", "sgd"])),
        ("optim.grad_clip: null, 1.0", ("optim.grad_clip", [None, 1.0])),
        ("deterministic: [true, false]", ("deterministic", [True, False])),
        ("optim.lr: 1e-4 .. 1e-1 log", ("optim.lr", {"low": 1e-4, "high": 0.1, "log": True})),
        ("optim.epochs=2..9", ("optim.epochs", {"low": 2, "high": 9, "log": False})),
    ],
)
def test_a_line_is_an_axis(text: str, expected: tuple[str, Any]) -> None:
    assert read_axis(text) == expected
    name, values = expected
    assert read_axis(axis_text(name, values)) == expected


@pytest.mark.parametrize("text", ["", "optim.lr", ": 1", "optim.lr:", "=", "optim.lr: [1, 2", "a: {b: 1"])
def test_what_is_no_axis_is_told(text: str) -> None:
    with pytest.raises(RecipeError):
        read_axis(text)


@given(st.text(max_size=60))
def test_any_text_is_an_axis_or_refused(text: str) -> None:
    try:
        axes = read_axes_text(text)
    except RecipeError:
        return
    read_axes(parse_recipe(RECIPE), axes)


def test_lines_are_read_together_and_comments_passed_over() -> None:
    assert read_axes_text("# rates\noptim.lr: 0.1\n\nseed: 1, 2\n") == {"optim.lr": [0.1], "seed": [1, 2]}
    with pytest.raises(RecipeError) as refusal:
        read_axes_text("seed: 1\nseed: 2\nnonsense")
    assert len(refusal.value.problems) == 2


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({}, "1 to 12 fields"),
        ({"optim.rate": [1]}, "axes.optim.rate does not name a field"),
        ({"base_model.repo": ["a/b"]}, "axes.base_model.repo does not name"),
        ({"study.seeds": [1]}, "axes.study.seeds does not name"),
        ({"optim": [1]}, "axes.optim does not name"),
        ({"optim.lr": []}, "axes.optim.lr must be a list"),
        ({"optim.lr": 0.1}, "axes.optim.lr must be a list"),
        ({"optim.lr": [[0.1]]}, "plain values"),
        ({"optim.lr": {"low": 1}}, "range"),
        ({"optim.lr": {"low": 0, "high": 1, "log": True}}, "above 0"),
        ({"optim.lr": {"low": 1, "high": 10**400}}, "range from a smaller"),
        ({"optim.lr": [0.1, "1e-1"]}, "axes.optim.lr has 0.1 twice"),
        ({"seed": {"low": 1, "high": 2}}, "axes.seed must be a list"),
        ({"seed": list(range(51))}, "axes.seed must be a list"),
        ({f"a{index}": [1] for index in range(13)}, "1 to 12 fields"),
    ],
)
def test_axes_that_cannot_be(recipe: Recipe, axes: dict[str, Any], words: str) -> None:
    _, problems = read_axes(recipe, axes)
    assert any(words in problem.message for problem in problems), problems


def test_a_grid_is_every_combination_once(recipe: Recipe) -> None:
    found = points(recipe, {"optim.lr": [0.1, 0.01, 0.001], "seed": [0, 1]})
    assert len(found) == len({key_of(point) for point in found}) == 6
    assert {(point["optim.lr"], point["seed"]) for point in found} >= {(0.1, 0), (0.001, 1)}


def test_early_points_tell_of_all_values(recipe: Recipe) -> None:
    rates = [0.1, 0.03, 0.01, 0.003, 0.001]
    found = points(recipe, {"optim.lr": rates, "optim.batch_size": [8, 16, 32, 64], "seed": [0, 1, 2]})
    assert len(found) == 60
    for count in (5, 20, 40):
        seen = Counter(point["optim.lr"] for point in found[:count])
        assert set(seen) == set(rates)
        assert max(seen.values()) - min(seen.values()) <= 1


def test_the_same_words_give_the_same_points(recipe: Recipe) -> None:
    axes = {"optim.lr": {"low": 1e-4, "high": 0.1, "log": True}, "optim.batch_size": [8, 16]}
    first, second = (points(recipe, axes, "random", samples=10) for _ in range(2))
    assert first == second
    assert points(recipe, axes | {"optim.batch_size": [8, 32]}, "random", samples=10) != first
    assert all(1e-4 <= point["optim.lr"] <= 0.1 for point in first)
    # by powers, about half lie below the middle power
    assert 2 <= sum(point["optim.lr"] < 10**-2.5 for point in first) <= 8


def test_every_seed_of_every_drawn_setting(recipe: Recipe) -> None:
    found = points(recipe, {"optim.lr": {"low": 0.0, "high": 1.0}, "seed": [3, 4]}, "random", samples=5)
    assert len(found) == 10
    assert Counter(point["seed"] for point in found) == {3: 5, 4: 5}
    assert len({point["optim.lr"] for point in found}) == 5


def test_whole_ranges_give_whole_numbers(recipe: Recipe) -> None:
    found = points(recipe, {"optim.epochs": {"low": 1, "high": 4}}, "random", samples=4)
    assert sorted(point["optim.epochs"] for point in found) == [1, 2, 3, 4]


def test_what_was_tried_is_left_out(recipe: Recipe) -> None:
    past = [{"optim.lr": 0.1, "seed": 0}]
    found = points(recipe, {"optim.lr": [0.1, 0.01], "seed": [0, 1]}, past=past)
    assert len(found) == 3
    axes = {"optim.lr": [0.1, 0.01, 0.001]}
    drawn = points(recipe, axes, "random", samples=2, past=[{"optim.lr": 0.1}])
    assert sorted(point["optim.lr"] for point in drawn) == [0.001, 0.01]


@pytest.mark.parametrize(
    ("axes", "mode", "samples", "words"),
    [
        ({"seed": [0]}, "all", None, "mode must be one of grid, random"),
        ({"seed": [0]}, "grid", 3, "samples is of the mode random"),
        ({"optim.lr": {"low": 0, "high": 1}}, "grid", None, "a grid needs a list"),
        ({"optim.lr": [0.1]}, "random", None, "samples must be 1 to"),
        ({"optim.lr": [0.1]}, "random", 0, "samples must be 1 to"),
        ({"optim.lr": [0.1, 0.2]}, "random", 3, "samples must be at most 2"),
        ({"seed": [1, 2]}, "random", 1, "an axis beside the seed"),
        ({"seed": list(range(50)), "optim.epochs": list(range(1, 51))}, "grid", None, "2,500 runs"),
        ({"optim.lr": {"low": 0.0, "high": 1.0}, "seed": [1, 2]}, "random", 150, "300 runs"),
    ],
)
def test_points_that_cannot_be(
    recipe: Recipe, axes: dict[str, Any], mode: str, samples: int | None, words: str
) -> None:
    with pytest.raises(RecipeError) as refusal:
        points(recipe, axes, mode, samples=samples)
    assert words in refusal.value.message


def test_a_grid_of_millions_is_refused_at_once(recipe: Recipe) -> None:
    values = {"optim.lr": 0.0, "optim.momentum": 0.0, "optim.weight_decay": 0.0, "optim.label_smoothing": 0.0}
    axes = {name: [index / 100 for index in range(50)] for name in values}
    with pytest.raises(RecipeError, match="6,250,000 runs"):
        points(recipe, axes)


def test_wrong_values_are_told_by_axis_and_value(recipe: Recipe) -> None:
    found = points(recipe, {"optim.lr": [0.1, 100.0], "optim.epochs": [0, 1, "x"]})
    made, problems = judge(recipe, found)
    assert len(made) == 1
    assert {(problem.field, problem.message) for problem in problems} == {
        ("axes.optim.lr", "axes.optim.lr: optim.lr must be at most 10, got 100.0."),
        ("axes.optim.epochs", "axes.optim.epochs: optim.epochs must be at least 1, got 0."),
        ("axes.optim.epochs", "axes.optim.epochs: optim.epochs must be a whole number, got 'x'."),
    }


def test_what_is_wrong_together_is_told_with_its_point(recipe: Recipe) -> None:
    axes = {"init": ["pretrained", "scratch"], "seed": [0, 1]}
    made, problems = judge(recipe, points(recipe, axes))
    assert len(made) == 2
    assert [problem.message.partition(": ")[0] for problem in problems] == [
        f"With init 'scratch', seed {seed}" for seed in sorted_seeds(problems)
    ]
    assert all("strategy.kind must be full" in problem.message for problem in problems)


def sorted_seeds(problems: list[Any]) -> list[str]:
    return [problem.message.partition("seed ")[2][0] for problem in problems]


def test_values_are_found_again_in_the_recipes() -> None:
    recipe = parse_recipe({**RECIPE, "task": "text-generation", "strategy": {"kind": "full"}})
    found = points(recipe, {"optim.lr": [1, "1e-2"], "strategy.lora.rank": [4], "strategy.kind": ["lora"]})
    made, problems = judge(recipe, found)
    assert not problems
    names = ["optim.lr", "strategy.lora.rank", "strategy.kind"]
    read = {key_of(values_at(json.loads(json.dumps(one.as_dict())), names)) for one in made}
    assert read == {key_of(point) for point in found}
    assert values_at(recipe.as_dict(), ["strategy.lora.rank"]) == {"strategy.lora.rank": None}


def test_axes_survive_json(recipe: Recipe) -> None:
    axes = {"optim.lr": {"low": 1e-4, "high": 0.1, "log": True}, "seed": [0, 1], "optim.name": ["sgd"]}
    space, _ = read_axes(recipe, axes)
    assert read_axes(recipe, json.loads(json.dumps(plain_axes(space)))) == (space, [])


def test_two_hundred_points_are_spread_at_once(recipe: Recipe) -> None:
    axes = {"seed": list(range(50)), "optim.lr": [0.1, 0.2, 0.3, 0.4]}
    found = points(recipe, axes)
    assert len(found) == MAX_POINTS
    space, _ = read_axes(recipe, axes)
    assert spread(found, space) == found
