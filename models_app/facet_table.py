"""The facts that lists are narrowed by, of one type of repo, as columns in memory, where counting is quick.

A database would walk a hundred thousand rows for each facet of each page. Here a facet's values are small
numbers beside the places of the repos that have them, a choice is a mask over the places, and a count is one
pass over both.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from models_app.content.licences import licences_allowing
from models_app.facets import Facet, bytes_that_fit, facets_of, range_of
from models_app.models import RepoQuerySet, RepoTag

Mask = NDArray[np.bool_]


@dataclass
class Values:
    """The values of one facet: the `codes` of what is at the `places`, a repo may be at several."""

    names: list[str] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)
    places: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    codes: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    def add(self, pairs: Iterable[tuple[int, str]]) -> None:
        places: list[int] = []
        codes: list[int] = []
        for place, name in pairs:
            code = self.known.get(name)
            if code is None:
                code = self.known[name] = len(self.names)
                self.names.append(name)
            places.append(place)
            codes.append(code)
        self.places = np.concatenate([self.places, np.array(places, np.int32)])
        self.codes = np.concatenate([self.codes, np.array(codes, np.int32)])


class FacetTable:
    """Repos of one type at places 0, 1, …; a repo that changed is taken out and put in again at the end."""

    def __init__(self, repo_type: str) -> None:
        self.facets = {facet.name: facet for facet in facets_of(repo_type)}
        self.pks = np.zeros(0, np.int64)
        self.alive: Mask = np.zeros(0, bool)
        self.values = {name: Values() for name, facet in self.facets.items() if _is_listed(facet)}
        self.numbers = {
            facet.path: np.zeros(0) for facet in self.facets.values() if facet.kind in ("range", "memory")
        }

    def copy(self) -> FacetTable:
        """Another with the same content, that may be changed while somebody counts in this one."""
        other = copy.copy(self)
        other.numbers = dict(self.numbers)
        other.values = {
            name: Values(list(held.names), dict(held.known), held.places, held.codes)
            for name, held in self.values.items()
        }
        return other

    def remove(self, pks: Iterable[int]) -> None:
        """Forget these repos."""
        self.alive = self.alive & ~np.isin(self.pks, np.fromiter(pks, np.int64))

    def add(self, repos: RepoQuerySet) -> None:
        """Put repos in; two queries."""
        columns = [self.facets[name] for name in self.values if self.facets[name].kind == "column"]
        paths = [*(facet.path for facet in columns), *self.numbers]
        rows = list(repos.order_by().values_list("pk", *paths))
        first = len(self.pks)
        self.pks = np.concatenate([self.pks, np.array([row[0] for row in rows], np.int64)])
        self.alive = np.concatenate([self.alive, np.ones(len(rows), bool)])
        for at, facet in enumerate(columns, 1):
            pairs = ((first + n, row[at]) for n, row in enumerate(rows) if row[at])
            self.values[facet.name].add(pairs)
        for at, path in enumerate(self.numbers, 1 + len(columns)):
            numbers = np.array([np.nan if row[at] is None else row[at] for row in rows], float)
            self.numbers[path] = np.concatenate([self.numbers[path], numbers])
        self._add_tags(repos, {row[0]: first + n for n, row in enumerate(rows)})

    def _add_tags(self, repos: RepoQuerySet, place_of: dict[int, int]) -> None:
        kinds = {facet.path: facet for facet in self.facets.values() if facet.kind == "tags"}
        if not kinds:
            return
        wanted = Q()
        for kind, facet in kinds.items():
            offered = [value for value, _ in facet.offered]
            wanted |= Q(kind=kind, value__in=offered) if offered else Q(kind=kind)
        rows = RepoTag.objects.filter(wanted, repo__in=repos.order_by().values("pk"))
        found: dict[str, list[tuple[int, str]]] = {kind: [] for kind in kinds}
        for pk, kind, value in rows.values_list("repo_id", "kind", "value").iterator(chunk_size=5000):
            # A base model is there twice: alone, and behind the relation to it.
            if pk in place_of and not (kind == "base_model" and ":" in value):
                found[kind].append((place_of[pk], value))
        for kind, pairs in found.items():
            self.values[kinds[kind].name].add(pairs)

    # --- reads

    def having(self, facet: Facet, values: Sequence[str]) -> Mask:
        """Where any of these accepted values is; the twin of `Facet.condition`."""
        if facet.kind == "permission":
            return self._with_values("license", licences_allowing(*values))
        if facet.kind in ("column", "tags"):
            return self._with_values(facet.name, values)
        numbers = self.numbers[facet.path]
        if facet.kind == "memory":
            return (numbers > 0) & (numbers <= max(bytes_that_fit(value) for value in values))
        mask = np.zeros(len(self.pks), bool)
        for low, high in filter(None, map(range_of, values)):
            mask |= (numbers >= low) & (numbers < high)
        return mask

    def _with_values(self, name: str, wanted: Iterable[str]) -> Mask:
        held = self.values[name]
        mask = np.zeros(len(self.pks), bool)
        codes = [held.known[value] for value in wanted if value in held.known]
        mask[held.places[np.isin(held.codes, codes)]] = True
        return mask

    def counts(self, facet: Facet, mask: Mask, chosen: Sequence[str] = (), most: int = 0) -> dict[str, int]:
        """How many repos of the mask have each value of the facet; of permissions those that would be left
        with it and the `chosen` ones. Values that none has are left out, of the others the `most` frequent
        and the chosen ones are told (0: all)."""
        if facet.kind == "permission":
            licences = self._counted("license", mask)
            return {
                value: sum(licences.get(one, 0) for one in licences_allowing(*{*chosen, value}))
                for value, _ in facet.offered
            }
        if facet.kind in ("column", "tags"):
            return self._counted(facet.name, mask)
        wanted = dict.fromkeys([*dict(facet.offered), *chosen])
        return {value: int(np.count_nonzero(mask & self.having(facet, [value]))) for value in wanted}

    def _counted(self, name: str, mask: Mask, keep: Iterable[str] = (), most: int = 0) -> dict[str, int]:
        held = self.values[name]
        if not held.names:
            return {}
        counted = np.bincount(held.codes[mask[held.places]], minlength=len(held.names))
        codes = np.flatnonzero(counted)
        if most and len(codes) > most:
            codes = codes[np.argpartition(-counted[codes], most)[:most]]
            kept = [held.known[value] for value in keep if value in held.known]
            codes = np.union1d(codes, np.array(kept, codes.dtype))
        return {held.names[code]: int(counted[code]) for code in codes}

    def named(self, name: str, text: str, most: int) -> list[str]:
        """Values of an open facet that have this text in them, in any letters; at most so many."""
        wanted = text.casefold()
        found = (value for value in self.values[name].names if wanted in value.casefold())
        return list(itertools.islice(found, most))

    def keys(self, mask: Mask) -> list[int]:
        """The repos' keys."""
        return [int(pk) for pk in self.pks[mask]]

    def mask_of(self, keys: Iterable[int]) -> Mask:
        """Where the repos with these keys are, as far as they are here."""
        return self.alive & np.isin(self.pks, np.fromiter(keys, np.int64))


def _is_listed(facet: Facet) -> bool:
    return facet.kind in ("column", "tags")
