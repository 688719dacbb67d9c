"""The points of a run's curves: kept, and thinned where they grow too many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runs.models import Run, RunMetric

if TYPE_CHECKING:
    from runs.reports import Metric

MAX_POINTS = 50_000
_PIECE = 500


def keep_points(run: Run, metrics: Sequence[Metric]) -> None:
    """Write the points; one that is there already is written over. At the bound the curves are thinned."""
    if not metrics:
        return
    if run.metrics.count() + len(metrics) > MAX_POINTS:
        _thin(run)
        if run.metrics.count() + len(metrics) > MAX_POINTS:  # as many names as points: no curves
            return
    rows = {(metric.step, metric.name): metric.value for metric in metrics}
    RunMetric.objects.bulk_create(
        [RunMetric(run=run, step=step, name=name, value=value) for (step, name), value in rows.items()],
        update_conflicts=True,
        unique_fields=["run", "step", "name"],
        update_fields=["value"],
    )


def _thin(run: Run) -> None:
    """Every second point of each curve goes, the newest stays; validation's go only where nothing else is."""
    rest = run.metrics.exclude(name__startswith="val/")
    rows = rest if rest.count() > MAX_POINTS // 4 else run.metrics.all()
    keys = list(rows.order_by("name", "-step").values_list("name", "pk"))
    doomed, place, before = [], 0, ""
    for name, key in keys:
        place, before = (place + 1, before) if name == before else (0, name)
        if place % 2:
            doomed.append(key)
    for start in range(0, len(doomed), _PIECE):
        RunMetric.objects.filter(pk__in=doomed[start : start + _PIECE]).delete()
