"""What was foretold of a run, for its page."""

from __future__ import annotations

from django import template

from runs.models import Run
from runs.truth import Comparison, compared

register = template.Library()


@register.simple_tag
def foretold_of(run: Run) -> Comparison | None:
    """Foretold and true memory and time; None where nothing was foretold."""
    return compared(run)
