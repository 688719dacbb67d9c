"""What a model's page shows beside its card, put together in few queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from accounts.actor import Actor
from models_app.content import memory
from models_app.content.cutting import first_blocks
from models_app.lineage import Family, family_of
from models_app.models import Repo, RepoCard, RepoType
from models_app.views.download_chart import download_chart
from models_app.views.licence_line import LicenceLine, licence_line
from models_app.views.standings import standings_of
from models_app.views.use_box import snippets_of

# Of a longer card the page shows the beginning: browsers take seconds over a megabyte of HTML.
SHOWN_CARD = 120_000
KEPT_BEGINNINGS = 100
SHOWN_USERS = 5
SHOWN_DATA = 8

# Cards that were cut: {key: (commit, HTML)}.
_beginnings: dict[int, tuple[str, str]] = {}


@dataclass(frozen=True)
class Memory:
    """Bytes to run the model and to train all of it; None where the weights tell nothing."""

    run: int | None
    tune: int | None


def model_context(actor: Actor, repo: Repo, card: RepoCard | None, *, can_tune: bool) -> dict[str, Any]:
    """Lineage, licence, results, downloads, snippets, facts."""
    metadata = card.metadata if card else {}
    family = family_of(repo, actor, license_id=card.license if card else "")
    base = family.parents[0].name if family.parents else ""
    return {
        "family": family,
        "licence": licence_of_family(card, family),
        "standings": standings_of(repo, metadata, actor),
        "downloads": download_chart(repo),
        "snippets": snippets_of(repo, card, actor, base=base, can_tune=can_tune),
        "memory": memory_of(card),
        "users": spaces_using(actor, repo),
        "data": data_of(actor, repo),
        "languages": [tag.value for tag in repo.tag_rows.all() if tag.kind == "language"],
    }


def licence_of_family(card: RepoCard | None, family: Family) -> LicenceLine | None:
    """The licence in words, None where the card states none."""
    if card is None or not card.license:
        return None
    addresses = {kin.name: kin.address for kin in family.ancestors}
    return licence_line(card.license, card.metadata, family.licences, addresses)


def memory_of(card: RepoCard | None) -> Memory:
    """From the weights' own headers."""
    if card is None or not (card.weights_bytes or card.dtype_counts):
        return Memory(None, None)
    weights = card.weights_bytes or memory.weights_bytes(card.dtype_counts)
    return Memory(memory.to_run(weights), memory.to_tune(card.parameters) if card.parameters else None)


def spaces_using(actor: Actor, repo: Repo) -> list[Repo]:
    """Spaces whose card names the repo, the newest first."""
    kind = "dataset" if repo.repo_type == RepoType.DATASET else "model"
    spaces = Repo.objects.visible_to(actor).of_type(RepoType.SPACE).select_related("namespace")
    named = spaces.filter(tag_rows__kind=kind, tag_rows__value=repo.repo_id)
    return list(named.order_by("-last_modified")[:SHOWN_USERS])


def data_of(actor: Actor, repo: Repo) -> list[tuple[str, str]]:
    """(id, address) of the data sets that the card names; without an address where one is not to be seen."""
    names = [tag.value for tag in repo.tag_rows.all() if tag.kind == "dataset"][:SHOWN_DATA]
    seen = {found.repo_id.lower(): found for found in named(actor, RepoType.DATASET, names)}
    rows = [(name, seen.get(name.lower())) for name in names]
    return [(name, found.get_absolute_url() if found else "") for name, found in rows]


def named(actor: Actor, repo_type: str, names: list[str]) -> list[Repo]:
    """The repos of these ids that the actor may see, in one query."""
    wanted = Q(pk__in=[])
    for name in names:
        namespace, slash, last = name.partition("/")
        if slash and last and "\0" not in name:
            wanted |= Q(namespace__name__lower=namespace.lower(), name__lower=last.lower())
    if not wanted.children[1:]:
        return []
    rows = Repo.objects.visible_to(actor).of_type(repo_type).select_related("namespace")
    return list(rows.filter(wanted))


def successor_of(actor: Actor, repo: Repo, card: RepoCard | None) -> dict[str, Any] | None:
    """What the card says of being out of date: `{"text", "name", "address"}`, or None.

    `new_version` is the field that the public hub's cards have; `deprecated` may be true or a sentence.
    """
    metadata = card.metadata if card else {}
    name, said = metadata.get("new_version"), metadata.get("deprecated")
    name = name.strip()[:200] if isinstance(name, str) else ""
    if not name and not said:
        return None
    found = named(actor, repo.repo_type, [name]) if name else []
    text = said.strip()[:300] if isinstance(said, str) else ""
    return {"text": text, "name": name, "address": found[0].get_absolute_url() if found else ""}


def shown_card(card: RepoCard | None, *, whole: bool) -> tuple[str, bool]:
    """(HTML, whether it is only the beginning)."""
    if card is None or not card.html:
        return "", False
    if whole or len(card.html) <= SHOWN_CARD:
        return card.html, False
    kept = _beginnings.get(card.pk)
    if kept is None or kept[0] != card.oid:
        if len(_beginnings) >= KEPT_BEGINNINGS:
            _beginnings.clear()
        kept = _beginnings[card.pk] = (card.oid, first_blocks(card.html, SHOWN_CARD))
    return kept[1], True
