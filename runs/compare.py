"""Several runs side by side: what their recipes differ in, what was measured, their curves on one plane."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accounts.actor import Actor
from models_app.access import Refusal
from models_app.templatetags.hub import is_share, metric_label
from runs.access import access_run
from runs.curves import told_names
from runs.models import Run
from runs.progress import seconds_taken

MAX_RUNS = 8
MAX_PANELS = 6
MAX_FIELDS = 200
LONGEST_VALUE = 200
_DEEPEST = 6


@dataclass(frozen=True)
class Chosen:
    """The runs asked for that the actor may see, in the order asked; `missing` of them are not to be seen."""

    runs: list[Run]
    missing: int
    too_many: int

    @property
    def ids(self) -> str:
        return ",".join(str(run.uuid) for run in self.runs)


@dataclass(frozen=True)
class Row:
    """A field of the recipes, and its value in each run."""

    name: str
    values: list[str]


@dataclass(frozen=True)
class Panel:
    """Curves of one name, a line a run."""

    title: str
    series: str
    format: str


def chosen(actor: Actor, texts: Iterable[str]) -> Chosen:
    """The runs of these ids, each through the gate; what cannot be seen and what is no id looks alike."""
    wanted = list(dict.fromkeys(part.strip() for text in texts for part in text.split(",") if part.strip()))
    runs: list[Run] = []
    missing = 0
    for uuid in wanted[:MAX_RUNS]:
        try:
            found = access_run(actor, uuids.UUID(uuid))
        except (Refusal, ValueError):
            missing += 1
            continue
        if found not in runs:
            runs.append(found)
    return Chosen(runs, missing, max(0, len(wanted) - MAX_RUNS))


def name_of(run: Run) -> str:
    """What a run is called in a legend."""
    return run.target_repo.name if run.target_repo else str(run.uuid)[:8]


def names_of(runs: Sequence[Run]) -> list[str]:
    """A name each; runs of one target are told apart by the beginning of their id."""
    plain = [name_of(run) for run in runs]
    return [
        f"{name} ({str(run.uuid)[:4]})" if plain.count(name) > 1 else name
        for run, name in zip(runs, plain, strict=True)
    ]


def differing(runs: Sequence[Run]) -> tuple[list[Row], list[Row]]:
    """(fields in which the recipes differ, fields in which all agree), by their dotted names."""
    flat = [dict(_flat({**run.recipe, "flavor": run.flavor})) for run in runs]
    names = list(dict.fromkeys(name for one in flat for name in one))[:MAX_FIELDS]
    rows = [Row(name, [_told(one.get(name)) for one in flat]) for name in names]
    return [row for row in rows if len(set(row.values)) > 1], [
        row for row in rows if len(set(row.values)) == 1
    ]


def _flat(value: Mapping[str, Any], path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, Mapping) and item and depth < _DEEPEST:
            yield from _flat(item, f"{path}{name}.", depth + 1)
        else:
            yield f"{path}{name}", item


def _told(value: Any) -> str:
    if value is None or value == {} or value == []:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(str, value))[:LONGEST_VALUE]
    if isinstance(value, bool):
        return "true" if value else "false"
    return (f"{value:.6g}" if isinstance(value, float) else str(value))[:LONGEST_VALUE]


def costs_of(runs: Sequence[Run]) -> list[tuple[str, list[Any]]]:
    """(name, a value a run) of seconds and memory."""
    seconds = [seconds_taken(run) for run in runs]
    memory = [(run.summary.get("resources") or {}).get("peak_memory_bytes") for run in runs]
    return [("seconds", seconds), ("memory", memory)]


def panels_of(runs: Sequence[Run]) -> list[Panel]:
    """The losses, then each measure; validation's where any run has them, else the training's."""
    told = {name for run in runs for name in run.metrics.values_list("name", flat=True).distinct()}
    names = list(dict.fromkeys(name for run in runs for name in told_names(run)))
    names.sort(key=lambda name: name != "loss")
    panels = []
    for name in names:
        parts = [part for part in ("val", "train") if f"{part}/{name}" in told]
        for part in parts if name == "loss" else parts[:1]:
            kind = "percent" if is_share(name) else ""
            panels.append(Panel(metric_label(name), f"{part}/{name}", kind))
    return panels[:MAX_PANELS]
