"""What forms and threads need in templates."""

from __future__ import annotations

import uuid
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from models_app.models import Repo
from models_app.views.articles import tutorials_about as about

register = template.Library()
SHOWN_TUTORIALS = 5


@register.simple_tag
def submit_key() -> SafeString:
    """A hidden field that makes a form one of a kind: sent twice, it does its work once."""
    return format_html('<input type="hidden" name="submit_key" value="{}">', uuid.uuid4().hex)


@register.filter
def named(names: dict[int, str], key: int) -> str:
    """The name behind a key, empty where there is none."""
    return names.get(key, "") if isinstance(names, dict) else ""


@register.inclusion_tag("tutorials/_about.html", takes_context=True)
def tutorials_about(context: dict[str, Any], repo: Repo) -> dict[str, Any]:
    """Tutorials that name this repo on their cards."""
    return {"tutorials": about(context["request"].actor, repo, SHOWN_TUTORIALS)}
