"""How much of a table is read, and what is refused before any of it is."""

from __future__ import annotations

from training.errors import UserError
from training.tabular.columns import MAX_COLUMNS

# A column of text costs some 60 bytes a cell, one of numbers 8.
MAX_CELLS = 50_000_000
MAX_ROWS = 10_000_000


def row_limit(columns: int, name: str) -> int:
    if columns > MAX_COLUMNS:
        raise UserError("data:too-large", f"The table {name} has more than {MAX_COLUMNS:,} columns.")
    return min(MAX_ROWS, MAX_CELLS // max(columns, 1))


def refuse_twins(names: list[str], file: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UserError("data:twin-columns", f"{file} has two columns called {name[:100]!r}.")
        seen.add(name)


def too_many(name: str, limit: int) -> UserError:
    return UserError(
        "data:too-large", f"The table {name} has more than {limit:,} rows, too many for its width."
    )
