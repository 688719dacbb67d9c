"""The table behind search, which Django knows nothing of: FTS5 on SQLite, trigrams on PostgreSQL.

Both find any three characters in a row, so parts of names and Chinese text are found; words are at least
three characters long here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.db import Error, connection, transaction
from django.db.models import FloatField, IntegerField
from django.db.models.expressions import RawSQL

from models_app.pairs import pairs_of, with_pairs

TABLE = "models_app_search"

_FTS = f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE} USING fts5(name, tags, body, tokenize='trigram')"
_PLAIN = (
    f"CREATE TABLE IF NOT EXISTS {TABLE}"
    " (rowid bigint PRIMARY KEY, name text NOT NULL, tags text NOT NULL, body text NOT NULL)"
)
# Small letters once, where the row is written: ILIKE would make them anew for each word and each row read.
_FOLDED = r"name || E'\n' || tags || E'\n' || body"
FOUND_IN = "texts LIKE lower(%s)"
_NAMED = "lower(name) LIKE lower(%s)"
_NAMES = f"CREATE INDEX IF NOT EXISTS {TABLE}_names ON {TABLE} USING gin (lower(name) gin_trgm_ops)"


def create() -> None:
    """Make the table. Without the right to install `pg_trgm` it has no index, and is read as a whole."""
    with connection.cursor() as cursor:
        cursor.execute(_FTS if is_sqlite() else _PLAIN)
    fold()


def fold() -> None:
    """Let the table have its texts in small letters, and their indexes, whatever it had before."""
    fold_texts(TABLE, _FOLDED)
    index_trigrams(_NAMES)


def fold_texts(table: str, texts: str) -> None:
    """Give a table on PostgreSQL the column `texts`: this expression in small letters, and its index."""
    if is_sqlite():
        return
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {table}_trigrams")
        cursor.execute(
            f"ALTER TABLE {table} DROP COLUMN IF EXISTS texts,"
            f" ADD COLUMN texts text GENERATED ALWAYS AS (lower({texts})) STORED"
        )
    index_trigrams(f"CREATE INDEX {table}_trigrams ON {table} USING gin (texts gin_trgm_ops)")


def index_trigrams(statement: str) -> None:
    """Make an index of trigrams on PostgreSQL; without the right to, there is none."""
    if is_sqlite():
        return
    with connection.cursor() as cursor, suppress(Error), transaction.atomic():
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        cursor.execute(statement)


def drop(table: str = TABLE) -> None:
    """Remove the table with all that is in it."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {table}")


def write(key: int, name: str, tags: str, body: str) -> None:
    """Let these be the texts of the repo with this key; call inside a transaction."""
    forget(key)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} (rowid, name, tags, body) VALUES (%s, %s, %s, %s)",  # noqa: S608
            [key, name, tags, with_pairs(body)],
        )


def pair_all() -> None:
    """Write the pairs behind texts that were kept before there were any."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT rowid, body FROM {TABLE}")  # noqa: S608
        texts = [(key, body) for key, body in cursor.fetchall() if pairs_of(body)]
        for key, body in texts:
            cursor.execute(
                f"UPDATE {TABLE} SET body = %s WHERE rowid = %s",  # noqa: S608
                [with_pairs(body), key],
            )


def forget(key: int) -> None:
    """Remove the texts of the repo with this key, if there are any."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE rowid = %s", [key])  # noqa: S608 (our own constant)


def keys_with(words: Sequence[str]) -> RawSQL:
    """The keys of the repos in whose texts every word is found."""
    if is_sqlite():
        where, values = f"{TABLE} MATCH %s", [_match(words)]
    else:
        where, values = " AND ".join([FOUND_IN] * len(words)), [pattern_of(word) for word in words]
    return RawSQL(f"SELECT rowid FROM {TABLE} WHERE {where}", values, IntegerField())  # noqa: S608, S611


