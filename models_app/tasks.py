"""Work of the hub's own worker; nothing people wait for depends on it."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from models_app.actions.trending import refresh_trending


@shared_task(name="models_app.tasks.refresh_trending", ignore_result=True)
def refresh_trending_scores(**_unknown: object) -> int:
    """Every few minutes, by beat; safe to run twice at once."""
    return refresh_trending(timezone.now())
