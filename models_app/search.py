"""Search over repos: one facade over the table of texts (`search_table`) and the columns of a repo.

Words of three characters or more are found anywhere in name, tags and card; shorter ones in the name and the
card's text. Every word of the query must be found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Case, F, IntegerField, Q, Value, When

from models_app import search_table
from models_app.models import Repo, RepoCard, RepoQuerySet
from models_app.pairs import terms_of

MAX_QUERY_CHARS = 200
MAX_WORDS = 10
MAX_BODY_CHARS = 20_000
# Of a text that many repos have, so many of the newest are put in order, and so many by their names.
MOST_HITS = 4000
# For words that no index knows so many of the newest repos are read.
MOST_READ = 10_000
MAX_NAMESAKES = 200
NAMESAKE = -100.0


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
    words = words_of(text)
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


def words_of(text: str) -> list[str]:
    """The words of a query, of a length that can be answered."""
    return text.replace("\0", " ")[:MAX_QUERY_CHARS].split()[:MAX_WORDS]


def found_keys(text: str, among: Sequence[int] | None = None, most: int = 0) -> list[int]:
    """Keys of repos of every type in which all words of `text` are found, best first; who may see them is for
    the caller to ask.

    The work is bounded: of a text that many repos have, the newest `MOST_HITS` are found and those that have
    it in their names (or `most`); `among` (keys of not too many repos) leaves nothing out.
    """
    terms, short = terms_of(words_of(text))
    if not terms and not short:
        return []
    if not terms:
        rows = search_table.short_hits(short, MOST_READ)
    else:
        most = min(most, MOST_HITS) or MOST_HITS
        rows = search_table.hits(terms, most, among)
        if len(rows) == most:
            rows += search_table.name_hits(terms, most)
            rows += _named(text)
    wanted = " ".join(words_of(text)).lower()
    best: dict[int, tuple[int, float, int]] = {}
    for key, name, score in rows:
        place = (_place_of(name.lower(), wanted), score, -key)
        if key not in best or place < best[key]:
            best[key] = place
    if terms and short:
        having = _having(short, best)
        best = {key: place for key, place in best.items() if key in having}
    return sorted(best, key=best.__getitem__)


def _place_of(name: str, wanted: str) -> int:
    """0 for the name itself, 1 for its beginning, 2 for the rest; the id counts as well."""
    own = name.partition("/")[2]
    if wanted in (name, own):
        return 0
    return 1 if own.startswith(wanted) or name.startswith(wanted) else 2


def _named(text: str) -> list[tuple[int, str, float]]:
    """Repos that are called just this."""
    rows = Repo.objects.filter(name__lower=" ".join(words_of(text)).lower()).order_by("-pk")
    found = rows.select_related("namespace")[:MAX_NAMESAKES]
    return [(repo.pk, repo.repo_id, NAMESAKE) for repo in found]


def _having(short: Sequence[str], keys: Iterable[int]) -> set[int]:
    """Which of these repos have words that are too short for the index."""
    repos = Repo.objects.filter(pk__in=list(keys))
    for word in short:
        repos = repos.filter(_contains(word))
    return set(repos.values_list("pk", flat=True))


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
