"""Search over repos: one facade over the table of texts (`search_table`) and the columns of a repo.

Words of three characters or more are found anywhere in name, tags and card; shorter ones in the name and the
card's text. Every word of the query must be found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Case, F, IntegerField, Q, Value, When

from models_app import search_table

if TYPE_CHECKING:
    from models_app.models import Repo, RepoCard, RepoQuerySet

MAX_QUERY_CHARS = 200
MAX_WORDS = 10
MAX_BODY_CHARS = 20_000


def index_repo(repo: Repo, card: RepoCard) -> None:
    """Make `repo` findable by what `card` says; call inside the transaction that wrote the card."""
    tags = " ".join(tag.text for tag in repo.tag_rows.all())
    search_table.write(repo.pk, repo.repo_id, tags, f"{card.summary}\n{card.search_text}"[:MAX_BODY_CHARS])


def forget_repo(repo_pk: int) -> None:
    """Remove a deleted repo's text; call inside the transaction that deletes it."""
    search_table.forget(repo_pk)


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
    long_words = [word for word in words if len(word) >= 3]
    for word in words:
        if word not in long_words:
            queryset = queryset.filter(_contains(word))
    if not long_words:
        return queryset.order_by("name_match", "-last_modified", "-pk")
    queryset = queryset.filter(pk__in=search_table.keys_with(long_words))
    queryset = queryset.annotate(score=search_table.score_of(long_words))
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
