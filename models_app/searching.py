"""Search over everything there is: repos of every type, what is said, people, collections, help pages.

A few of each for one glance. What the actor may not know of is never looked at further than its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, IntegerField, Q, Value, When
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from accounts.models import Namespace
from models_app.helpsearch import search_docs
from models_app.listing import HEAVY
from models_app.models import Collection, Repo, RepoType
from models_app.search import found_keys, words_of
from models_app.thread_search import found_threads

# Of repos of every type together so many of the best are sorted into sections.
MOST_SORTED = 300
TITLES: dict[str, Any] = {
    RepoType.MODEL: _("Models"),
    RepoType.DATASET: _("Datasets"),
    RepoType.RECIPE: _("Recipes"),
    RepoType.TUTORIAL: _("Tutorials"),
    RepoType.FORUM: _("Topics of the forum"),
    RepoType.SPACE: _("Spaces"),
    RepoType.KERNEL: _("Kernels"),
}
# Lists that can be asked for the same words.
_LISTS = {
    RepoType.MODEL: "models",
    RepoType.DATASET: "datasets",
    RepoType.SPACE: "spaces",
    RepoType.KERNEL: "kernels",
}
_KINDS = ("people", "threads", "collections", "docs")


@dataclass(frozen=True)
class Section:
    """What was found of one kind; `more` leads to all of it, where there is such a list."""

    kind: str
    title: Any
    rows: Sequence[Any] = field(default_factory=list)
    more: str = ""
    # Whether there are more than are shown.
    is_more: bool = False


def search_everything(actor: Actor, text: str, most: int, *, only: str = "") -> list[Section]:
    """Sections with something in them; `only` one of them. Blank text finds nothing."""
    if not words_of(text):
        return []
    sections = _repos(actor, text, most, only)
    if only in ("", *_KINDS):
        sections += [section for section in _others(actor, text, most, only) if section.rows]
    return sections


def _repos(actor: Actor, text: str, most: int, only: str) -> list[Section]:
    if only and only not in TITLES:
        return []
    keys = found_keys(text, most=MOST_SORTED)[:MOST_SORTED]
    seen = Repo.objects.visible_to(actor).filter(pk__in=keys, repo_type__in=[only] if only else list(TITLES))
    types = dict(seen.values_list("pk", "repo_type"))
    of_type: dict[str, list[int]] = {kind: [] for kind in TITLES}
    for key in keys:
        if key in types:
            of_type[types[key]].append(key)
    wanted = [key for found in of_type.values() for key in found[:most]]
    rows = {repo.pk: repo for repo in Repo.objects.filter(pk__in=wanted).for_lists().defer(*HEAVY)}
    return [
        Section(
            kind,
            TITLES[kind],
            [rows[key] for key in found[:most] if key in rows],
            f"/{_LISTS[RepoType(kind)]}?{urlencode({'search': text})}" if kind in _LISTS else "",
            len(found) > most,
        )
        for kind, found in of_type.items()
        if found
    ]


def _others(actor: Actor, text: str, most: int, only: str) -> list[Section]:
    found = {
        "threads": lambda: Section("threads", _("Discussions"), found_threads(actor, text, most)),
        "people": lambda: Section("people", _("People and organizations"), people(text, most)),
        "collections": lambda: Section("collections", _("Collections"), collections(actor, text, most)),
        "docs": lambda: Section("docs", _("Help"), search_docs(text, get_language() or "en")[:most]),
    }
    return [make() for kind, make in found.items() if only in ("", kind)]


def people(text: str, most: int) -> list[Namespace]:
    """People and organizations by their names, whose name it is or begins so first."""
    wanted = " ".join(words_of(text))
    fits = Q(name__icontains=wanted) | Q(user__fullname__icontains=wanted)
    fits |= Q(organization__fullname__icontains=wanted)
    gone = Q(user__is_suspended=True) | Q(user__is_active=False)
    place = Case(
        When(name__iexact=wanted, then=Value(0)),
        When(name__istartswith=wanted, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    rows = Namespace.objects.filter(fits).exclude(gone).annotate(place=place).order_by("place", "name")
    return list(rows.select_related("user", "organization")[:most])


def collections(actor: Actor, text: str, most: int) -> list[Collection]:
    """Collections in whose title or description every word is."""
    rows = Collection.objects.visible_to(actor).select_related("namespace")
    for word in words_of(text):
        rows = rows.filter(Q(title__icontains=word) | Q(description__icontains=word))
    return list(rows.order_by("-updated_at", "-pk")[:most])
