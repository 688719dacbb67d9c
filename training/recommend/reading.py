"""Interactions of users and items out of a split; ids are text, whole numbers without their point."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.errors import UserError
from training.recipe import InteractionData, Recipe
from training.splits import natural
from training.tabular.columns import Table, as_categories, as_numbers, as_times, infer_kind
from training.tabular.reading import read_table

MAX_IDS = 1_000_000


@dataclass(frozen=True)
class Interactions:
    """`users`, `items`: object [n], ids; `ratings` float64 [n]; `times` float64 [n], larger is later."""

    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray | None
    times: np.ndarray | None
    table: Table

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: np.ndarray) -> Interactions:
        """The rows of these numbers, in this order."""
        ratings = None if self.ratings is None else self.ratings[rows]
        times = None if self.times is None else self.times[rows]
        return Interactions(self.users[rows], self.items[rows], ratings, times, self.table.take(rows))


def interaction_data(recipe: Recipe) -> InteractionData:
    """The recipe's data set as this task has it."""
    assert isinstance(recipe.dataset, InteractionData)  # the recipe's task decides its class
    return recipe.dataset


def objective_of(data: InteractionData) -> str:
    """`rating`, `bpr` or `softmax`. Raises `UserError` where the columns do not fit it."""
    objective = data.objective
    if objective == "auto":
        objective = "rating" if data.rating_column else "softmax"
    if objective == "rating" and not data.rating_column:
        text = "dataset.objective rating needs dataset.rating_column."
        raise UserError("recipe:objective", text)
    if data.like_from is not None and (objective == "rating" or not data.rating_column):
        text = "dataset.like_from needs dataset.rating_column and dataset.objective bpr or softmax."
        raise UserError("recipe:objective", text)
    return objective


def read_interactions(data_dir: Path, split: str, data: InteractionData) -> Interactions:
    """All rows of `split`, without those rated below `like_from`. Raises `UserError` in the user's terms."""
    objective = objective_of(data)
    if data.user_column == data.item_column:
        raise UserError("recipe:columns", "dataset.user_column and dataset.item_column must differ.")
    own = () if data.user_table else (data.user_features or ())
    its = () if data.item_table else (data.item_features or ())
    title = data.title_column if not data.item_table else None
    wanted = [data.user_column, data.item_column, data.rating_column, data.time_column, *own, *its, title]
    table = read_table(data_dir, split, list(dict.fromkeys(name for name in wanted if name)))
    found = Interactions(
        ids_of(table, data.user_column),
        ids_of(table, data.item_column),
        _ratings(table, data.rating_column),
        _times(table, data.time_column),
        table,
    )
    if data.like_from is None or objective == "rating":
        return found
    assert found.ratings is not None  # `objective_of` saw to it
    kept = np.flatnonzero(found.ratings >= data.like_from)
    if not len(kept):
        text = f"No row of the split {split!r} is rated {data.like_from:g} or above (dataset.like_from)."
        raise UserError("data:empty", text)
    return found.take(kept)


def ids_of(table: Table, column: str) -> np.ndarray:
    """object [n], text. Raises `UserError` for the first row without an id."""
    cells = as_categories(table.column(column), table.where)
    missing = [row for row, cell in enumerate(cells) if cell is None]
    if missing:
        text = f"The column {column!r} is empty {table.where(missing[0])} ({len(missing):,} rows in all)."
        raise UserError("data:missing-id", text)
    return cells


def vocabulary(ids: Iterable[str], what: str) -> list[str]:
    """Every id once, numbers by value. Raises `UserError` where there are fewer than two or too many."""
    found = sorted(set(ids), key=natural)
    if len(found) < 2:
        text = f"All rows are of one {what}, {found[0][:60]!r}; there is nothing to tell apart."
        raise UserError("data:one-id", text)
    if len(found) > MAX_IDS:
        raise UserError("data:too-large", f"The data set has more than {MAX_IDS:,} {what}s.")
    return found


def places_of(ids: np.ndarray, known: list[str]) -> np.ndarray:
    """int64 [n]: the place of every id in `known`, from 1; 0 for others."""
    place = {name: index for index, name in enumerate(known, start=1)}
    return np.fromiter((place.get(name, 0) for name in ids), dtype=np.int64, count=len(ids))


def latest(users: np.ndarray, times: np.ndarray, share: float) -> tuple[list[int], list[int]]:
    """Rows in (earlier, latest): of every user with two rows or more the last `share`, one at least."""
    of_user: dict[str, list[int]] = {}
    for row in np.argsort(times, kind="stable").tolist():
        of_user.setdefault(users[row], []).append(row)
    held: list[int] = []
    for rows in of_user.values():
        count = min(max(round(len(rows) * share), 1 if share > 0 else 0), len(rows) - 1)
        held += rows[len(rows) - count :]
    out = set(held)
    return [row for row in range(len(users)) if row not in out], sorted(held)


def _ratings(table: Table, name: str | None) -> np.ndarray | None:
    if name is None:
        return None
    values = as_numbers(table.column(name), table.where)
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        where = table.where(int(missing[0]))
        text = f"The rating {name!r} is missing {where} ({len(missing):,} rows in all)."
        raise UserError("data:missing-target", text)
    return values


def _times(table: Table, name: str | None) -> np.ndarray | None:
    if name is None:
        return None
    column = table.column(name)
    if infer_kind(column) == "numeric":
        values = as_numbers(column, table.where)
    else:
        times = as_times(column, table.where)
        values = np.where(np.isnat(times), np.nan, times.astype(np.int64).astype(np.float64))
    missing = np.flatnonzero(np.isnan(values))
    if len(missing):
        raise UserError("data:missing-time", f"The time {name!r} is missing {table.where(int(missing[0]))}.")
    return values
