"""What pages of people show of their runs."""

from __future__ import annotations

from typing import Any

from django import template

from accounts.models import Namespace
from models_app.views.lists import page_of
from runs.models import Run

register = template.Library()
PAGE_SIZE = 30


@register.inclusion_tag("runs/_of_owner.html", takes_context=True)
def runs_of_owner(context: dict[str, Any], owner: Namespace) -> dict[str, Any]:
    """The runs of a person or an organization that the reader may see, the newest first."""
    request = context["request"]
    rows = Run.objects.visible_to(request.actor).training().filter(namespace=owner).for_pages()
    number = request.GET.get("page")
    return {"rows": page_of(rows.order_by("-created_at", "-pk"), number, PAGE_SIZE), "request": request}
