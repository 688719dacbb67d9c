"""Directories and temporary files that processes left behind when they were killed."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from models_app.actions.content import batches
from models_app.models import Repo

if TYPE_CHECKING:
    from models_app.actions.garbage import Sweep

_DIRECTORY = re.compile(r"([0-9a-f]{32})\.git")
_UNCLAIMED_SECONDS = 86_400
# No upload takes three days.
_ABANDONED_SECONDS = 3 * 86_400
_TEMPORARY = ("xorb-*", "upload-*", "part-*", "pack-*", "attachment-*")


def remove_git_directories(sweep: Sweep) -> None:
    """Remove the git directories, older than a day, of repos that are gone or never came to be."""
    before = sweep.now.timestamp() - _UNCLAIMED_SECONDS
    old = {uuid.UUID(found[1]): path for path, found in _directories() if modified_at(path) < before}
    for batch in batches(sorted(old)):
        known = set(Repo.objects.filter(uuid__in=batch).values_list("uuid", flat=True))
        for key in set(batch) - known:
            sweep.report.git_directories_removed += 1
            if not sweep.dry_run:
                shutil.rmtree(old[key], ignore_errors=True)


def _directories() -> Iterator[tuple[Path, re.Match[str]]]:
    for path in Path(settings.HUB_GIT_DIR).glob("??/*.git"):
        found = _DIRECTORY.fullmatch(path.name)
        if found is not None:
            yield path, found


def remove_temporary_files(sweep: Sweep) -> None:
    """Remove temporary files, older than three days, of uploads whose process was killed."""
    before = sweep.now.timestamp() - _ABANDONED_SECONDS
    folder = Path(settings.HUB_TMP_DIR)
    for path in [path for pattern in _TEMPORARY for path in folder.glob(pattern)]:
        if path.is_file() and modified_at(path) < before:
            sweep.report.temporary_files_removed += 1
            if not sweep.dry_run:
                path.unlink(missing_ok=True)


def modified_at(path: Path) -> float:
    """When the file was last written, in seconds since 1970; never, where it is gone."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return float("inf")
