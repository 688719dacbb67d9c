"""Which repos an actor may know of, as one query condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

if TYPE_CHECKING:
    from accounts.actor import Actor


def visible_filter(actor: Actor) -> Q:
    """The list-side twin of `access.access_repo(..., need=Level.READ)`; a generated grid tests that they agree."""
    raise AssertionError("written by H4")
