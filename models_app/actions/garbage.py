"""Collection of garbage: what nothing refers to any more goes, after a time of grace, and nothing else.

Mark and sweep, from the roots down: the references of every repo, the files of every bucket, the texts of
people, and whatever was uploaded within the grace. It may run beside a working hub, twice at once, and be
killed at any moment: every step looks again under the lock of what it removes, rows go before the bytes they
name, and bytes without a row are found by the next run. An object that cannot be read is never taken for one
that leads nowhere.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.utils import timezone

from models_app.actions import garbage_attachments, garbage_disk, garbage_files, garbage_xorbs
from models_app.actions.refusals import InvalidInput

logger = logging.getLogger(__name__)

# Clients remember for three weeks which chunks they have sent, and do not send them again (hf-wire 19.5).
CLIENT_MEMORY_DAYS = 22


@dataclass
class Report:
    """What one run found and did (would do, in a dry run); sizes in bytes."""

    began_at: str
    grace_days: float
    dry_run: bool
    repos_read: int = 0
    commits_read: int = 0
    unreadable_repos: list[str] = field(default_factory=list)
    permissions_marked: int = 0
    permissions_reached_again: int = 0
    permissions_dropped: int = 0
    bucket_permissions_dropped: int = 0
    large_files_dropped: int = 0
    large_file_bytes: int = 0
    xorbs_idle: int = 0
    xorbs_kept_for_clients: int = 0
    xorbs_removed: int = 0
    xorbs_withdrawn: int = 0
    stored_bytes_freed: int = 0
    attachments_removed: int = 0
    attachment_bytes_freed: int = 0
    orphan_files_removed: int = 0
    orphan_bytes_freed: int = 0
    git_directories_removed: int = 0
    temporary_files_removed: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain data for a report file."""
        return asdict(self)

    def as_text(self) -> str:
        """The same for people, one line a number."""
        title = "What a collection would remove" if self.dry_run else "What this collection removed"
        lines = [f"{title} (grace {self.grace_days:g} days, {self.seconds:.1f} s)"]
        lines += [f"  {label:<52} {getattr(self, name):>15,}" for name, label in _LABELS.items()]
        lines += [
            f"  could not be read, so nothing of it was touched: {name}" for name in self.unreadable_repos
        ]
        return "\n".join(lines)


_LABELS = {
    "repos_read": "repos read",
    "commits_read": "commits read",
    "permissions_marked": "large files newly found without a reference",
    "permissions_reached_again": "large files that have one again",
    "permissions_dropped": "large files given up by their repo",
    "bucket_permissions_dropped": "uploads to buckets given up",
    "large_files_dropped": "large files that nobody has",
    "large_file_bytes": "their bytes",
    "xorbs_idle": "xorbs that no file needs",
    "xorbs_kept_for_clients": "of these kept, since clients may build on them",
    "xorbs_removed": "xorbs removed",
    "xorbs_withdrawn": "xorbs no longer offered to build on",
    "stored_bytes_freed": "bytes freed",
    "attachments_removed": "attached files that no text shows",
    "attachment_bytes_freed": "their bytes",
    "orphan_files_removed": "files of uploads that broke off",
    "orphan_bytes_freed": "their bytes",
    "git_directories_removed": "git directories of repos that are gone",
    "temporary_files_removed": "temporary files of processes that died",
}


@dataclass
class Sweep:
    """One run: what counts as old, and in a dry run the rows that would be gone by now."""

    now: datetime
    cutoff: datetime
    dry_run: bool
    report: Report
    doomed_rows: set[tuple[str, int]] = field(default_factory=set)
    doomed_files: set[int] = field(default_factory=set)


def collect_garbage(
    *, grace: timedelta, dry_run: bool = False, force: bool = False, now: datetime | None = None
) -> Report:
    """Run once and tell what was done. No actor: this is the hub's own housekeeping.

    InvalidInput for a grace shorter than what clients remember, unless forced: their next uploads would name
    chunks that are gone, and fail until they forget.
    """
    if grace < timedelta(days=CLIENT_MEMORY_DAYS) and not force:
        raise InvalidInput(
            f"A grace of under {CLIENT_MEMORY_DAYS} days breaks uploads of clients that remember "
            "what they sent; force it only where no client does."
        )
    began, at = monotonic(), now or timezone.now()
    report = Report(at.isoformat(), grace / timedelta(days=1), dry_run)
    sweep = Sweep(at, at - grace, dry_run, report)
    garbage_files.drop_unreached(sweep)
    garbage_files.drop_old_bucket_uploads(sweep)
    garbage_files.drop_large_files(sweep)
    garbage_xorbs.remove_idle_xorbs(sweep)
    garbage_xorbs.remove_orphan_files(sweep)
    garbage_attachments.drop_unshown_attachments(sweep)
    garbage_attachments.remove_orphan_attachments(sweep)
    garbage_disk.remove_git_directories(sweep)
    garbage_disk.remove_temporary_files(sweep)
    report.seconds = round(monotonic() - began, 3)
    told = {name: getattr(report, name) for name in _LABELS if getattr(report, name)}
    logger.info("garbage%s: %s", " (dry run)" if dry_run else "", told or "nothing to remove")
    return report
