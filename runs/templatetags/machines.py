"""What forms and pages of runs say of machines."""

from __future__ import annotations

from typing import Any

from django import template

from runs.worker_access import places_for

register = template.Library()


@register.inclusion_tag("runs/_where.html", takes_context=True)
def where_it_runs(context: dict[str, Any]) -> dict[str, Any]:
    """On which machines a run that the visitor submits may land, as things are now."""
    return {"places": places_for(context["request"].actor)}
