"""The curves of a run's page: which there are, in which panel, and as tables for people without script."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db.models import Min
from django.utils.translation import gettext as _

from models_app.templatetags.hub import is_share, metric_label
from runs.models import Run
from training.measured import metrics_of

MAX_CURVES = 6
TABLE_ROWS = 50
_PARTS = ("train", "val")
# What is told of the machine, and the unit it is shown in.
SYSTEM = {
    "lr": "",
    "system/rows_per_second": "count",
    "system/memory_bytes": "bytes",
    "system/gpu_memory_bytes": "bytes",
}
# What every run tells; a panel waits for it as soon as the page is open.
_ALWAYS = ("lr", "system/rows_per_second", "system/memory_bytes")


@dataclass(frozen=True)
class Curve:
    """One panel. `series`: names as reported, in the order of `lines`, their words in the legend.

    `format` is percent, bytes, count or empty; `rows` the table for people without script.
    """

    name: str
    title: str
    series: tuple[str, ...]
    lines: tuple[str, ...]
    format: str
    rows: list[dict[str, Any]]

    @property
    def is_share(self) -> bool:
        return self.format == "percent"


def curves_of(run: Run) -> list[Curve]:
    """The loss, then what is measured beside it, in the order in which the worker told it first."""
    names = told_names(run) or first_curves(run)
    names.sort(key=lambda name: name != "loss")
    shown = names[:MAX_CURVES]
    rows = _epoch_rows(run, shown)
    lines = (_("train"), _("validation"))
    return [
        Curve(
            name,
            _title(metric_label(name)),
            tuple(f"{part}/{name}" for part in _PARTS),
            lines,
            "percent" if is_share(name) else "",
            rows[name],
        )
        for name in shown
    ]


def first_curves(run: Run) -> list[str]:
    """What the curves of a run without a word so far will be: the loss, and its task's first measure."""
    measures = metrics_of(str(run.recipe.get("task") or ""), run.recipe.get("dataset") or {})
    return list(dict.fromkeys(["loss", *measures[:1]]))


def system_curves_of(run: Run) -> list[Curve]:
    """Learning rate, rows a second and memory: what there is of them, and while it goes on what will be."""
    told = set(run.metrics.filter(name__in=SYSTEM).values_list("name", flat=True).distinct())
    wanted = [name for name in SYSTEM if name in told or (name in _ALWAYS and not run.has_ended)]
    titles = {
        "lr": _("Learning rate"),
        "system/rows_per_second": _("Rows a second"),
        "system/memory_bytes": _("Memory"),
        "system/gpu_memory_bytes": _("GPU memory"),
    }
    return [Curve(name, titles[name], (name,), (titles[name],), SYSTEM[name], []) for name in wanted]


def told_names(run: Run) -> list[str]:
    """Names behind train/ and val/, in the order in which the worker told them."""
    told = run.metrics.filter(name__contains="/").values("name").annotate(first=Min("pk")).order_by("first")
    split = (row["name"].partition("/") for row in told)
    return list(dict.fromkeys(name for part, _slash, name in split if part in _PARTS))


def _epoch_rows(run: Run, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The curves as tables, one row a validation: what people without script see, and readers read."""
    rows: dict[int, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    validated = run.metrics.filter(name__in=[f"val/{name}" for name in names])
    steps = sorted(validated.order_by("-step").values_list("step", flat=True).distinct()[:TABLE_ROWS])
    wanted = [f"{part}/{name}" for name in names for part in _PARTS]
    points = run.metrics.filter(name__in=wanted, step__in=steps)
    for full, step, value in points.values_list("name", "step", "value"):
        part, _slash, name = full.partition("/")
        rows[step][name][part] = value
    return {
        name: [{"step": step, **rows[step][name]} for step in steps if rows[step][name]] for name in names
    }


def _title(text: str) -> str:
    return text[:1].upper() + text[1:]
