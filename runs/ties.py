"""What a new run belongs to: the run it comes from, its sweep, and the id its submitter chose for it."""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass
from typing import Any

from models_app.models import Repo
from runs.models import Run, Sweep


@dataclass(frozen=True)
class Ties:
    """`uuid`: chosen by the submitter, so that a request sent twice makes one run; None: the hub chooses.

    `parent` is the run that this one repeats, resumes or changes; `sweep_index` its place in `sweep`;
    `recipe_repo` the shared recipe that it began with, at the commit `recipe_oid`.
    """

    uuid: uuids.UUID | None = None
    parent: Run | None = None
    sweep: Sweep | None = None
    sweep_index: int | None = None
    recipe_repo: Repo | None = None
    recipe_oid: str = ""

    def columns(self) -> dict[str, Any]:
        """As `Run.objects.create` takes them."""
        named: dict[str, Any] = {"parent": self.parent, "sweep": self.sweep, "sweep_index": self.sweep_index}
        named |= {"recipe_repo": self.recipe_repo, "recipe_oid": self.recipe_oid}
        return named | ({"uuid": self.uuid} if self.uuid is not None else {})


NO_TIES = Ties()
