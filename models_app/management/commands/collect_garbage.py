"""`manage.py collect_garbage`: free what nothing refers to any more, or say what would be freed."""

from __future__ import annotations

import fcntl
import json
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from models_app.actions.garbage import collect_garbage
from models_app.actions.refusals import InvalidInput


class Command(BaseCommand):
    """Safe beside a running hub, and safe to kill. The last report lies in the data directory."""

    help = "Remove large files, xorbs and directories that nothing refers to and no client remembers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The grace, and what to print."""
        parser.add_argument(
            "--dry-run", action="store_true", help="remove nothing; say what would be removed"
        )
        parser.add_argument(
            "--grace-days",
            type=float,
            default=settings.HUB_GARBAGE_GRACE_DAYS,
            help=f"keep what was used within so many days ({settings.HUB_GARBAGE_GRACE_DAYS})",
        )
        parser.add_argument("--force", action="store_true", help="allow a grace that breaks clients' uploads")
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Collect, print the report, and keep it unless it was a dry run."""
        folder = Path(settings.HUB_DATA_DIR)
        with (folder / "garbage.lock").open("a") as lock:
            _claim(lock)
            grace = timedelta(days=options["grace_days"])
            try:
                report = collect_garbage(grace=grace, dry_run=options["dry_run"], force=options["force"])
            except InvalidInput as error:
                raise CommandError(error.message) from error
            text = json.dumps(report.as_json(), indent=2)
            if not options["dry_run"]:
                draft = folder / "garbage.json.new"
                draft.write_text(text + "\n")
                draft.replace(folder / "garbage.json")
        if options["verbosity"]:
            self.stdout.write(text if options["json"] else report.as_text())


def _claim(lock: IO[str]) -> None:
    """One collection at a time: two would do no harm, and twice the work."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise CommandError("A collection is running already.") from error
