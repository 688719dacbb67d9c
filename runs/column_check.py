"""Columns that a recipe names and its data set lacks: told before anything is queued, where it is certain."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from models_app.models import Repo
from runs.columns import SplitColumns, split_columns
from training.recipe import Problem, Recipe

_LISTED = 20
# Fields of `dataset` that name columns of the training rows; a field that is empty names none.
_SERIES = ("time_column", "target_columns", "series_column", "known_columns", "past_columns")
_MEETINGS = ("user_column", "item_column", "rating_column", "time_column")
_FIELDS: dict[str, tuple[str, ...]] = {
    "image-classification": ("image_column", "label_column"),
    "image-multilabel": ("image_column", "label_column", "label_columns"),
    "image-regression": ("image_column", "label_column"),
    "tabular-classification": ("target_column", "columns", "categorical"),
    "tabular-regression": ("target_column", "columns", "categorical"),
    "time-series-forecasting": _SERIES,
    "text-classification": ("text_column", "second_text_column", "label_column"),
    "token-classification": ("tokens_column", "tags_column"),
    "text-generation": ("messages_column", "prompt_column", "answer_column", "text_column"),
    "translation": ("source_column", "target_column"),
    "summarization": ("source_column", "target_column"),
    "recommendation": (*_MEETINGS, "user_features", "item_features", "title_column"),
    "multimodal-classification": ("image_column", "text_column", "columns", "label_column"),
    "semantic-segmentation": ("image_column", "mask_column"),
}


def column_problems(recipe: Recipe, data: Repo, oid: str) -> Iterator[Problem]:
    """One for each name that is not a column, with the columns there are.

    Silent where it cannot be told which file the engine reads, or what is in it: the run finds out then.
    """
    fields = _FIELDS.get(recipe.task)
    found = split_columns(data.pk, oid, recipe.dataset.train_split) if fields else None
    if found is None:
        return
    for field, name in _named(recipe, fields or (), found):
        if name not in found.names:
            yield Problem(f"dataset.{field}", _words(field, name, data, found))


def _named(recipe: Recipe, fields: tuple[str, ...], found: SplitColumns) -> Iterator[tuple[str, str]]:
    """(field, column) of every column that the engine will want of this file."""
    elsewhere = _elsewhere(recipe, found)
    for field in fields:
        value = getattr(recipe.dataset, field)
        if value is None or field in elsewhere:
            continue
        for name in (value,) if isinstance(value, str) else value:
            yield field, name


def _elsewhere(recipe: Recipe, found: SplitColumns) -> set[str]:
    """Fields that are not read, or not from this file."""
    data, left_out = recipe.dataset, set[str]()
    if not found.path.endswith(".parquet"):
        # A list of files has its own column for them, and the engine its own words for masks beside it.
        left_out |= {"mask_column"} | ({"image_column"} if "file_name" in found.names else set())
    if getattr(data, "label_columns", None):
        left_out.add("label_column")
    if getattr(data, "prompt_column", None) and getattr(data, "answer_column", None):
        left_out |= {"messages_column", "text_column"}
    elif recipe.task == "text-generation" and getattr(data, "text_column", None):
        left_out |= {"messages_column", "prompt_column", "answer_column"}
    elif recipe.task == "text-generation":
        left_out |= {"prompt_column", "answer_column"}
    if getattr(data, "user_table", None):
        left_out.add("user_features")
    if getattr(data, "item_table", None):
        left_out |= {"item_features", "title_column"}
    return left_out


def _words(field: str, name: str, data: Repo, found: SplitColumns) -> str:
    near = difflib.get_close_matches(name, found.names, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    have = ", ".join(one[:60] for one in found.names[:_LISTED])
    more = ", …" if len(found.names) > _LISTED else ""
    return (
        f"dataset.{field}: {found.path} of {data.repo_id} has no column {name!r}; its columns are: "
        f"{have}{more}.{hint}"
    )
