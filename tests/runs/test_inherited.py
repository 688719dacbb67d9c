"""The form of a base that a run of ours made begins with the data fields that it was trained with."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from django.test import Client

from models_app.models import Repo, RepoCard
from tests.runs.conftest import World, make_repo

FORM = "/alice/tuned/finetune"


def tuned(world: World, task: str = "tabular-regression", recipe: Any = None, **data: Any) -> Repo:
    plain = {
        "task": task,
        "base_model": {"repo": "alice/base"},
        "dataset": {"repo": "alice/other", **data},
        "strategy": {"kind": "full"},
    }
    text = recipe if recipe is not None else yaml.safe_dump(plain).encode()
    files = {"config.json": b"{}", "model.safetensors": b"w", "recipe.yaml": text}
    repo = make_repo(world.alice, "model", "tuned", files)
    RepoCard.objects.filter(repo=repo).update(pipeline_tag="tabular-regression", library_name="tuneyard")
    return repo


@pytest.fixture
def as_alice(client: Client, world: World) -> Client:
    make_repo(world.alice, "dataset", "houses", {"train.csv": b"rooms,price,town\n3,100,Ulm\n"})
    client.force_login(world.alice, backend="accounts.backends.AccountBackend")
    return client


def shown(client: Client, query: str = "dataset=alice/houses") -> dict[str, str]:
    form = client.get(f"{FORM}?{query}").context["form"]
    return {name: form[name].value() or "" for name in ("target_column", "columns", "target_transform")}


def test_what_the_base_was_trained_with_stands_there(as_alice: Client, world: World) -> None:
    tuned(world, target_column="price", columns=["rooms", "town"], target_transform="log")
    assert shown(as_alice) == {"target_column": "price", "columns": "rooms, town", "target_transform": "log"}


def test_a_column_the_chosen_data_set_has_not_is_left_out(as_alice: Client, world: World) -> None:
    tuned(world, target_column="rent", columns=["rooms", "garden"])
    assert shown(as_alice) == {"target_column": "", "columns": "", "target_transform": "standardize"}


@pytest.mark.parametrize("typed", ["town", ""])
def test_what_a_person_filled_in_or_emptied_stays(as_alice: Client, world: World, typed: str) -> None:
    tuned(world, target_column="price")
    assert shown(as_alice, f"dataset=alice/houses&target_column={typed}")["target_column"] == typed


def test_of_another_task_nothing_is_taken(as_alice: Client, world: World) -> None:
    tuned(world, "tabular-classification", target_column="price")
    assert shown(as_alice)["target_column"] == ""


@pytest.mark.parametrize("text", [b"", b"a: [", b"\xff\xfe", b"x: " + b"y" * 70_000, b"- 1\n"])
def test_a_recipe_that_is_none_changes_nothing(as_alice: Client, world: World, text: bytes) -> None:
    tuned(world, recipe=text)
    assert shown(as_alice)["target_column"] == ""
