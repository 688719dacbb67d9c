"""Work of the hub's own worker; nothing people wait for depends on it."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from models_app.actions.catching_up import catch_up
from models_app.actions.deliveries import deliver_due, trim_deliveries
from models_app.actions.downloads import count_downloads
from models_app.actions.multipart import sweep_parts
from models_app.actions.note_mail import forget_old_notes, send_at_once, send_due_digests
from models_app.actions.notify import notify_due
from models_app.actions.saved import check_saved
from models_app.actions.tidying import cluttered, sweep_pushes
from models_app.actions.trending import refresh_trending

DELIVERY_SECONDS = 20.0
COLLECTION_SECONDS = 20 * 3600
NOTIFY_SECONDS = 20.0


@shared_task(name="models_app.tasks.refresh_trending", ignore_result=True)
def refresh_trending_scores(**_unknown: object) -> int:
    """Every few minutes, by beat; safe to run twice at once."""
    return refresh_trending(timezone.now())


@shared_task(name="models_app.tasks.count_downloads", ignore_result=True)
def count_noted_downloads(**_unknown: object) -> int:
    """Every minute, by beat; safe to run twice at once."""
    return count_downloads(timezone.now())


@shared_task(name="models_app.tasks.deliver_webhooks", ignore_result=True)
def deliver_webhooks(**_unknown: object) -> int:
    """After each event that webhooks hear of, and by beat; the other work of this worker waits no longer than
    a few rounds."""
    until, count = time.monotonic() + DELIVERY_SECONDS, 0
    while (done := deliver_due(timezone.now())) and time.monotonic() < until:
        count += done
    return count


@shared_task(name="models_app.tasks.trim_webhooks", ignore_result=True)
def trim_webhooks(**_unknown: object) -> int:
    """Hourly, by beat."""
    return trim_deliveries(timezone.now())


@shared_task(name="models_app.tasks.collect_garbage", ignore_result=True)
def start_collection(**_unknown: object) -> bool:
    """Hourly, by beat: once a day a collection begins, in a process that this worker need not wait for.

    Not at a fixed hour of the night, since a hub on somebody's own machine may not be up then.
    """
    report = Path(settings.HUB_DATA_DIR) / "garbage.json"
    with suppress(FileNotFoundError):
        if time.time() - report.stat().st_mtime < COLLECTION_SECONDS:
            return False
    if _collections and _collections[-1].poll() is None:
        return False
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "collect_garbage", "--verbosity", "0"]
    _collections[:] = [subprocess.Popen(command, stdin=subprocess.DEVNULL)]
    return True


_collections: list[subprocess.Popen[bytes]] = []


@shared_task(name="models_app.tasks.tidy_git", ignore_result=True)
def start_tidying(**_unknown: object) -> bool:
    """Hourly, by beat: forget what broke off, and repack what needs it in a process of its own."""
    sweep_parts()
    sweep_pushes()
    if (_tidyings and _tidyings[-1].poll() is None) or next(cluttered(timezone.now()), None) is None:
        return False
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "tidy_git", "--verbosity", "0"]
    _tidyings[:] = [subprocess.Popen(command, stdin=subprocess.DEVNULL)]
    return True


_tidyings: list[subprocess.Popen[bytes]] = []


@shared_task(name="models_app.tasks.catch_up", ignore_result=True)
def catch_up_with_git(**_unknown: object) -> int:
    """Every minute, by beat: there is something to do only after a process was killed."""
    return catch_up()


@shared_task(name="models_app.tasks.notify", ignore_result=True)
def notify(**_unknown: object) -> int:
    """After events that people hear of, and by beat; safe to run twice at once. How many events."""
    until, count = time.monotonic() + NOTIFY_SECONDS, 0
    while (done := notify_due()) and time.monotonic() < until:
        count += done
    return count


@shared_task(name="models_app.tasks.send_notes", ignore_result=True)
def send_notes(**_unknown: object) -> int:
    """Every minute, by beat: what people want by mail at once."""
    return send_at_once(timezone.now())


@shared_task(name="models_app.tasks.check_saved", ignore_result=True)
def check_saved_searches(**_unknown: object) -> int:
    """Every few minutes, by beat: each saved search with an alert is looked at once an hour."""
    return check_saved(timezone.now())


@shared_task(name="models_app.tasks.send_digests", ignore_result=True)
def send_digests(**_unknown: object) -> int:
    """Hourly, by beat: the digests that are due; and what was read long ago is forgotten."""
    forget_old_notes(timezone.now())
    return send_due_digests(timezone.now())