def score_of(words: Sequence[str]) -> RawSQL:
    """How well the words fit the repo in hand, the lower the better: bm25, or where each of them is found."""
    if is_sqlite():
        # Materialized, so that SQLite ranks once: asked row by row, bm25 counts the whole table for each row.
        hits = f"SELECT rowid AS id, bm25({TABLE}, 10.0, 4.0, 1.0) AS score FROM {TABLE}"  # noqa: S608
        hits = f"WITH hits AS MATERIALIZED ({hits} WHERE {TABLE} MATCH %s)"
        query = f"({hits} SELECT score FROM hits WHERE hits.id = models_app_repo.id)"  # noqa: S608
        return RawSQL(query, [_match(words)], FloatField())  # noqa: S611 (the query is a parameter)
    # The body has what neither name nor tags have, and long ones would only be read once more.
    each = "CASE WHEN strpos(lower(name), lower(%s)) > 0 THEN 10.0 ELSE 0 END"
    each += " + CASE WHEN strpos(lower(tags), lower(%s)) > 0 THEN 4.0 ELSE 0 END"
    total = " + ".join([each] * len(words))
    query = f"(SELECT -({total}) FROM {TABLE} WHERE rowid = models_app_repo.id)"  # noqa: S608
    return RawSQL(query, [word for word in words for _ in range(2)], FloatField())  # noqa: S611


def hits(terms: Sequence[str], most: int, among: Sequence[int] | None = None) -> list[tuple[int, str, float]]:
    """(key, name, score) of the newest repos in whose texts every term is found, no more than `most`; the
    lower the score the better. `among`: only of these keys."""
    if is_sqlite():
        score, where, values = f"bm25({TABLE}, 10.0, 4.0, 1.0)", f"{TABLE} MATCH %s", [_match(terms)]
    else:
        score, where = "tags", " AND ".join([FOUND_IN] * len(terms))
        values = [pattern_of(term) for term in terms]
    if among is not None:
        where += f" AND rowid IN ({', '.join(str(int(key)) for key in among) or 'NULL'})"
    query = f"SELECT rowid, name, {score} FROM {TABLE} WHERE {where} ORDER BY rowid DESC LIMIT {most}"  # noqa: S608
    rows = _rows(query, values)
    if is_sqlite():
        return [(key, name, score) for key, name, score in rows]
    return [(key, name, _scored(name, tags, terms)) for key, name, tags in rows]


def _scored(name: str, tags: str, terms: Sequence[str]) -> float:
    """As `score_of` on PostgreSQL, which takes longer to make small letters of four thousand names."""
    name, tags = name.lower(), tags.lower()
    return -sum(10.0 * (term in name) + 4.0 * (term in tags) for term in map(str.lower, terms))


def name_hits(terms: Sequence[str], most: int) -> list[tuple[int, str, float]]:
    """As `hits`, of any repos whose name alone has every term."""
    if is_sqlite():
        where, values = f"{TABLE} MATCH %s", [f"{{name}} : ({_match(terms)})"]
    else:
        where, values = " AND ".join([_NAMED] * len(terms)), [pattern_of(term) for term in terms]
    score = -10.0 * len(terms)
    query = f"SELECT rowid, name FROM {TABLE} WHERE {where} LIMIT {most}"  # noqa: S608
    return [(key, name, score) for key, name in _rows(query, values)]


def short_hits(words: Sequence[str], scanned: int) -> list[tuple[int, str, float]]:
    """As `hits`, for words that no index knows: the newest `scanned` repos are read."""
    texts, each = "texts", FOUND_IN
    if is_sqlite():
        texts, each = "name || ' ' || tags || ' ' || body AS texts", "texts LIKE %s ESCAPE '\\'"
    newest = f"SELECT rowid, name, {texts} FROM {TABLE} ORDER BY rowid DESC LIMIT {scanned}"  # noqa: S608
    query = f"SELECT rowid, name FROM ({newest}) AS t WHERE {' AND '.join([each] * len(words))}"  # noqa: S608
    return [(key, name, 0.0) for key, name in _rows(query, [pattern_of(word) for word in words])]


def _rows(query: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


def _match(words: Sequence[str]) -> str:
    return " AND ".join('"' + word.replace('"', '""') + '"' for word in words)


def pattern_of(word: str) -> str:
    """What LIKE finds the word by wherever it stands, with a backslash before its special characters."""
    for special in ("\\", "%", "_"):
        word = word.replace(special, "\\" + special)
    return f"%{word}%"


def is_sqlite() -> bool:
    """Whether the database is SQLite, whose tables of texts are FTS5."""
    return connection.vendor == "sqlite"
