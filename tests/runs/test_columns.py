"""A column that the data set has not is told at submission, by field; where it cannot be told, nothing is."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client

from accounts.actor import Actor
from models_app.models import RepoCard
from runs import actions
from runs.models import Run
from tests.runs.conftest import World, make_repo
from training.recipe import RecipeError, parse_recipe

HOUSES = b"rooms,price,town\n3,100,Ulm\n4,120,Bonn\n"


def parquet(**columns: list[Any]) -> bytes:
    import pyarrow
    from pyarrow import parquet as pq

    file = io.BytesIO()
    pq.write_table(pyarrow.table(columns), file)
    return file.getvalue()


def problems(world: World, task: str, files: dict[str, bytes], **data: Any) -> dict[str, str]:
    """By field, of submitting a run of the task on a data set of these files."""
    make_repo(world.alice, "dataset", "rows", files)
    plain = {
        "task": task,
        "base_model": {"repo": "alice/base"},
        "dataset": {"repo": "alice/rows", **data},
        "strategy": {"kind": "full"},
    }
    try:
        actions.submit(Actor(world.alice), recipe=parse_recipe(plain), target="alice/tuned")
    except RecipeError as error:
        assert not Run.objects.exists()
        return {problem.field: problem.message for problem in error.problems}
    return {}


@pytest.mark.parametrize(
    "files",
    [
        {"train.csv": HOUSES},
        {"data/train.csv": b"\xef\xbb\xbf" + HOUSES, "test.csv": b"prise\n1\n"},
        {"train/metadata.csv": HOUSES},
        {"train.jsonl": b'{"rooms": 3}\n\n{"price": 1, "town": "Ulm"}\n'},
        {"data/train-00000-of-00002.parquet": parquet(rooms=[3], price=[100], town=["Ulm"])},
        {"train/part.parquet": parquet(rooms=[3], price=[100], town=["Ulm"]), "train.csv": b"prise\n1\n"},
    ],
)
def test_a_misspelt_column_is_named_with_those_there_are(world: World, files: dict[str, bytes]) -> None:
    found = problems(world, "tabular-regression", files, target_column="prise")
    assert list(found) == ["dataset.target_column"]
    assert "no column 'prise'; its columns are: rooms, price, town. Did you mean price?" in found.popitem()[1]


def test_a_column_that_is_there_is_fine(world: World) -> None:
    data = {"target_column": "price", "columns": ["rooms"], "categorical": ["rooms"]}
    assert problems(world, "tabular-regression", {"train.csv": HOUSES}, **data) == {}


def test_every_wrong_name_of_a_list_is_told(world: World) -> None:
    data = {"target_column": "price", "columns": ["rooms", "garden"]}
    assert (
        "'garden'" in problems(world, "tabular-regression", {"train.csv": HOUSES}, **data)["dataset.columns"]
    )


@pytest.mark.parametrize(
    "files",
    [
        {"README.md": b"nothing"},
        {"train.csv": HOUSES, "train.jsonl": b'{"price": 1}\n'},
        {"train.tsv": b"rooms\tprice\n"},
        {"houses.csv": HOUSES},
        {"train.parquet": b"PAR1 this is none PAR1"},
        {"train.csv": b""},
        {"train.csv": b"x" * 300_000},
        {"train.jsonl": b'{"rooms": 3}\n' * 30_000},
        {"train.jsonl": b"[1]\n"},
    ],
)
def test_what_cannot_be_told_is_left_to_the_run(world: World, files: dict[str, bytes]) -> None:
    assert problems(world, "tabular-regression", files, target_column="prise") == {}


@pytest.mark.parametrize(
    ("task", "header", "data", "wrong"),
    [
        ("text-classification", "text,label", {}, []),
        ("text-classification", "review,label", {}, ["text_column"]),
        ("text-classification", "review,label", {"text_column": "review"}, []),
        ("token-classification", "tokens,labels", {}, ["tags_column"]),
        ("text-generation", "messages", {}, []),
        ("text-generation", "prompt,answer", {"prompt_column": "prompt", "answer_column": "answer"}, []),
        ("text-generation", "prompt,reply", {}, ["messages_column"]),
        ("text-generation", "body", {"text_column": "body"}, []),
        ("translation", "en,de", {"source_column": "en", "target_column": "fr"}, ["target_column"]),
        ("time-series-forecasting", "timestamp,value", {}, []),
        ("time-series-forecasting", "date,value", {}, ["time_column"]),
        ("recommendation", "user,item", {"user_features": ["age"], "user_table": "users"}, []),
        ("recommendation", "user,item", {"user_features": ["age"]}, ["user_features"]),
        ("image-classification", "file_name,label", {}, []),
        ("image-classification", "image,class", {}, ["label_column"]),
        ("image-multilabel", "file_name,cat,dog", {"label_columns": ["cat", "dog"]}, []),
        ("image-multilabel", "file_name,cat", {"label_columns": ["cat", "dog"]}, ["label_columns"]),
        ("semantic-segmentation", "file_name,mask_file_name", {}, []),
        ("object-detection", "whatever", {}, []),
    ],
)
def test_each_task_wants_its_own(
    world: World, task: str, header: str, data: dict[str, Any], wrong: list[str]
) -> None:
    row = ",".join("1" for _ in header.split(","))
    found = problems(world, task, {"train.csv": f"{header}\n{row}\n".encode()}, **data)
    assert list(found) == [f"dataset.{name}" for name in wrong]


def test_every_field_that_is_checked_is_one_of_the_task() -> None:
    from runs.column_check import _FIELDS
    from training.recipe import TASK_DATA

    for task, fields in _FIELDS.items():
        assert set(fields) <= set(TASK_DATA[task].__dataclass_fields__), task


def test_the_form_tells_it_beside_the_field(client: Client, world: World) -> None:
    RepoCard.objects.filter(repo=world.base).update(pipeline_tag="tabular-regression")
    make_repo(world.alice, "dataset", "houses", {"train.csv": HOUSES})
    client.force_login(world.alice, backend="accounts.backends.AccountBackend")
    form = client.get("/alice/base/finetune?dataset=alice/houses").context["form"]
    values = {field.name: str(field.value()) for field in form if field.value() not in (None, False)}
    values |= {"dataset": "alice/houses", "target_column": "prise", "name": "tuned", "benchmark": ""}
    response = client.post("/alice/base/finetune", values)
    assert response.status_code == 422
    errors = response.context["form"].errors
    assert list(errors) == ["target_column"]
    assert "has no column 'prise'" in errors["target_column"][0]
    assert response.context["form"]["target_column"].value() == "prise"
