"""A licence in words: what one may do, what is asked for, and where a model loosens its ancestors' terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from models_app.content import licences
from models_app.content.licences import Conflict, Licence, licence_of

_MAY: dict[str, tuple[Promise, Promise]] = {
    licences.COMMERCIAL_USE: (_("You may use it commercially."), _("You may not use it commercially.")),
    licences.MODIFICATION: (_("You may change it."), _("You may not publish changed versions.")),
    licences.REDISTRIBUTION: (_("You may pass it on."), _("You may not pass it on.")),
}
_ASKS: dict[str, Promise] = {
    licences.ATTRIBUTION: _("Keep the copyright notice."),
    licences.TERMS: _("Pass the terms of the licence on."),
    licences.SHARE_ALIKE: _("Publish changed versions under the same licence."),
    licences.USE_RESTRICTIONS: _("Not for the uses that the licence rules out."),
    licences.NETWORK: _("Who uses it over a network may have the source."),
}
# Each is followed by the ancestor's name, a link, and its licence.
_LOOSENED: dict[str, Promise] = {
    "unknown": _("Made from a model whose terms are not known, so ask its owner:"),
    licences.MODIFICATION: _("Made from a model that may not be published in a changed version:"),
    licences.REDISTRIBUTION: _("Made from a model that may not be passed on:"),
    licences.COMMERCIAL_USE: _(
        "Made from a model that forbids commercial use, which this licence would permit:"
    ),
    licences.SHARE_ALIKE: _("Made from a model whose changed versions must keep its licence:"),
    licences.USE_RESTRICTIONS: _("Made from a model that rules some uses out, which this licence does not:"),
    licences.ATTRIBUTION: _(
        "Made from a model whose notice must be kept, which this licence does not ask for:"
    ),
}


@dataclass(frozen=True)
class Warned:
    """One conflict in words, with the ancestor it comes from."""

    text: Promise
    conflict: Conflict
    address: str


@dataclass(frozen=True)
class LicenceLine:
    """`may` and `may_not` count the ancestors in; `name` and `link` are the card's own for one of its own."""

    licence: Licence
    name: str
    link: str
    may: list[Promise] = field(default_factory=list)
    may_not: list[Promise] = field(default_factory=list)
    asks: list[Promise] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)


def licence_line(
    licence_id: str, metadata: Mapping[str, Any], ancestors: Mapping[str, str], addresses: Mapping[str, str]
) -> LicenceLine:
    """`ancestors` are `{repo id: licence id}`, `addresses` their pages. The strictest of the line counts."""
    licence = licence_of(licence_id)
    name, link = metadata.get("license_name"), metadata.get("license_link")
    own_name = name.strip()[:100] if isinstance(name, str) and licence.id == "other" else ""
    own_link = link.strip()[:500] if isinstance(link, str) else ""
    found = licences.conflicts(licence_id, ancestors)
    warnings = [Warned(_LOOSENED[one.rule], one, addresses.get(one.parent, "")) for one in found]
    shown = LicenceLine(licence, own_name or licence.name, own_link or licence.address, warnings=warnings)
    if not licence.is_known:
        return shown
    known = [parent for parent in ancestors.values() if licence_of(parent).is_known]
    permitted = licences.permitted_by_all([licence_id, *known])
    asked = licence.conditions.union(*(licence_of(parent).conditions for parent in known))
    shown.may.extend(yes for word, (yes, _no) in _MAY.items() if word in permitted)
    shown.may_not.extend(no for word, (_yes, no) in _MAY.items() if word not in permitted)
    shown.asks.extend(text for word, text in _ASKS.items() if word in asked)
    return shown
