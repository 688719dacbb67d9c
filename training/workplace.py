"""A worker's settings and its folder: caches and the checkpoints of unfinished runs, nobody else's."""

from __future__ import annotations

import fcntl
import math
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from training.errors import UserError

NO_BROKER = ("none", "poll")


@dataclass(frozen=True)
class WorkerSettings:
    """What the environment says; `home` holds the cache, the runs under way, and results on their way.

    `delivery_hours`: how long a finished run is offered to a hub that does not take it.
    """

    endpoint: str
    token: str
    broker_url: str
    broker_dir: str
    flavors: tuple[str, ...]
    home: Path
    name: str
    checkpoint_seconds: float = 10.0
    delivery_hours: float = 24.0

    @property
    def polls(self) -> bool:
        """No broker at all: the hub is asked for work."""
        return self.broker_url in NO_BROKER

    @classmethod
    def from_environment(cls) -> WorkerSettings:
        """Raises UserError naming the variable that is missing."""
        values = os.environ
        for name in ("HUB_PUBLIC_URL", "HUB_WORKER_TOKEN"):
            if not values.get(name):
                raise UserError("worker:settings", f"The environment variable {name} is not set.")
        broker_url = values.get("HUB_BROKER_URL") or "filesystem://"
        broker_dir = values.get("HUB_BROKER_DIR", "")
        if broker_url.startswith("filesystem:") and not broker_dir:
            raise UserError("worker:settings", "HUB_BROKER_DIR must name the hub's broker folder.")
        flavors = [part.strip() for part in values.get("HUB_FLAVORS", "cpu-basic").split(",")]
        own = Path(tempfile.gettempdir()) / f"tuneyard-worker-{os.getuid()}"
        return cls(
            endpoint=values["HUB_PUBLIC_URL"].rstrip("/"),
            token=values["HUB_WORKER_TOKEN"],
            broker_url=broker_url,
            broker_dir=broker_dir,
            flavors=tuple(flavor for flavor in flavors if flavor),
            home=Path(values.get("HUB_WORKER_DIR") or own),
            name=values.get("HUB_WORKER_NAME", "local"),
            checkpoint_seconds=_positive("HUB_CHECKPOINT_SECONDS", cls.checkpoint_seconds),
            delivery_hours=_positive("HUB_DELIVERY_HOURS", cls.delivery_hours),
        )


def _positive(name: str, default: float) -> float:
    try:
        value = float(os.environ.get(name) or default)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UserError("worker:settings", f"{name} must be a number above 0.")
    return value


def take_home(settings: WorkerSettings) -> IO[str]:
    """Make the worker's folder and lock it: two workers would write each other's checkpoints."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (settings.home / "lock").open("w")
    except OSError as error:
        text = f"The worker's folder {settings.home} cannot be written ({error.strerror})."
        raise UserError("worker:settings", text) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        text = f"Another worker is using {settings.home}; give this one its own HUB_WORKER_DIR."
        raise UserError("worker:settings", text) from None
    return lock


def isolate(settings: WorkerSettings) -> None:
    """Point the stock client at this hub and at our own caches, away from this machine's user and token."""
    cache = settings.home / "cache"
    # Celery would load Django for a settings module that `manage.py serve` left in the environment.
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "DJANGO_"))]:
        del os.environ[name]
    os.environ |= {
        "HF_ENDPOINT": settings.endpoint,
        "HF_HOME": str(cache),
        "HF_XET_CACHE": str(cache / "xet"),
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


def tidy(home: Path) -> None:
    """At the start: of runs that an earlier process was killed in nothing is used again, the hub has what
    counts. One that was handed back in order has left its checkpoint, and nothing else."""
    for folder in (home / "runs").glob("*"):
        if {path.name for path in folder.iterdir()} != {"kept"}:
            shutil.rmtree(folder, ignore_errors=True)


def prune(home: Path, *, older_than_days: float = 7.0, cache_bytes: int = 20 * 1024**3) -> None:
    """Forget the checkpoints of runs that never came back, feature tables that no run has used since (reading
    one makes it young), and a cache beyond its bound."""
    limit = time.time() - older_than_days * 86400
    for folder in (home / "runs").glob("*"):
        if folder.stat().st_mtime < limit:
            shutil.rmtree(folder, ignore_errors=True)
    cache = home / "cache"
    for table in (cache / "features").glob("*"):
        if table.stat().st_mtime < limit:
            table.unlink(missing_ok=True)
    size = sum(path.lstat().st_size for path in cache.rglob("*") if path.is_file() and not path.is_symlink())
    if size > cache_bytes:
        shutil.rmtree(cache, ignore_errors=True)
