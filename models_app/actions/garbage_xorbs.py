"""Xorbs that no file needs and no client remembers; and bytes on disk that no row names.

A xorb is two things: a file of chunks that large files are read from, and a table of chunks that clients may
build their next files on without sending them. The file goes when no term points into it, it has not been
used for the grace, and the same is true of every other xorb whose table names one of its chunks. Those
others, kept for the sake of what they store, are withdrawn: their table is emptied, so that a shard naming
them is told to upload anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from django.db import transaction

from models_app.actions.content import batches
from models_app.actions.garbage_disk import modified_at
from models_app.files import xorb_store
from models_app.models import Chunk, FileTerm, Xorb
from models_app.storage.xet.sweep import ChunkOwners

if TYPE_CHECKING:
    from models_app.actions.garbage import Sweep

# The tables of all xorbs are read once for so many candidates; their chunks are in memory, 12 bytes each.
_XORBS_AT_ONCE = 1024
_TABLES_AT_ONCE = 8
_ORPHAN_SECONDS = 86_400
_NAME = re.compile(r"[0-9a-f]{64}")


def remove_idle_xorbs(sweep: Sweep) -> None:
    """Remove the xorbs that are needed by nobody, each in one short transaction, then its file."""
    idle = list(_idle(sweep))
    sweep.report.xorbs_idle += len(idle)
    for group in batches(idle, _XORBS_AT_ONCE):
        needed_by = _needed_by(group)
        for name in group:
            if _remove_rows(sweep, name, needed_by[name]):
                sweep.report.stored_bytes_freed += file_bytes(name) if sweep.dry_run else remove_unnamed(name)


def _idle(sweep: Sweep) -> Iterator[str]:
    old = Xorb.objects.filter(last_used_at__lte=sweep.cutoff)
    if not sweep.doomed_files:
        yield from old.filter(terms=None).order_by("pk").values_list("pk", flat=True)
        return
    for name in list(old.order_by("pk").values_list("pk", flat=True)):
        files = FileTerm.objects.filter(xorb=name).values_list("file_id", flat=True).distinct()
        if sweep.doomed_files.issuperset(files):
            yield name


def _needed_by(names: Sequence[str]) -> dict[str, set[str]]:
    """For each of the xorbs, the others whose tables name a chunk that it stores."""
    owners = ChunkOwners(names, _chunks_of(names))
    found: dict[str, set[str]] = {name: set() for name in names}
    tables = Xorb.objects.exclude(chunk_table=b"").values_list("pk", "chunk_table")
    for other, table in tables.iterator(chunk_size=_TABLES_AT_ONCE):
        for name in owners.named_by(bytes(table)):
            if name != other:
                found[name].add(other)
    return found


def _chunks_of(names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for batch in batches(names, 16):
        rows = Chunk.objects.filter(xorb__in=batch).values_list("xorb_id", "hash")
        for name, raw in rows.iterator(chunk_size=8192):
            yield name, bytes(raw)


def _remove_rows(sweep: Sweep, name: str, others: set[str]) -> bool:
    """Look again under the lock, then remove the rows and withdraw the others; False when somebody needs
    it."""
    with transaction.atomic():
        present, old = _lock(sweep, sorted({name, *others}))
        if name not in old or (not sweep.doomed_files and FileTerm.objects.filter(xorb=name).exists()):
            return False
        if present - old:
            sweep.report.xorbs_kept_for_clients += 1
            return False
        sweep.report.xorbs_removed += 1
        if sweep.dry_run:
            return True
        for batch in batches(sorted(others)):
            offered = Xorb.objects.filter(pk__in=batch).exclude(chunk_table=b"")
            sweep.report.xorbs_withdrawn += offered.update(chunk_table=b"")
        Chunk.objects.filter(xorb=name).delete()
        Xorb.objects.filter(pk=name).delete()
    return True


def _lock(sweep: Sweep, names: Sequence[str]) -> tuple[set[str], set[str]]:
    """Which of the xorbs exist, and which of them are old: those locked, none of them waited for."""
    present: set[str] = set()
    old: set[str] = set()
    for batch in batches(names):
        rows = Xorb.objects.filter(pk__in=batch)
        present.update(rows.values_list("pk", flat=True))
        unused = rows.filter(last_used_at__lte=sweep.cutoff).select_for_update(skip_locked=True)
        old.update(unused.values_list("pk", flat=True))
    return present, old


def remove_orphan_files(sweep: Sweep) -> None:
    """Remove files of the store, older than a day, that no row names: uploads and collections that broke
    off."""
    before = sweep.now.timestamp() - _ORPHAN_SECONDS
    store = xorb_store()
    paths = (path for path in store.root.glob("??/??/*") if _NAME.fullmatch(path.name))
    old = [path.name for path in paths if modified_at(path) < before]
    for batch in batches(old):
        known = set(Xorb.objects.filter(pk__in=batch).values_list("pk", flat=True))
        for name in set(batch) - known:
            freed = file_bytes(name) if sweep.dry_run else remove_unnamed(name)
            sweep.report.orphan_files_removed += 1
            sweep.report.orphan_bytes_freed += freed


def remove_unnamed(name: str) -> int:
    """Remove the file of this name unless a row has the name; the bytes it had.

    The row made here stands in the way of an upload of this very xorb until the old file is gone: only then
    may the upload give its own file the name.
    """
    with transaction.atomic():
        row, made = Xorb.objects.get_or_create(hash=name, defaults={"chunk_table": b""})
        if not made:
            return 0
        size = file_bytes(name)
        xorb_store().delete(name)
        row.delete()
    return size


def file_bytes(name: str) -> int:
    """Size of a file of the store; 0 where there is none."""
    try:
        return xorb_store().path(name).stat().st_size
    except FileNotFoundError:
        return 0
