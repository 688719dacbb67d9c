"""Search over repos: one facade, FTS5 on SQLite, plain substring matching elsewhere.

FTS5's trigram tokenizer finds any three characters in a row, so parts of names and Chinese text are found;
shorter words are matched as substrings. Every word of the query must be found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import Case, F, FloatField, IntegerField, Q, Value, When
from django.db.models.expressions import RawSQL

if TYPE_CHECKING:
    from models_app.models import Repo, RepoCard, RepoQuerySet

TABLE = "models_app_search"
MAX_QUERY_CHARS = 200
MAX_WORDS = 10
MAX_BODY_CHARS = 20_000
CREATE_TABLE = f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE} USING fts5(name, tags, body, tokenize='trigram')"


def index_repo(repo: Repo, card: RepoCard) -> None:
    """Make `repo` findable by what `card` says; call inside the transaction that wrote the card."""
    if not _has_fts():
        return
    tags = " ".join(tag.text for tag in repo.tag_rows.all())
    body = f"{card.summary}\n{card.search_text}"[:MAX_BODY_CHARS]
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE rowid = %s", [repo.pk])  # noqa: S608 (our own constant)
        cursor.execute(
            f"INSERT INTO {TABLE} (rowid, name, tags, body) VALUES (%s, %s, %s, %s)",  # noqa: S608
            [repo.pk, repo.repo_id, tags, body],
        )


def forget_repo(repo_pk: int) -> None:
    """Remove a deleted repo's text; call inside the transaction that deletes it."""
    if _has_fts():
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {TABLE} WHERE rowid = %s", [repo_pk])  # noqa: S608


def search_repos(queryset: RepoQuerySet, text: str) -> RepoQuerySet:
    """The repos of `queryset` in which every word of `text` is found, best first.

    A name that equals or begins with the query comes first, then by relevance, then the newest. Quotes and
    operators are words like any other: no text is an error. Blank text changes nothing.
    """
    words = text.replace("\0", " ")[:MAX_QUERY_CHARS].split()[:MAX_WORDS]
    if not words:
        return queryset
    wanted = " ".join(words)
    queryset = queryset.annotate(name_match=_name_match(wanted))
    long_words = [word for word in words if len(word) >= 3] if _has_fts() else []
    for word in words:
        if word not in long_words:
            queryset = queryset.filter(_contains(word))
    if not long_words:
        return queryset.order_by("name_match", "-last_modified", "-pk")
    match = " AND ".join('"' + word.replace('"', '""') + '"' for word in long_words)
    # Materialized, so that SQLite ranks once: asked row by row, bm25 counts the whole table for each row.
    score = RawSQL(  # noqa: S611 (the query is a parameter)
        f"(WITH hits AS MATERIALIZED (SELECT rowid AS id, bm25({TABLE}, 10.0, 4.0, 1.0) AS score"  # noqa: S608
        f" FROM {TABLE} WHERE {TABLE} MATCH %s) SELECT score FROM hits WHERE hits.id = models_app_repo.id)",
        [match],
        output_field=FloatField(),
    )
    found = RawSQL(f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s", [match], IntegerField())  # noqa: S608, S611
    queryset = queryset.filter(pk__in=found).annotate(score=score)
    return queryset.order_by("name_match", F("score").asc(nulls_last=True), "-last_modified", "-pk")


def _name_match(wanted: str) -> Case:
    """0 for the name itself, 1 for its beginning, 2 for the rest; the id's two halves count too."""
    namespace, _, name = wanted.partition("/")
    exact = Q(name__iexact=wanted)
    begins = Q(name__istartswith=wanted)
    if name:
        exact |= Q(namespace__name__iexact=namespace, name__iexact=name)
        begins |= Q(namespace__name__iexact=namespace, name__istartswith=name)
    whens = (When(exact, then=Value(0)), When(begins, then=Value(1)))
    return Case(*whens, default=Value(2), output_field=IntegerField())


def _contains(word: str) -> Q:
    in_id = Q(name__icontains=word) | Q(namespace__name__icontains=word)
    return in_id | Q(card__search_text__icontains=word)


def _has_fts() -> bool:
    return connection.vendor == "sqlite"
