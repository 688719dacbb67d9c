"""Saved searches: what of each is new to its person, and where it leads. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Max, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from models_app.facets import facets_of
from models_app.finding import found_repos, question_of
from models_app.models import Repo, RepoType, SavedSearch

MAX_COUNTED = 100
TYPES = {
    RepoType.MODEL: _("Models"),
    RepoType.DATASET: _("Datasets"),
    RepoType.SPACE: _("Spaces"),
    RepoType.KERNEL: _("Kernels"),
}


@dataclass(frozen=True)
class SavedLine:
    """One saved search as its page shows it."""

    row: SavedSearch
    type_title: Any
    words: list[str]
    new: int

    @property
    def is_many(self) -> bool:
        return self.new >= MAX_COUNTED


def saved_of(actor: Actor) -> QuerySet[SavedSearch]:
    """The actor's own, the newest first."""
    if actor.user is None:
        return SavedSearch.objects.none()
    return SavedSearch.objects.filter(user=actor.user).order_by("-created_at", "-pk")


def lines_of(actor: Actor) -> list[SavedLine]:
    """Each with how many repos are new to it; one query each."""
    return [
        SavedLine(
            row, TYPES.get(RepoType(row.repo_type), row.repo_type), words_of(row), new_count(actor, row)
        )
        for row in saved_of(actor)
    ]


def new_count(actor: Actor, row: SavedSearch) -> int:
    """How many repos its person has not seen the list with, as far as anybody counts."""
    found = found_repos(actor, row.repo_type, QueryDict(row.query)).filter(pk__gt=row.seen_pk)
    return found.order_by()[:MAX_COUNTED].count()


def newest_key() -> int:
    """The greatest key any repo has: what comes later is new."""
    return int(Repo.objects.aggregate(last=Max("pk"))["last"] or 0)


def words_of(row: SavedSearch) -> list[str]:
    """What it asks for, a few words each."""
    question = question_of(row.repo_type, QueryDict(row.query))
    titles = {facet.name: facet.title for facet in facets_of(row.repo_type)}
    words = [f"“{question.text}”"] if question.text else []
    words += [f"{titles[name]}: {', '.join(values)}" for name, values in question.chosen.items()]
    return [*words, question.measured.board] if question.measured else words


def list_address(row: SavedSearch) -> str:
    """The list it stands for, the newest first."""
    return f"/{row.repo_type}s?{row.query}{'&' if row.query else ''}sort=created"
