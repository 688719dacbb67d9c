"""A recipe as the index reads it: one method has one fingerprint, nothing that is written breaks it."""

from __future__ import annotations

import time

import pytest

from models_app.content.recipes import fingerprint, fingerprint_of, read_recipe
from training.recipe import parse_recipe

PLAIN = "base_model: {repo: demo/net}\ndataset: {repo: demo/digits}\noptim: {lr: 1e-3, epochs: 4}\n"
SAME = {
    "another base": PLAIN.replace("demo/net", "bob/other"),
    "other data": PLAIN.replace("demo/digits}", "bob/data, train_split: learn, label_column: kind}"),
    "another seed": PLAIN + "seed: 7\n",
    "measured": PLAIN + "benchmark: {repo: demo/board, task_id: digits}\n",
    "a default written out": PLAIN + "precision: auto\nsampling: shuffled\n",
    "repeated": PLAIN + "study: {seeds: 5}\n",
}
OTHER = {
    "rate": PLAIN.replace("1e-3", "1e-4"),
    "augmented": PLAIN.replace("digits}", "digits, augment: light}"),
    "strategy": PLAIN + "strategy: {kind: full}\n",
    "loss": PLAIN + "loss: {kind: focal}\n",
    "task": PLAIN + "task: text-classification\n",
}
BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{level}: &a{level}\n  <<: [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)
LISTS = "a0: &a0 [1]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)
BAD = [
    "",
    "- a\n- list\n",
    "just words",
    "a: &a [*a]\n",
    "&a {optim: *a}",
    "optim: {lr: 1, lr: 2}",
    "task: no-such-task\ndataset: {repo: x/y}\n",
    "dataset: 3\noptim: [1]\n",
    "dataset: {repo: 'a\\0b'}",
    "x: " + "[" * 20_000,
    "x: !!python/object/apply:os.system [ls]",
    "a: \x00",
    "\ud800: 1",
    "a" * 70_000,
    "optim: {lr: " + "9" * 5000 + "}",
    "? {a: 1}\n: 2\n",
    "dataset: {repo: demo/x}\nbase_model: {repo: demo/y}\nstudy: {search: {space: {optim.lr: [.nan]}}}\n",
]


@pytest.mark.parametrize("name", sorted(SAME))
def test_the_same_method_on_other_things_is_the_same_recipe(name: str) -> None:
    assert read_recipe(SAME[name]).fingerprint == read_recipe(PLAIN).fingerprint != ""


@pytest.mark.parametrize("name", sorted(OTHER))
def test_another_method_is_another_recipe(name: str) -> None:
    found = read_recipe(OTHER[name])
    assert found.is_valid
    assert found.fingerprint != read_recipe(PLAIN).fingerprint


def test_a_section_with_defaults_in_it_is_not_a_missing_section() -> None:
    text = "task: text-generation\nbase_model: {repo: a/b}\ndataset: {repo: a/c}\nstrategy: {kind: lora%s}\n"
    assert read_recipe(text % "").fingerprint != read_recipe(text % ", lora: {rank: 8}").fingerprint


def test_what_a_run_keeps_has_the_fingerprint_of_its_text() -> None:
    recipe = parse_recipe(PLAIN)
    assert fingerprint_of(recipe.as_dict()) == fingerprint(recipe)
    assert fingerprint_of({"dataset": {"repo": "a/b"}, "gone": 1}) == ""


@pytest.mark.parametrize("number", range(len(BAD)))
def test_whatever_is_written_is_told_in_sentences(number: int) -> None:
    found = read_recipe(BAD[number])
    assert not found.is_valid
    assert found.fingerprint == ""
    assert all(problem["message"] and "\0" not in problem["message"] for problem in found.problems)


@pytest.mark.parametrize("bomb", ["merged", "listed"])
def test_a_bomb_is_no_bomb(bomb: str) -> None:
    began = time.monotonic()
    found = read_recipe({"merged": BOMB, "listed": LISTS}[bomb])
    assert not found.is_valid
    assert time.monotonic() - began < 5


def test_a_bad_recipe_still_says_what_it_is_about() -> None:
    found = read_recipe("task: translation\nbase_model: {repo: a/t5}\ndataset: {repo: a/b}\noptim: {lr: 0}\n")
    assert (found.task, found.base_model, found.dataset) == ("translation", "a/t5", "a/b")
    assert [problem["field"] for problem in found.problems] == ["optim.lr"]
