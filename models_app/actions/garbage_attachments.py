"""Files put into discussions that no text shows any more, and what broken uploads of them left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

from models_app.actions.attachments import attachment_store, file_name
from models_app.actions.content import batches
from models_app.actions.garbage_disk import modified_at
from models_app.models import Attachment, DiscussionEvent, RepoCard

if TYPE_CHECKING:
    from models_app.actions.garbage import Sweep

_ORPHAN_SECONDS = 86_400
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LINK = re.compile(rf"/uploads/({_UUID})\.")
_FILE = re.compile(rf"({_UUID})\.[a-z0-9]{{3,4}}")


def drop_unshown_attachments(sweep: Sweep) -> None:
    """Remove attachments, older than the grace, that no comment (its earlier texts included) and no card has
    a link to: the row, then the file."""
    old = dict(Attachment.objects.filter(created_at__lte=sweep.cutoff).values_list("uuid", "pk"))
    if not old:
        return
    for key in _shown(None):
        old.pop(key, None)
    # Somebody may have used an old link while all those texts were read.
    for key in _shown(sweep.now):
        old.pop(key, None)
    for row in Attachment.objects.filter(pk__in=list(old.values())).iterator():
        sweep.report.attachments_removed += 1
        sweep.report.attachment_bytes_freed += row.size
        if not sweep.dry_run:
            row.delete()
            attachment_store().forget(file_name(row))


def _shown(since: datetime | None) -> Iterator[UUID]:
    """The attachments that comments and cards link to: of all there are, or of those written `since`."""
    comments = DiscussionEvent.objects.filter(type="comment")
    cards = RepoCard.objects.filter(html__contains="/uploads/")
    if since is not None:
        comments = comments.filter(Q(created_at__gte=since) | Q(edited_at__gte=since))
        cards = cards.filter(repo__last_modified__gte=since)
    for body, data in comments.values_list("body", "data").iterator(chunk_size=200):
        for text in (body, *(one.get("raw", "") for one in data.get("history", []))):
            yield from _links(text)
    for html in cards.values_list("html", flat=True).iterator(chunk_size=50):
        yield from _links(html)


def _links(text: str) -> Iterator[UUID]:
    return (UUID(found[1]) for found in _LINK.finditer(text.lower()))


def remove_orphan_attachments(sweep: Sweep) -> None:
    """Remove attached files, older than a day, that no row names: a process was killed between the two."""
    before = sweep.now.timestamp() - _ORPHAN_SECONDS
    found = {UUID(match[1]): path for path, match in _files() if modified_at(path) < before}
    for batch in batches(sorted(found)):
        known = set(Attachment.objects.filter(uuid__in=batch).values_list("uuid", flat=True))
        for key in set(batch) - known:
            sweep.report.orphan_files_removed += 1
            with suppress(FileNotFoundError):
                sweep.report.orphan_bytes_freed += found[key].stat().st_size
            if not sweep.dry_run:
                found[key].unlink(missing_ok=True)


def _files() -> Iterator[tuple[Path, re.Match[str]]]:
    for path in attachment_store().root.glob("??/*"):
        if match := _FILE.fullmatch(path.name):
            yield path, match
