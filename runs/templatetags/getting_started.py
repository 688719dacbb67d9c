"""`{% getting_started %}`: the panel with the first steps, on the start page."""

from __future__ import annotations

from typing import Any

from django import template

from runs.getting_started import panel_for

register = template.Library()


@register.inclusion_tag("guide/_getting_started.html", takes_context=True)
def getting_started(context: dict[str, Any]) -> dict[str, Any]:
    """Nothing for whoever is not signed in, not new, or has closed it."""
    request = context["request"]
    user = request.user
    panel = panel_for(user, request.get_host()) if user.is_authenticated else None
    return {"panel": panel, "csrf_token": context.get("csrf_token"), "request": request}
