"""The table behind search, which Django knows nothing of: FTS5 on SQLite, trigrams on PostgreSQL.

Both find any three characters in a row, so parts of names and Chinese text are found; words are at least
three characters long here.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import Error, connection, transaction
from django.db.models import FloatField, IntegerField
from django.db.models.expressions import RawSQL

TABLE = "models_app_search"

_FTS = f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE} USING fts5(name, tags, body, tokenize='trigram')"
_PLAIN = (
    f"CREATE TABLE IF NOT EXISTS {TABLE}"
    " (rowid bigint PRIMARY KEY, name text NOT NULL, tags text NOT NULL, body text NOT NULL)"
)
_INDEX = f"CREATE INDEX IF NOT EXISTS {TABLE}_trigrams ON {TABLE} USING gin"
_INDEX += " (name gin_trgm_ops, tags gin_trgm_ops, body gin_trgm_ops)"
_LIKE = "(name ILIKE %s OR tags ILIKE %s OR body ILIKE %s)"


def create() -> None:
    """Make the table. Without the right to install `pg_trgm` it has no index, and is read as a whole."""
    with connection.cursor() as cursor:
        cursor.execute(_FTS if _is_sqlite() else _PLAIN)
        if not _is_sqlite():
            try:
                with transaction.atomic():
                    cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
                    cursor.execute(_INDEX)
            except Error:
                return


def drop() -> None:
    """Remove the table with all that is in it."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")


def write(key: int, name: str, tags: str, body: str) -> None:
    """Let these be the texts of the repo with this key; call inside a transaction."""
    forget(key)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} (rowid, name, tags, body) VALUES (%s, %s, %s, %s)",  # noqa: S608
            [key, name, tags, body],
        )


def forget(key: int) -> None:
    """Remove the texts of the repo with this key, if there are any."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE rowid = %s", [key])  # noqa: S608 (our own constant)


def keys_with(words: Sequence[str]) -> RawSQL:
    """The keys of the repos in whose texts every word is found."""
    if _is_sqlite():
        where, values = f"{TABLE} MATCH %s", [_match(words)]
    else:
        where = " AND ".join([_LIKE] * len(words))
        values = [_pattern(word) for word in words for _ in range(3)]
    return RawSQL(f"SELECT rowid FROM {TABLE} WHERE {where}", values, IntegerField())  # noqa: S608, S611


def score_of(words: Sequence[str]) -> RawSQL:
    """How well the words fit the repo in hand, the lower the better: bm25, or where each of them is found."""
    if _is_sqlite():
        # Materialized, so that SQLite ranks once: asked row by row, bm25 counts the whole table for each row.
        hits = f"SELECT rowid AS id, bm25({TABLE}, 10.0, 4.0, 1.0) AS score FROM {TABLE}"  # noqa: S608
        hits = f"WITH hits AS MATERIALIZED ({hits} WHERE {TABLE} MATCH %s)"
        query = f"({hits} SELECT score FROM hits WHERE hits.id = models_app_repo.id)"  # noqa: S608
        return RawSQL(query, [_match(words)], FloatField())  # noqa: S611 (the query is a parameter)
    # The body has what neither name nor tags have, and long ones would only be read once more.
    each = "CASE WHEN name ILIKE %s THEN 10.0 ELSE 0 END + CASE WHEN tags ILIKE %s THEN 4.0 ELSE 0 END"
    total = " + ".join([each] * len(words))
    query = f"(SELECT -({total}) FROM {TABLE} WHERE rowid = models_app_repo.id)"  # noqa: S608
    return RawSQL(query, [_pattern(word) for word in words for _ in range(2)], FloatField())  # noqa: S611


def _match(words: Sequence[str]) -> str:
    return " AND ".join('"' + word.replace('"', '""') + '"' for word in words)


def _pattern(word: str) -> str:
    for special in ("\\", "%", "_"):
        word = word.replace(special, "\\" + special)
    return f"%{word}%"


def _is_sqlite() -> bool:
    return connection.vendor == "sqlite"
