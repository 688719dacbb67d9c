"""How the facets of a list are offered: values with counts, words for them, addresses that choose them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2s
from typing import Any
from urllib.parse import urlencode

from babel import Locale, UnknownLocaleError
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext as _

from accounts.actor import Actor
from models_app.facets import Facet, facets_of
from models_app.listing import Listing

# So many values stand open, so many more behind "more"; beyond them one searches.
SHOWN = 7
MORE = 40
# With more values than this a facet has a search of its own.
SEARCHED = 14
MAX_LIKE_CHARS = 60


@dataclass(frozen=True)
class FacetChoice:
    """One value: its words, how many repos it would leave, the address that chooses it (or takes it back)."""

    value: str
    count: int
    is_chosen: bool
    address: str
    label: str = ""

    @property
    def key(self) -> str:
        """Part of an element's id, so that the keyboard stays where it was when the list is drawn anew."""
        return blake2s(self.value.encode(), digest_size=4).hexdigest()


@dataclass(frozen=True)
class OfferedFacet:
    """One way to narrow the list."""

    name: str
    title: Any
    choices: list[FacetChoice]
    help: Any = ""
    rest: list[FacetChoice] = field(default_factory=list)
    is_searchable: bool = False
    # What was looked for among its values.
    like: str = ""

    @property
    def is_chosen(self) -> bool:
        return any(choice.is_chosen for choice in self.choices)


@dataclass(frozen=True)
class Chip:
    """Something that was chosen, and the address without it."""

    title: Any
    label: str
    address: str


class Offer:
    """Everything that a list's page says of its facets."""

    def __init__(
        self, actor: Actor, listing: Listing, *, sort: str = "", inside: str = "", like: str = ""
    ) -> None:
        self.actor, self.listing, self.question, self.sort = actor, listing, listing.question, sort
        self.inside, self.like = inside, like.replace("\0", "").strip()[:MAX_LIKE_CHARS]

    def facets(self) -> list[OfferedFacet]:
        """Those with something to choose."""
        offered = [self._offered(facet) for facet in facets_of(self.question.repo_type)]
        return [facet for facet in offered if facet.choices or facet.like]

    def _offered(self, facet: Facet) -> OfferedFacet:
        chosen = self.question.chosen.get(facet.name, ())
        like = self.like if facet.name == self.inside and facet.is_open else ""
        table = self.listing.tables[0]
        also = [*(table.named(facet.name, like, MORE) if like else ()), *self._own_machine(facet)]
        counts = self.listing.counts(facet, also)
        values = _ordered(facet, counts, chosen)
        if like:
            values = [value for value in values if value in also or like.casefold() in value.casefold()]
        shown = [value for n, value in enumerate(values) if n < SHOWN or value in chosen or facet.offered]
        rest = [value for value in values if value not in shown][:MORE]
        return OfferedFacet(
            facet.name,
            facet.title,
            [self._choice(facet, value, counts.get(value, 0)) for value in shown],
            facet.help,
            [self._choice(facet, value, counts.get(value, 0)) for value in rest],
            facet.is_open and (bool(like) or len(values) > SEARCHED),
            like,
        )

    def _own_machine(self, facet: Facet) -> list[str]:
        memory = self.actor.user.machine_gb if self.actor.user is not None else None
        return [str(memory)] if facet.kind == "memory" and memory else []

    def _choice(self, facet: Facet, value: str, count: int) -> FacetChoice:
        chosen = self.question.chosen.get(facet.name, ())
        others = () if facet.kind == "memory" else tuple(one for one in chosen if one != value)
        wanted = others if value in chosen else (*others, value)
        label = label_of(facet, value)
        if value in self._own_machine(facet):
            label = _("your machine, %(memory)s GB") % {"memory": value}
        return FacetChoice(value, count, value in chosen, self.address(facet.name, wanted), label)

    def chips(self) -> list[Chip]:
        """All that was chosen, each with the address that takes it back."""
        question = self.question
        chips = [Chip(_("Search"), question.text, self.address("search", ()))] if question.text else []
        for facet in facets_of(question.repo_type):
            chosen = question.chosen.get(facet.name, ())
            for value in chosen:
                address = self.address(facet.name, [one for one in chosen if one != value])
                chips.append(Chip(facet.title, label_of(facet, value), address))
        if question.measured:
            bare = [pair for pair in question.pairs() if pair[0] not in ("board", "task_id", "min", "max")]
            chips.append(Chip(_("Verified on"), self._measured_words(), self._address(bare)))
        return chips

    def _measured_words(self) -> str:
        wanted = self.question.measured
        assert wanted is not None
        ends = {"board": wanted.board, "low": wanted.low, "high": wanted.high}
        if wanted.low is not None and wanted.high is not None:
            return _("%(board)s, from %(low)g to %(high)g") % ends
        if wanted.low is not None:
            return _("%(board)s, at least %(low)g") % ends
        if wanted.high is not None:
            return _("%(board)s, at most %(high)g") % ends
        return wanted.board

    def address(self, name: str, values: Iterable[str]) -> str:
        """This list with other values of one parameter, from its first page."""
        pairs = [pair for pair in self.question.pairs() if pair[0] != name]
        return self._address([*pairs, *((name, value) for value in values)])

    def _address(self, pairs: list[tuple[str, str]]) -> str:
        return "?" + urlencode([*pairs, ("sort", self.sort)] if self.sort else pairs)

    def fields(self, *but: str) -> list[tuple[str, str]]:
        """What a form has to send along."""
        pairs = [pair for pair in self.question.pairs() if pair[0] not in but]
        return [*pairs, ("sort", self.sort)] if self.sort and "sort" not in but else pairs


def _ordered(facet: Facet, counts: dict[str, int], chosen: Sequence[str]) -> list[str]:
    """What is offered in its own order, where something has it; open values the most frequent first."""
    if facet.offered:
        extra = [value for value in counts if value not in dict(facet.offered)]
        values = [*(value for value, _words in facet.offered if counts.get(value) or value in chosen), *extra]
        return [*values, *(value for value in chosen if value not in values)]
    values = sorted((value for value in counts if counts[value]), key=lambda value: (-counts[value], value))
    return [*values, *(value for value in chosen if value not in values)]


def label_of(facet: Facet, value: str) -> str:
    """The words for a value: a language's name, a range in units; of others the value itself."""
    offered = dict(facet.offered)
    if value in offered:
        return str(offered[value])
    if facet.path == "language":
        return language_name(value, get_language() or "en")
    return f"{value} GB" if facet.kind == "memory" else value


@lru_cache(maxsize=2048)
def language_name(code: str, reader: str) -> str:
    """`zh` is `Chinese`, or for who reads Chinese `中文`; a code that nobody knows stays itself."""
    try:
        names = Locale.parse(to_locale(reader)).languages
    except (UnknownLocaleError, ValueError):
        return code
    return str(names.get(code.lower()) or names.get(code.replace("-", "_")) or code)
