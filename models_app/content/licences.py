"""What the field's licences let people do, and what a model made from another may not loosen.

Read off the licence texts (each row has their address) in the manner of choosealicense.com's appendix; ids as
the Hub spells them. A help for choosing, no legal advice. What nobody knows permits nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models_app.content.licence_rows import COMPATIBLE, ROWS

COMMERCIAL_USE = "commercial-use"
MODIFICATION = "modification"
REDISTRIBUTION = "redistribution"
NO_SHARE_ALIKE = "no-share-alike"
NO_ATTRIBUTION = "no-attribution"
PERMISSIONS = (COMMERCIAL_USE, MODIFICATION, REDISTRIBUTION, NO_SHARE_ALIKE, NO_ATTRIBUTION)

ATTRIBUTION = "attribution"
TERMS = "terms"
SHARE_ALIKE = "share-alike"
USE_RESTRICTIONS = "use-restrictions"
NETWORK = "network"
CONDITIONS = (ATTRIBUTION, TERMS, SHARE_ALIKE, USE_RESTRICTIONS, NETWORK)

_GRANTS = {"c": COMMERCIAL_USE, "m": MODIFICATION, "r": REDISTRIBUTION}
_FREE_OF = {SHARE_ALIKE: NO_SHARE_ALIKE, ATTRIBUTION: NO_ATTRIBUTION}
_ASKS = {"a": ATTRIBUTION, "t": TERMS, "s": SHARE_ALIKE, "u": USE_RESTRICTIONS, "n": NETWORK}


@dataclass(frozen=True)
class Licence:
    """One licence: what it permits and what it asks for in return; `address` is its text."""

    id: str
    name: str
    address: str
    permissions: frozenset[str]
    conditions: frozenset[str]

    @property
    def is_known(self) -> bool:
        """Whether its terms are known at all: `other`, `unknown` and ids never heard of are not."""
        return bool(self.permissions)


@dataclass(frozen=True)
class Conflict:
    """Where a model's licence loosens what one of its ancestors asks for; `rule` says which of `RULES`."""

    rule: str
    parent: str
    parent_licence: Licence
    licence: Licence


# What can be wrong, the gravest first.
RULES = ("unknown", MODIFICATION, REDISTRIBUTION, COMMERCIAL_USE, SHARE_ALIKE, USE_RESTRICTIONS, ATTRIBUTION)


def _read_rows() -> dict[str, Licence]:
    found = {}
    for line in ROWS.strip().splitlines():
        licence_id, grants, asks, address, name = line.split(maxsplit=4)
        conditions = frozenset(_ASKS[letter] for letter in asks if letter != "-")
        permissions = {_GRANTS[letter] for letter in grants if letter != "-"}
        if permissions:
            permissions |= {_FREE_OF[each] for each in _FREE_OF if each not in conditions}
        address = "" if address == "-" else address
        found[licence_id] = Licence(licence_id, name, address, frozenset(permissions), conditions)
    return found


LICENCES: Mapping[str, Licence] = _read_rows()


def licence_of(licence_id: str) -> Licence:
    """The licence with this id, letters in any case; one that nobody knows permits nothing."""
    known = LICENCES.get(licence_id.strip().lower())
    return known or Licence(licence_id.strip(), licence_id.strip(), "", frozenset(), frozenset())


def permissions_of(licence_id: str) -> frozenset[str]:
    """What this licence lets people do, in the words of `PERMISSIONS`."""
    return licence_of(licence_id).permissions


def licences_allowing(*permissions: str) -> frozenset[str]:
    """The ids of all known licences that permit every one of these; a word not in `PERMISSIONS` has none."""
    wanted = frozenset(permissions)
    return frozenset(each.id for each in LICENCES.values() if wanted <= each.permissions and each.is_known)


def permitted_by_all(licence_ids: Iterable[str]) -> frozenset[str]:
    """What the model itself and all its ancestors permit: the strictest of them counts."""
    found = frozenset(PERMISSIONS)
    for licence_id in licence_ids:
        found &= permissions_of(licence_id)
    return found


def conflicts(child: str, parents: Mapping[str, str]) -> list[Conflict]:
    """What a model under `child` loosens of its ancestors' licences (`{repo id: licence id}`), gravest first.

    A model that states no known licence promises nothing, so only what its ancestors forbid outright is told.
    """
    licence = licence_of(child)
    found = []
    for parent, licence_id in parents.items():
        base = licence_of(licence_id)
        found += [Conflict(rule, parent, base, licence) for rule in _loosened(licence, base)]
    return sorted(found, key=lambda conflict: RULES.index(conflict.rule))


def _loosened(licence: Licence, base: Licence) -> list[str]:
    if not base.is_known:
        return ["unknown"]
    found = [rule for rule in (MODIFICATION, REDISTRIBUTION) if rule not in base.permissions]
    if not licence.is_known:
        return found
    if COMMERCIAL_USE in licence.permissions and COMMERCIAL_USE not in base.permissions:
        found.append(COMMERCIAL_USE)
    same = licence.id == base.id or licence.id in COMPATIBLE.get(base.id, ())
    if SHARE_ALIKE in base.conditions and not same:
        found.append(SHARE_ALIKE)
    kept = licence.conditions
    return found + [
        rule for rule in (USE_RESTRICTIONS, ATTRIBUTION) if rule in base.conditions and rule not in kept
    ]
