"""What is known of every user, or of every item: a row of features each, place 0 for who is not known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.errors import UserError
from training.recommend.reading import ids_of, vocabulary
from training.splits import natural
from training.tabular.columns import Table, rows_to_table
from training.tabular.encoding import Encoder
from training.tabular.reading import read_table

MAX_TITLE = 200


@dataclass(frozen=True)
class Side:
    """`ids[i]` has place i + 1. The first `trained` of them occur in training and get vectors of their own;
    the others, of whom only a table tells, have features alone. `numbers` float32 [1 + ids, d], `places`
    int64 [1 + ids, c], row 0 with everything missing; `sizes`: the vocabulary of each of the c columns.
    """

    ids: list[str]
    trained: int
    numbers: Tensor
    places: Tensor
    sizes: tuple[int, ...]
    titles: dict[str, str]


@dataclass(frozen=True)
class Source:
    """Where features are: columns of `table`, whose rows `keys` name; `listed`: a row is one id's own."""

    table: Table
    keys: np.ndarray
    columns: tuple[str, ...]
    listed: bool
    title: str | None = None


def open_source(
    data_dir: Path,
    interactions: tuple[Table, np.ndarray],
    *,
    name: str | None,
    key: str,
    columns: tuple[str, ...] | None,
    title: str | None = None,
) -> Source:
    """The table called `name`, or the training interactions themselves (`(table, ids)`)."""
    if name is None:
        table, ids = interactions
        return Source(table, ids, columns or (), False, title)
    wanted = None if columns is None else list(dict.fromkeys([key, *columns, *([title] if title else [])]))
    table = read_table(data_dir, name, wanted)
    ids = ids_of(table, key)
    if len(set(ids)) != len(ids):
        twice = next(row for row, one in enumerate(ids) if one in set(ids[:row]))
        text = f"The table {name!r} has a second row for {ids[twice][:60]!r} {table.where(twice)}."
        raise UserError("data:twin-rows", text)
    if title:
        table.column(title)
    if columns is None:
        columns = tuple(one for one in table.columns if one not in (key, title))
    return Source(table, ids, columns, True, title)


def fit_side(learned: np.ndarray, source: Source, what: str, log: Callable[[str], None]) -> Side:
    """`learned`: the ids of the training rows; encoders are fitted on one row for each id of the source."""
    known = vocabulary(learned, what)
    trained = len(known)
    own = set(known)
    if source.listed:
        known += sorted((one for one in source.keys.tolist() if one not in own), key=natural)
    first: dict[str, int] = {}
    for row, one in enumerate(source.keys.tolist()):
        first.setdefault(one, row)
    titles = _titles(source, first)
    if not source.columns:
        return Side(known, trained, torch.empty(len(known) + 1, 0), _no_places(len(known) + 1), (), titles)
    table = source.table.take(np.array(list(first.values())))
    encoder, left_out = Encoder.fit(table, source.columns)
    for name, why in left_out.items():
        log(f"The column {name!r} of {what}s is left out: {why}.")
    numbers, places = encoder.encode(table)
    nothing = rows_to_table([dict.fromkeys(encoder.columns)], lambda index: f"in row {index + 1}")
    nobody = encoder.encode(nothing)
    row_of = {one: index for index, one in enumerate(first, start=1)}
    lacking = sum(one not in row_of for one in known)
    if lacking:
        log(f"{lacking:,} of {len(known):,} {what}s have no row of features.")
    chosen = torch.tensor([0, *(row_of.get(one, 0) for one in known)])
    return Side(
        known,
        trained,
        torch.cat([nobody[0], numbers])[chosen],
        torch.cat([nobody[1], places])[chosen],
        tuple(encoder.sizes),
        titles,
    )


def _titles(source: Source, first: dict[str, int]) -> dict[str, str]:
    if source.title is None:
        return {}
    cells = source.table.column(source.title).values
    return {one: str(cells[row])[:MAX_TITLE] for one, row in first.items() if cells[row] is not None}


def _no_places(rows: int) -> Tensor:
    return torch.empty(rows, 0, dtype=torch.long)
