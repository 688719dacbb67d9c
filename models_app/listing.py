"""One list of repos: how many there are, how many each facet's values would leave, and a page of the rows.

What is public is counted in the tables in memory, what is hidden and the actor may see beside it. The rows
themselves come from the database under the same conditions, so a count that is a moment old shows nothing
that should not be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from django.core.paginator import Page, Paginator

from accounts.actor import Actor
from models_app.facet_shelf import own_table, public_table
from models_app.facet_table import FacetTable, Mask
from models_app.facets import Facet, facets_of
from models_app.finding import Question
from models_app.models import Repo, RepoQuerySet
from models_app.search import found_keys

# So many pages of a list can be asked for; beyond them people narrow it.
MAX_PAGES = 200
# Up to so many candidates are named to the database one by one, which is quicker than letting it look.
FEW = 800
# Of a facet so many values are counted.
MOST_VALUES = 100
# With words of a text up to so many.
MOST_NAMED = 5000
# A column that is never shown in a list, and may be a megabyte.
HEAVY = ("card__html", "card__siblings", "card__search_text", "card__metadata", "card__dtype_counts")


class Listing:
    """The answer to one question, for one actor."""

    def __init__(self, actor: Actor, question: Question) -> None:
        self.actor, self.question = actor, question
        own = own_table(actor, question.repo_type)
        self.tables = [public_table(question.repo_type), *([own] if own is not None else [])]

    @cached_property
    def keys(self) -> list[int] | None:
        """The repos with the words of the question, the best first; None where it has none."""
        return found_keys(self.question.text, self._candidates()) if self.question.text else None

    def _candidates(self) -> list[int] | None:
        """The repos that any count of this page may be about, where they are few enough to be named."""
        names = list(self.question.chosen) or [""]
        among: list[int] = []
        for table in self.tables:
            mask = np.zeros(len(table.pks), bool)
            for name in names:
                mask |= self._chosen(table, table.alive, but=name)
            if np.count_nonzero(mask) > MOST_NAMED:
                return None
            among += table.keys(mask)
        return among

    @cached_property
    def _measured(self) -> list[int] | None:
        wanted = self.question.measured
        return list(wanted.results().values_list("repo_id", flat=True)) if wanted else None

    @cached_property
    def _given(self) -> list[Mask]:
        """Where the words and the result asked for are."""
        return [self._mask_of_text_and_result(table) for table in self.tables]

    def _mask_of_text_and_result(self, table: FacetTable) -> Mask:
        mask = table.alive
        for keys in (self.keys, self._measured):
            if keys is not None:
                mask = mask & table.mask_of(keys)
        return mask

    def _chosen(self, table: FacetTable, mask: Mask, but: str = "") -> Mask:
        for facet in facets_of(self.question.repo_type):
            values = self.question.chosen.get(facet.name)
            if values and facet.name != but:
                mask = mask & table.having(facet, values)
        return mask

    def _mask(self, at: int, but: str = "") -> Mask:
        return self._chosen(self.tables[at], self._given[at], but)

    @cached_property
    def _masks(self) -> list[Mask]:
        return [self._mask(at) for at in range(len(self.tables))]

    @cached_property
    def count(self) -> int:
        """How many repos answer the question."""
        return sum(int(mask.sum()) for mask in self._masks)

    def counts(self, facet: Facet, also: Sequence[str] = ()) -> dict[str, int]:
        """How many repos each of the most frequent values would leave, under every other choice, and each of
        `also`."""
        chosen = [*self.question.chosen.get(facet.name, ()), *also]
        total: dict[str, int] = {}
        for at, table in enumerate(self.tables):
            mask = self._mask(at, but=facet.name)
            for value, count in table.counts(facet, mask, chosen, MOST_VALUES).items():
                total[value] = total.get(value, 0) + count
        return total

    def page(self, order: Sequence[Any], number: str | None, size: int) -> Page[Repo]:
        """One page of the repos in this order (none: the best first), as the database has them now; a number
        that is none, or too high, gives the nearest page there is."""
        if order and self.count > FEW:
            return self._walked(order, number, size)
        if order:
            repos = self._repos().filter(pk__in=self._found())
            return CountedPaginator(repos.order_by(*order), size, self.count).get_page(number)
        found = self._found()
        return self._filled([key for key in self.keys or [] if key in found], number, size)

    def _walked(self, order: Sequence[Any], number: str | None, size: int) -> Page[Repo]:
        """Down the whole list in its order, which has an index, until the page is full: where many repos fit,
        what databases make of many conditions at once is slower."""
        everything = Repo.objects.visible_to(self.actor).of_type(self.question.repo_type).order_by(*order)
        pages = CountedPaginator((), size, self.count)
        last = pages.clean_number(number) * size
        total = sum(int(table.alive.sum()) for table in self.tables)
        fitting = np.fromiter(self._found(), np.int64)
        step = min(total, 200 + last * total * 3 // (2 * self.count)) + 1
        while True:
            keys = np.array(everything.values_list("pk", flat=True)[:step], np.int64)
            found = keys[np.isin(keys, fitting)] if self.count < total else keys
            if len(found) >= last or step > total:
                return self._filled([int(key) for key in found], number, size)
            step = min(step * 4, total + 1)

    def _filled(self, keys: list[int], number: str | None, size: int) -> Page[Repo]:
        """A page of these keys, which are in their order."""
        page = CountedPaginator(keys, size, self.count).get_page(number)
        rows = {repo.pk: repo for repo in self._repos().filter(pk__in=list(page.object_list))}
        page.object_list = [rows[key] for key in page.object_list if key in rows]
        return page

    def _repos(self) -> RepoQuerySet:
        repos = Repo.objects.visible_to(self.actor).of_type(self.question.repo_type)
        return repos.filter(self.question.condition()).for_lists().defer(*HEAVY)

    def _found(self) -> set[int]:
        pairs = zip(self.tables, self._masks, strict=True)
        return {key for table, mask in pairs for key in table.keys(mask)}


class CountedPaginator(Paginator):
    """Pages of rows whose number is known, and not asked of the database; no more than `MAX_PAGES`."""

    def __init__(self, rows: Any, size: int, count: int) -> None:
        super().__init__(rows, size)
        self._count = count

    @cached_property
    def count(self) -> int:
        return self._count

    @cached_property
    def num_pages(self) -> int:
        return max(1, min(MAX_PAGES, -(-self._count // self.per_page)))

    def clean_number(self, number: str | None) -> int:
        """The number of the nearest page there is."""
        return int(self.get_page(number).number)

    def page(self, number: int | str) -> Page[Any]:
        """As it is, only that the last page of a bounded list is a whole one."""
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        return Page(self.object_list[start : start + self.per_page], number, self)
