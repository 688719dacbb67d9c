"""Bringing the tables up to date, by one process at a time."""

from __future__ import annotations

import fcntl

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


def migrate_if_needed() -> bool:
    """Apply what is missing; True when something was. `serve` and `provision` may both call it at once."""
    if not _is_behind():
        return False
    with (settings.HUB_DATA_DIR / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_behind():
            return False
        call_command("migrate", interactive=False, verbosity=0)
    return True


def _is_behind() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
