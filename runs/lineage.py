"""From what a run came, and what came from it, as far as the one who asks may see. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.actor import Actor
from runs.models import Kind, Run, Stage

SHOWN = 8


@dataclass(frozen=True)
class Lineage:
    """`made_base`: the run that made the base model. `parent`: the run this one repeats or changes.

    `again`: runs that repeat or change this one. `heirs`: runs that began with what this one published.
    """

    made_base: Run | None
    parent: Run | None
    again: list[Run]
    heirs: list[Run]

    @property
    def is_empty(self) -> bool:
        return not (self.made_base or self.parent or self.again or self.heirs)


def lineage_of(run: Run, actor: Actor) -> Lineage:
    """Four queries at most."""
    seen = Run.objects.visible_to(actor).for_pages().filter(kind=Kind.TRAIN)
    made = None
    if run.base_repo_id is not None:
        made = seen.filter(target_repo=run.base_repo_id, stage=Stage.COMPLETED).exclude(pk=run.pk).first()
    parent = seen.filter(pk=run.parent_id).first() if run.parent_id is not None else None
    heirs: list[Run] = []
    if run.target_repo_id is not None and run.stage == Stage.COMPLETED:
        heirs = list(seen.filter(base_repo=run.target_repo_id)[:SHOWN])
    return Lineage(made, parent, list(seen.filter(parent=run.pk)[:SHOWN]), heirs)
