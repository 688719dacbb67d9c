"""The hub's side of the broker: consumes the queue `hub`, produces `train.*`.

A message is only a wake-up (decision 0005), so the filesystem transport, which loses what a killed
worker held, is enough on one machine: the reaper sends it again.
"""

from __future__ import annotations

import os
import warnings

from celery import Celery
from celery.platforms import SecurityWarning

from hub import broker
from training.brokers import celery_settings

TRENDING_SECONDS = 600.0
DOWNLOADS_SECONDS = 60.0
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
# In a container everything runs as root, and nothing here accepts the pickles that make it dangerous.
warnings.filterwarnings("ignore", category=SecurityWarning)


def make_app() -> Celery:
    """The configured application; the default app of every Django process, so that `shared_task` finds it."""
    from django.conf import settings

    broker.install()
    made = Celery("hub")
    made.conf.update(celery_settings(settings.HUB_BROKER_URL, settings.HUB_BROKER_DIR))
    made.conf.update(
        task_default_queue="hub",
        # Celery's default scheduler keeps its clock in a pickle; this one needs no file.
        beat_scheduler="celery.beat:Scheduler",
        beat_schedule={
            "reap": {"task": "runs.tasks.reap", "schedule": float(settings.HUB_REAPER_SECONDS)},
            # mail about runs that have ended
            "notices": {"task": "runs.tasks.send_notices", "schedule": float(settings.HUB_REAPER_SECONDS)},
            "trending": {"task": "models_app.tasks.refresh_trending", "schedule": TRENDING_SECONDS},
            "downloads": {"task": "models_app.tasks.count_downloads", "schedule": DOWNLOADS_SECONDS},
            "webhooks": {
                "task": "models_app.tasks.deliver_webhooks",
                "schedule": float(settings.HUB_REAPER_SECONDS),
            },
            "webhooks-trim": {"task": "models_app.tasks.trim_webhooks", "schedule": 3600.0},
            "garbage": {"task": "models_app.tasks.collect_garbage", "schedule": 3600.0},
            "notify": {"task": "models_app.tasks.notify", "schedule": float(settings.HUB_REAPER_SECONDS)},
            "notes-mail": {"task": "models_app.tasks.send_notes", "schedule": 60.0},
            "saved-searches": {"task": "models_app.tasks.check_saved", "schedule": 300.0},
            "badges": {"task": "runs.tasks.rebuild_badges", "schedule": 900.0},
            "digests": {"task": "models_app.tasks.send_digests", "schedule": 3600.0},
            "catch-up": {"task": "models_app.tasks.catch_up", "schedule": 60.0},
            "tidy-git": {"task": "models_app.tasks.tidy_git", "schedule": 3600.0},
        },
    )
    made.autodiscover_tasks(["runs", "models_app", "accounts"])
    made.set_default()
    return made


app = make_app()
