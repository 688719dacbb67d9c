"""The gallery of recipes: those of people and those that are shipped, narrowed, ranked, a page at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from models_app.views.lists import Choice, Facet
from runs.recipe_gallery_rows import Row, fill_in, known_rows
from runs.recipe_outcomes import Outcome

PAGE_SIZE = 20
MAX_CHOICES = 15
LONGEST_QUERY = 200
SORTS: dict[str, Any] = {
    "verified": _("Verified outcomes"),
    "newest": _("Newest"),
    "used": _("Most used"),
    "cheapest": _("Cheapest"),
}
FACETS: dict[str, Any] = {
    "task": _("Task"),
    "strategy": _("What learns"),
    "base": _("Base model"),
    "library": _("Library"),
    "board": _("Measured on"),
}


@dataclass(frozen=True)
class Gallery:
    """What the page shows."""

    search: str
    sort: str
    chosen: dict[str, str]
    facets: list[Facet]
    rows: Page[tuple[Row, Outcome | None]]


def gallery(actor: Actor, query: QueryDict) -> Gallery:
    """The gallery that an address asks for. A handful of queries, however many recipes there are."""
    search = query.get("search", "").replace("\0", "").strip()[:LONGEST_QUERY]
    sort = query.get("sort", "") if query.get("sort") in SORTS else "verified"
    chosen = {name: query.get(name, "").replace("\0", "")[:300] for name in FACETS}
    rows = known_rows(actor, search)
    found = [row for row in rows if _fits(row, chosen)]
    board = chosen["board"]
    found.sort(key=lambda row: row.recipe_id)
    ordered = sorted(found, key=lambda row: _order(row, sort, board), reverse=True)
    page = Paginator([(row, row.on(board)) for row in ordered], PAGE_SIZE).get_page(query.get("page"))
    fill_in(row for row, _outcome in page)
    facets = [_facet(rows, query, chosen, name) for name in FACETS]
    return Gallery(search, sort, chosen, facets, page)


def _fits(row: Row, chosen: dict[str, str], but: str = "") -> bool:
    return all(value in row.values(name) for name, value in chosen.items() if value and name != but)


def _order(row: Row, sort: str, board: str) -> tuple[Any, ...]:
    """Larger comes first; what is equal, by runs, likes and time, then by name."""
    likes = row.repo.likes_count if row.repo else 0
    equal = (row.cost.runs, likes, row.created_at)
    if sort == "newest":
        return (row.created_at, *equal)
    if sort == "used":
        return equal
    if sort == "cheapest":
        seconds = row.cost.median_seconds
        return (seconds is not None, -(seconds or 0), *equal)
    outcome = row.on(board) if board else None
    sure = outcome.sure if outcome else (False, float("-inf"))
    return (outcome is not None, *sure, row.beaten, row.is_valid, *equal)


def _facet(rows: list[Row], query: QueryDict, chosen: dict[str, str], name: str) -> Facet:
    """The values of one facet, counted under every other choice; the chosen one stays even at zero."""
    counts = Counter(value for row in rows if _fits(row, chosen, but=name) for value in row.values(name))
    values = dict(counts.most_common(MAX_CHOICES))
    if chosen[name]:
        values.setdefault(chosen[name], counts[chosen[name]])
    return Facet(
        name, FACETS[name], [_choice(query, name, value, n, chosen[name]) for value, n in values.items()]
    )


def _choice(query: QueryDict, name: str, value: str, count: int, chosen: str) -> Choice:
    address = query.copy()
    address.pop("page", None)
    if value == chosen:
        address.pop(name, None)
    else:
        address[name] = value
    return Choice(value, count, value == chosen, f"?{address.urlencode()}")
