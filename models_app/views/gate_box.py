"""The box on a gated repo's pages: it says how the gate works, asks to be let in, tells how that stands."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.actor import Actor
from models_app.access import may_read_content
from models_app.content.gates import Gate, read_gate
from models_app.models import AccessRequest, Repo, RepoCard
from models_app.social import request_at_gate


@dataclass(frozen=True)
class GateBox:
    """What somebody outside sees: the gate's form, and their own request (None: not asked yet)."""

    gate: Gate
    request: AccessRequest | None


def gate_box(actor: Actor, repo: Repo, card: RepoCard | None) -> GateBox | None:
    """The box, or None for those who are in (or where there is no gate)."""
    if may_read_content(actor, repo):
        return None
    return GateBox(read_gate(card.metadata if card else {}), request_at_gate(actor, repo))
