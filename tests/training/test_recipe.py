from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from training.recipe import RecipeError, dump_recipe, parse_recipe

LEAST: dict[str, Any] = {"base_model": {"repo": "a/b"}, "dataset": {"repo": "c/d"}}

names = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=40).filter(
    str.isprintable
)
recipes = st.fixed_dictionaries(
    {"base_model": st.fixed_dictionaries({"repo": names}), "dataset": st.fixed_dictionaries({"repo": names})},
    optional={
        "seed": st.integers(0, 2**31 - 1),
        "deterministic": st.booleans(),
        "strategy": st.fixed_dictionaries(
            {"kind": st.sampled_from(["head", "last-stages", "full"])},
            optional={"stages": st.integers(1, 100)},
        ),
        "optim": st.fixed_dictionaries(
            {},
            optional={
                "lr": st.floats(1e-12, 10, allow_nan=False),
                "epochs": st.integers(1, 1000),
                "momentum": st.floats(0, 0.99),
                "grad_clip": st.none() | st.floats(1e-6, 1000),
            },
        ),
        "benchmark": st.none() | st.fixed_dictionaries({"repo": names}),
    },
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def problems(plain: Any) -> dict[str, str]:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(plain)
    return {problem.field: problem.message for problem in caught.value.problems}


def with_field(path: str, value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {name: dict(section) for name, section in LEAST.items()}
    place = plain
    *parents, last = path.split(".")
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = value
    return plain


@given(recipes)
def test_yaml_reads_back_to_the_same_recipe(plain: dict[str, Any]) -> None:
    recipe = parse_recipe(plain)
    text = dump_recipe(recipe)
    assert parse_recipe(text) == recipe
    assert parse_recipe(recipe.as_dict()) == recipe
    assert text.startswith("# python -m training finetune ")


@given(junk)
def test_any_junk_is_refused_with_sentences(plain: Any) -> None:
    for message in problems(plain).values():
        assert message.endswith((".", "?"))
        assert len(message) < 400


@given(st.dictionaries(st.sampled_from([*LEAST, "optim", "strategy", "seed", "benchmark"]), junk))
def test_junk_in_known_places_never_escapes(plain: dict[str, Any]) -> None:
    try:
        recipe = parse_recipe(plain)
    except RecipeError as error:
        told = error.problems
    else:
        told = [recipe]
    assert told


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        parse_recipe(text)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("optim.lr", -0.1, "optim.lr must be above 0, got -0.1."),
        ("optim.lr", 0, "optim.lr must be above 0, got 0."),
        ("optim.lr", math.nan, "optim.lr must be a finite number, got nan."),
        ("optim.lr", math.inf, "optim.lr must be a finite number, got inf."),
        ("optim.lr", 10**400, "optim.lr must be at most 10, got a number of more than 30 digits."),
        ("optim.lr", "fast", "optim.lr must be a number, got 'fast'."),
        ("optim.lr", True, "optim.lr must be a number, got True."),
        ("optim.epochs", 1.5, "optim.epochs must be a whole number, got 1.5."),
        ("optim.epochs", 0, "optim.epochs must be at least 1, got 0."),
        ("optim.epochs", True, "optim.epochs must be a whole number, got True."),
        ("optim.batch_size", 5000, "optim.batch_size must be at most 4,096, got 5000."),
        ("optim.name", "lion", "optim.name must be one of adamw, adam, sgd, got 'lion'."),
        ("optim.momentun", 0.9, "optim.momentun is not a field of a recipe. Did you mean momentum?"),
        ("dataset.image_size", 8, "dataset.image_size must be at least 16, got 8."),
        ("dataset.repo", "", "dataset.repo must be text, got ''."),
        ("dataset.repo", "a\nb", "dataset.repo must be text without control characters, got 'a\\nb'."),
        ("base_model.repo", "x" * 201, "base_model.repo must be at most 200 characters long, got"),
        ("strategy", "full", "strategy must be a mapping of fields, got 'full'."),
        ("deterministic", "yes", "deterministic must be true or false, got 'yes'."),
        ("seed", None, "seed must be a whole number, got nothing."),
        ("version", 2, "version must be at most 1, got 2."),
    ],
)
def test_a_bad_value_is_told_in_one_sentence(path: str, value: Any, sentence: str) -> None:
    found = problems(with_field(path, value))
    assert list(found) == [path]
    assert found[path].startswith(sentence)


def test_all_problems_are_told_at_once() -> None:
    found = problems({"optim": {"lr": -1, "epochs": 0}, "dataset": {}, "colour": 1})
    assert set(found) == {"colour", "base_model", "dataset.repo", "optim.lr", "optim.epochs"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"init": "scratch"}, "strategy.kind"),
        ({"dataset": {"repo": "c/d", "validation_split": "train"}}, "dataset.validation_split"),
        ({"benchmark": {"repo": "c/d", "split": "train"}}, "benchmark.split"),
        (
            {"dataset": {"repo": "c/d", "validation_split": "test"}, "benchmark": {"repo": "c/d"}},
            "benchmark.split",
        ),
        (
            {"dataset": {"repo": "c/d", "validation_fraction": 0}, "early_stopping": {"patience": 1}},
            "early_stopping.patience",
        ),
    ],
)
def test_contradictions_are_told(changes: dict[str, Any], field: str) -> None:
    assert set(problems({**LEAST, **changes})) == {field}


def test_scientific_numbers_are_numbers() -> None:
    assert parse_recipe(yaml.safe_dump(LEAST) + "optim: {lr: 3e-4}").optim.lr == 3e-4


@pytest.mark.parametrize(
    "text",
    [
        "seed: 1\nseed: 2",
        "seed: !!python/object/apply:os.system [true]",
        "[" * 20_000,
        "seed: " + "9" * 6000,
        "2001-99-99: 1",
        "? [a]\n: 1",
        "a: &a [1]\nb: *c",
        "x" * 70_000,
        "",
    ],
)
def test_hostile_yaml_is_refused(text: str) -> None:
    assert set(problems(text)) == {""}
