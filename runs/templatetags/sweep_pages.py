"""How the values of a sweep's axes are written, and what a run's page shows of its sweep."""

from __future__ import annotations

import math
from typing import Any

from django import template
from django.utils.translation import gettext as _

from models_app.content.evals import SHARES
from models_app.templatetags.hub import is_share, metric_label
from runs.models import Run, Sweep
from runs.sweep_access import visible_sweeps

register = template.Library()


@register.filter
def axis_value(value: Any) -> str:
    """0.0030000000000000001 → `0.003`; nothing → a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    return str(value)[:80]


@register.filter
def axis_label(name: str) -> str:
    """`optim.lr` → `lr`, `optim.name` → `optim name`: a heading; the whole name stands in its title."""
    section, _dot, last = name.rpartition(".")
    short = f"{section.rpartition('.')[2]} {last}" if last in ("name", "kind") else last
    return short.replace("_", " ").strip()


@register.filter
def score_label(metric: str) -> str:
    """`val/accuracy` → `validation accuracy`."""
    name = metric_label(metric.removeprefix("val/"))
    return _("validation %(metric)s") % {"metric": name} if metric.startswith("val/") else name


@register.filter
def spread(value: float | None, metric: str) -> str:
    """A standard deviation in its metric's dress: of shares in percentage points, of others in two digits."""
    if value is None:
        return ""
    if is_share(metric):
        return _("%(points)s points") % {"points": f"{value * 100:.2f}"}
    return f"{value:.2g}"


@register.simple_tag
def share_metrics() -> str:
    """The metrics that are written in per cent, for the script that draws them."""
    return " ".join(SHARES)


@register.simple_tag(takes_context=True)
def sweep_of(context: dict[str, Any], run: Run) -> Sweep | None:
    """The sweep that the run belongs to, if whoever looks may see it."""
    if run.sweep_id is None:
        return None
    return visible_sweeps(context["request"].actor).filter(pk=run.sweep_id).first()
