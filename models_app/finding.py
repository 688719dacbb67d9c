"""What a list's address asks for, and the repos that answer it: one reading for pages and saved searches.

found_repos(actor, "model", query)   the repos, only those that the actor may see
clean_query("model", query)          the same question as short text, whatever order it was put in
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import QueryDict

from accounts.actor import Actor
from models_app.facets import MAX_VALUE_CHARS, MAX_VALUES, Facet, facets_of, measured_results
from models_app.models import EvalResult, Repo, RepoQuerySet, RepoType
from models_app.search import MAX_QUERY_CHARS, search_repos


@dataclass(frozen=True)
class Measured:
    """A verified result that a model must have: on this board, of this task (empty: any), within bounds."""

    board: str
    task_id: str = ""
    low: float | None = None
    high: float | None = None

    def results(self) -> QuerySet[EvalResult]:
        return measured_results(self.board, self.task_id, self.low, self.high)


@dataclass(frozen=True)
class Question:
    """What a list's address asks for; everything in it has been checked."""

    repo_type: str
    text: str = ""
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    measured: Measured | None = None

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.chosen or self.measured)

    def condition(self, *, but: str = "") -> Q:
        """What a repo must be, the text and the facet `but` left out."""
        condition = Q()
        for facet in facets_of(self.repo_type):
            if facet.name != but and (values := self.chosen.get(facet.name)):
                condition &= facet.condition(values)
        return condition & Q(pk__in=self.measured.results().values("repo")) if self.measured else condition

    def pairs(self) -> list[tuple[str, str]]:
        """The question as an address says it, always in the same order."""
        pairs = [("search", self.text)] if self.text else []
        pairs += [
            (facet.name, value)
            for facet in facets_of(self.repo_type)
            for value in sorted(self.chosen.get(facet.name, ()))
        ]
        if self.measured:
            wanted = self.measured
            pairs.append(("board", wanted.board))
            if wanted.task_id:
                pairs.append(("task_id", wanted.task_id))
            bounds = (("min", wanted.low), ("max", wanted.high))
            pairs += [(name, f"{value:.12g}") for name, value in bounds if value is not None]
        return pairs


def found_repos(actor: Actor, repo_type: str, query: QueryDict) -> RepoQuerySet:
    """The repos of one type that the actor may see and that answer the query.

    A query with `search` comes best first; any other has no order. No query is an error: what makes no sense
    in it is left out.
    """
    question = question_of(repo_type, query)
    repos = Repo.objects.visible_to(actor).of_type(repo_type).filter(question.condition())
    return search_repos(repos, question.text)


def clean_query(repo_type: str, query: QueryDict) -> str:
    """The query as text without page and sort; two that ask the same are the same text."""
    return urlencode(question_of(repo_type, query).pairs())


def question_of(repo_type: str, query: QueryDict) -> Question:
    """Read an address; unknown parameters and impossible values are left out."""
    text = " ".join(_plain(query.get("search", ""), MAX_QUERY_CHARS).split())
    chosen = {facet.name: values for facet in facets_of(repo_type) if (values := _values(facet, query))}
    measured = _measured(query) if repo_type == RepoType.MODEL else None
    return Question(repo_type, text, chosen, measured)


def _values(facet: Facet, query: QueryDict) -> tuple[str, ...]:
    given = (_plain(value, MAX_VALUE_CHARS) for value in query.getlist(facet.name)[: 4 * MAX_VALUES])
    accepted = [value for value in dict.fromkeys(given) if facet.accepts(value)]
    return tuple(accepted[:MAX_VALUES])


def _measured(query: QueryDict) -> Measured | None:
    board = _plain(query.get("board", ""), 200)
    namespace, _, name = board.partition("/")
    if not (namespace and name):
        return None
    low, high = _number(query.get("min", "")), _number(query.get("max", ""))
    return Measured(board, _plain(query.get("task_id", ""), 100), low, high)


def _number(text: str) -> float | None:
    try:
        number = float(text[:32])
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _plain(text: str, limit: int) -> str:
    """Without what no database keeps: NUL, halves of characters."""
    whole = text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")
    return whole.strip()[:limit]
