"""A run inside an article: its state and curves, for whom may see it."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterable
from typing import Any

from django import template

from runs.embedding import embed_context
from runs.models import Run

register = template.Library()


@register.inclusion_tag("runs/_embed.html", takes_context=True)
def run_embed(context: dict[str, Any], uuid: str) -> dict[str, Any]:
    """The run with this id, or a line that says that the reader does not see it."""
    return embed_context(context["request"].actor, uuid)


@register.inclusion_tag("runs/_linked.html", takes_context=True)
def linked_runs(context: dict[str, Any], ids: Iterable[str]) -> dict[str, Any]:
    """The runs an article names, as far as the reader may see them."""
    wanted = [uuids.UUID(text) for text in ids]
    visible = Run.objects.visible_to(context["request"].actor).for_pages()
    return {"runs": visible.filter(uuid__in=wanted) if wanted else []}
