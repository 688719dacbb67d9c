"""Search over what is said in discussions, pull requests and the forum: one row of text for each comment.

Beside `search_table`, and like it: FTS5 on SQLite, trigrams on PostgreSQL, so any part of a word is found and
Chinese text too. The first comment's row carries the thread's title.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import connection

from models_app import search_table
from models_app.models import Discussion, DiscussionEvent, Repo
from models_app.pairs import pairs_of, terms_of, with_pairs
from models_app.search import words_of
from models_app.search_table import FOUND_IN, is_sqlite, pattern_of

if TYPE_CHECKING:
    from accounts.actor import Actor

TABLE = "models_app_threadsearch"
# So many of the newest comments with the words are looked at; what is found is bounded by it, as is the work.
MOST_HITS = 400
# For each thread that is wanted so many comments, of which several may be of one thread or for nobody to see:
# mostly the first number is enough.
HITS_FIRST, HITS_EACH = 8, 25
MAX_BODY_CHARS = 20_000
_COMMENT = "comment"

_FTS = f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE} USING fts5(title, body, tokenize='trigram')"
_PLAIN = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (rowid bigint PRIMARY KEY, title text NOT NULL, body text NOT NULL)"
)
_TEXTS = "title || ' ' || body"
_FILL = (
    f"INSERT INTO {TABLE} (rowid, title, body)"  # noqa: S608 (our own constants)
    f" SELECT e.id, CASE WHEN e.id = f.first THEN d.title ELSE '' END, substr(e.body, 1, {MAX_BODY_CHARS})"
    " FROM models_app_discussionevent e JOIN models_app_discussion d ON d.id = e.discussion_id"
    " JOIN (SELECT discussion_id, min(id) AS first FROM models_app_discussionevent"
    f" WHERE type = '{_COMMENT}' GROUP BY discussion_id) f ON f.discussion_id = d.id"
    f" WHERE e.type = '{_COMMENT}'"
)
_EACH = f"SELECT rowid, title, body FROM {TABLE} ORDER BY rowid"  # noqa: S608


def create() -> None:
    """Make the table and fill it. Without the right to install `pg_trgm` it is read as a whole."""
    with connection.cursor() as cursor:
        cursor.execute(_FTS if is_sqlite() else _PLAIN)
        cursor.execute(_FILL)
        cursor.execute(_EACH)
        rows = cursor.fetchall()
    for key, title, body in rows:
        if pairs_of(f"{title}\n{body}"):
            _write(key, title, body)
    fold()


def fold() -> None:
    """Let the table have its texts in small letters, and their index, whatever it had before."""
    search_table.fold_texts(TABLE, _TEXTS)


def drop() -> None:
    """Remove the table with all that is in it."""
    search_table.drop(TABLE)


def index_comment(event: DiscussionEvent) -> None:
    """Make a comment findable as it is now; call inside the transaction that wrote it."""
    first = _first_of(event.discussion_id)
    title = event.discussion.title if first in (None, event.pk) else ""
    _write(event.pk, title, event.body)


def index_title(discussion: Discussion) -> None:
    """Make a thread findable by its new title; call inside the transaction that wrote it."""
    comments = DiscussionEvent.objects.filter(discussion=discussion, type=_COMMENT)
    first = comments.order_by("pk").first()
    if first is not None:
        _write(first.pk, discussion.title, first.body)


def forget_threads(repo_pk: int) -> None:
    """Remove the texts of all threads of a repo; call before its rows are deleted."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {TABLE} WHERE rowid IN (SELECT e.id FROM models_app_discussionevent e"  # noqa: S608
            " JOIN models_app_discussion d ON d.id = e.discussion_id WHERE d.repo_id = %s)",
            [repo_pk],
        )


def found_threads(actor: Actor, text: str, most: int) -> list[Discussion]:
    """Threads the actor may read in one comment (or title) of which every word is found, the newest talk
    first. Words of fewer than three characters count as parts of a phrase only where nothing is longer."""
    terms, short = terms_of(words_of(text))
    for each in (HITS_FIRST, HITS_EACH):
        looked_at = min(MOST_HITS, each * most)
        keys = _keys_with(terms, short, looked_at)
        found = _threads_of(actor, keys)[:most]
        if len(found) == most or len(keys) < looked_at:
            break
    rows = Discussion.objects.select_related("repo__namespace", "author").in_bulk(found)
    return [rows[key] for key in found if key in rows]


def _threads_of(actor: Actor, comments: Sequence[int]) -> list[int]:
    """Keys of the threads with these comments that the actor may read, the newest talk first."""
    said = DiscussionEvent.objects.filter(pk__in=comments).values_list("discussion_id", flat=True)
    threads = Discussion.objects.filter(pk__in=set(said))
    places = list(threads.order_by("-last_activity_at", "-pk").values_list("pk", "repo_id"))
    repos = Repo.objects.visible_to(actor).filter(pk__in={repo for _, repo in places})
    seen = set(repos.values_list("pk", flat=True))
    return [key for key, repo in places if repo in seen]


def _keys_with(long_words: Sequence[str], short_words: Sequence[str], most: int) -> list[int]:
    """Keys of the newest comments with all these words."""
    if not long_words and not short_words:
        return []
    parts, values = [], []
    if is_sqlite() and long_words:
        parts.append(f"{TABLE} MATCH %s")
        values.append(" AND ".join('"' + word.replace('"', '""') + '"' for word in long_words))
    plain = short_words if is_sqlite() else [*long_words, *short_words]
    parts += [f"{_TEXTS} LIKE %s ESCAPE '\\'" if is_sqlite() else FOUND_IN] * len(plain)
    values += [pattern_of(word) for word in plain]
    # Without a word that the index knows, only the newest are read.
    columns = "title, body" if is_sqlite() else "texts"
    newest = f"(SELECT rowid, {columns} FROM {TABLE} ORDER BY rowid DESC LIMIT {50 * MOST_HITS}) AS t"  # noqa: S608
    scope = TABLE if long_words else newest
    query = f"SELECT rowid FROM {scope} WHERE {' AND '.join(parts)}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"{query} ORDER BY rowid DESC LIMIT {most}", values)
        return [key for (key,) in cursor.fetchall()]


def _first_of(discussion_pk: int) -> int | None:
    rows = DiscussionEvent.objects.filter(discussion=discussion_pk, type=_COMMENT).order_by("pk")
    return rows.values_list("pk", flat=True).first()


def _write(key: int, title: str, body: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE rowid = %s", [key])  # noqa: S608
        cursor.execute(
            f"INSERT INTO {TABLE} (rowid, title, body) VALUES (%s, %s, %s)",  # noqa: S608
            [key, title, with_pairs(f"{title}\n{body[:MAX_BODY_CHARS]}")],
        )
