"""The hub's side of the broker: consumes the queue `hub`, produces `train.*`.

A message is only a wake-up (decision 0005), so the filesystem transport, which loses what a killed
worker held, is enough on one machine: the reaper sends it again.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning

from hub import broker

TRENDING_SECONDS = 600.0
DOWNLOADS_SECONDS = 60.0
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
# In a container everything runs as root, and nothing here accepts the pickles that make it dangerous.
warnings.filterwarnings("ignore", category=SecurityWarning)


def broker_options(broker_dir: Path) -> dict[str, Any]:
    """Transport options of the filesystem broker; every process of one hub must use the same two folders."""
    for name in ("messages", "control"):
        (broker_dir / name).mkdir(parents=True, exist_ok=True)
    return {
        "data_folder_in": str(broker_dir / "messages"),
        "data_folder_out": str(broker_dir / "messages"),
        "control_folder": str(broker_dir / "control"),
        "polling_interval": 0.2,
    }


def make_app() -> Celery:
    """The configured application; the default app of every Django process, so that `shared_task` finds it."""
    from django.conf import settings

    broker.install()
    made = Celery("hub")
    made.conf.update(
        broker_url=settings.HUB_BROKER_URL,
        broker_connection_retry_on_startup=True,
        task_default_queue="hub",
        task_ignore_result=True,
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        timezone="UTC",
        # Celery's default scheduler keeps its clock in a pickle; this one needs no file.
        beat_scheduler="celery.beat:Scheduler",
        beat_schedule={
            "reap": {"task": "runs.tasks.reap", "schedule": float(settings.HUB_REAPER_SECONDS)},
            "trending": {"task": "models_app.tasks.refresh_trending", "schedule": TRENDING_SECONDS},
            "downloads": {"task": "models_app.tasks.count_downloads", "schedule": DOWNLOADS_SECONDS},
            "webhooks": {
                "task": "models_app.tasks.deliver_webhooks",
                "schedule": float(settings.HUB_REAPER_SECONDS),
            },
            "webhooks-trim": {"task": "models_app.tasks.trim_webhooks", "schedule": 3600.0},
            "garbage": {"task": "models_app.tasks.collect_garbage", "schedule": 3600.0},
            "catch-up": {"task": "models_app.tasks.catch_up", "schedule": 60.0},
            "tidy-git": {"task": "models_app.tasks.tidy_git", "schedule": 3600.0},
        },
    )
    if settings.HUB_BROKER_URL.startswith("filesystem:"):
        made.conf.broker_transport_options = broker_options(settings.HUB_BROKER_DIR)
    made.autodiscover_tasks(["runs", "models_app"])
    made.set_default()
    return made


app = make_app()
