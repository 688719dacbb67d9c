"""A failed run as advice on it needs it, and what advice comes to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from training.recipe import RecipeError, parse_recipe
from training.recipe_study import with_changes


class Past(Protocol):
    """An attempt as the ledger keeps it."""

    number: int
    outcome: str
    worker_name: str
    seconds: float
    from_step: int


@dataclass(frozen=True)
class Patient:
    """The run as far as advice depends on it; `checkpoint_step` is None where there is none to go on from."""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0
    total: int = 0
    timeout_seconds: int = 0
    longest_timeout_seconds: int = 0
    checkpoint_step: int | None = None


@dataclass(frozen=True)
class Action:
    """`kind` is "change" (the form, filled in as the run was but for `changes`), "resume" or "retry".

    `changes` maps fields of a recipe to values: `{"optim.batch_size": 16}`.
    """

    kind: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A failure with all that advice on it may use."""

    message_id: str
    message: str
    patient: Patient
    attempts: Sequence[Past]
    summary: Mapping[str, Any]

    def field(self, path: str, default: Any = None) -> Any:
        """A field of the recipe by its dotted name."""
        found: Any = self.patient.recipe
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return default if found is None else found

    def takes(self, changes: Mapping[str, Any]) -> bool:
        """Whether the recipe would still be one with these changes."""
        try:
            parse_recipe(with_changes(dict(self.patient.recipe), changes))
        except RecipeError:
            return False
        return True
