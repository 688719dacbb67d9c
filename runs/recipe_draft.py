"""A recipe being edited, as the page draws it: fields in groups, problems at fields and lines."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from runs.recipe_items import Item, items_for, sections
from runs.recipe_table import grouped

PREFIX = "f."
# What stands in the open on the form; the rest of a group is folded away.
FIRST = frozenset((
    "task", "base_model.repo", "init", "dataset.repo", "dataset.target_column", "dataset.target_columns",
    "dataset.image_size", "dataset.max_tokens", "dataset.augment", "dataset.context", "dataset.horizon",
    "strategy.kind", "strategy.stages", "optim.name", "optim.lr", "optim.epochs", "optim.batch_size",
    "optim.schedule", "early_stopping.patience", "benchmark.repo", "benchmark.task_id", "seed",
))  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A problem with the line of the text that it is about, from 1; 0 where that cannot be said."""

    field: str
    message: str
    line: int


@dataclass
class Cell:
    """One field of the form: what stands in it and what is wrong with it."""

    item: Item
    value: str
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return PREFIX + self.item.path

    @property
    def choices(self) -> list[str]:
        """What it offers; a value that is none of them stays, to be seen and mended."""
        known = list(self.item.choices)
        return known if not self.value or self.value in known else [*known, self.value]


@dataclass(frozen=True)
class Group:
    """Fields that belong together; `more` is folded away, and open where something in it is wrong."""

    name: str
    title: Any
    first: list[Cell]
    more: list[Cell]

    @property
    def is_open(self) -> bool:
        return any(cell.problems for cell in self.more)

    @property
    def is_set(self) -> int:
        """How many of the folded fields hold something."""
        return sum(bool(cell.value) for cell in self.more)


@dataclass
class Draft:
    """A recipe being edited. `shown`: its text when it was last readable, from which the fields are."""

    text: str
    shown: str
    values: dict[str, str]
    problems: list[Told]
    is_readable: bool = True
    lost_comments: bool = False
    # of a new one nothing is said before anything was filled in
    is_checked: bool = True

    @property
    def task(self) -> str:
        return self.values.get("task") or "image-classification"

    @property
    def groups(self) -> list[Group]:
        """The fields, each with its problems."""
        wrong: dict[str, list[str]] = {}
        paths = [item.path for item in items_for(self.task)]
        for problem in self.problems:
            wrong.setdefault(_beside(problem.field, paths), []).append(self._in_short(problem))
        found = []
        for name, title, items in grouped(items_for(self.task)):
            cells = [Cell(item, self.values.get(item.path, ""), wrong.get(item.path, [])) for item in items]
            first = [cell for cell in cells if cell.item.path in FIRST]
            found.append(Group(name, title, first, [cell for cell in cells if cell.item.path not in FIRST]))
        return found

    @property
    def told(self) -> list[Told]:
        """The problems as the list beside the text has them: of a wrong task only the line, as its words
        stand at the field."""
        return [
            dataclasses.replace(one, message="") if _is_of_task(one) and one.line else one
            for one in self.problems
        ]

    def _in_short(self, problem: Told) -> str:
        """The names of all tasks are in the field's own list."""
        if not _is_of_task(problem):
            return problem.message
        return _("There is no task “%(name)s”: choose one.") % {"name": self.values.get("task", "")[:100]}

    @property
    def bad_lines(self) -> set[int]:
        return {problem.line for problem in self.problems}

    @property
    def gutter(self) -> list[tuple[int, bool]]:
        """Every line of the text with whether something is wrong on it."""
        bad = self.bad_lines
        return [(line, line in bad) for line in range(1, self.text.count("\n") + 2)]

    @property
    def rows(self) -> int:
        """Lines that the box has."""
        return max(24, min(self.text.count("\n") + 2, 400))


def _is_of_task(problem: Told) -> bool:
    return problem.field == "task" and " must be one of " in problem.message


def _beside(path: str, known: list[str]) -> str:
    """The field that a problem is shown at: its own, or the first of the section that it is about."""
    if path in known or not path:
        return path
    if path in sections() or path.partition(".")[0] in sections():
        inside = [name for name in known if name.startswith(f"{path}.")]
        return inside[0] if inside else path
    return path
