"""Checkpoints of runs: the newest of each, as its worker sent it, until the run is complete.

A file is called by its SHA-256 and lies there before the row names it; what no row names any more is swept
away. Nobody but the run's workers reads them, and the hub itself never looks into one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid as uuids
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from models_app.access import Refusal
from models_app.storage.streams import PIECE_BYTES, Body, read_pieces
from runs.lifecycle import NotYourRun
from runs.models import Run, Stage

# Of a run that failed or was canceled: so long it can be resumed.
KEPT_FOR = timedelta(days=7)
# An upload under way is younger, whatever it is called.
LEFT_ALONE_SECONDS = 3600
PART = "incoming-"
_NOTHING = {"checkpoint_step": None, "checkpoint_bytes": 0, "checkpoint_sha256": "", "checkpoint_at": None}


class NotWhatWasSent(Refusal):
    """The bytes that came have another SHA-256 than was announced."""


class NoCheckpoint(Refusal):
    """The hub keeps none of this run."""


def keep(run: Run, *, attempt: int, step: int, size: int, sha256: str, body: Body) -> None:
    """Keep `size` bytes of `body` as the run's checkpoint after `step`; the one before is forgotten.

    Raises NotWhatWasSent, NotYourRun where another attempt has the run by then, BodyCutShort, and OSError
    where there is no room; the checkpoint that was there stays then.
    """
    folder = _folder(run.uuid)
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=folder, prefix=PART, delete=False) as file:
        try:
            for piece in read_pieces(body, size):
                digest.update(piece)
                file.write(piece)
            file.flush()
            if digest.hexdigest() != sha256:
                raise NotWhatWasSent(
                    "What arrived is not what X-Checksum-Sha256 announces; nothing was kept."
                )
            os.fsync(file.fileno())
            os.replace(file.name, folder / sha256)
        finally:
            Path(file.name).unlink(missing_ok=True)
    kept = Run.objects.filter(pk=run.pk, stage=Stage.RUNNING, attempt=attempt).update(
        checkpoint_step=step,
        checkpoint_bytes=size,
        checkpoint_sha256=sha256,
        checkpoint_at=timezone.now(),
        heartbeat_at=timezone.now(),
    )
    if not kept:
        raise NotYourRun("This run has moved on without you.")
    for path in folder.iterdir():
        if path.name != sha256 and not path.name.startswith(PART):
            path.unlink(missing_ok=True)


def is_kept(run: Run) -> bool:
    """Whether the checkpoint that the row names lies here."""
    return bool(run.checkpoint_sha256) and (_folder(run.uuid) / run.checkpoint_sha256).is_file()


def pieces(run: Run) -> Iterator[bytes]:
    """The run's checkpoint in pieces of at most 1 MiB. Raises NoCheckpoint."""
    try:
        file = (_folder(run.uuid) / (run.checkpoint_sha256 or "none")).open("rb")
    except OSError:
        raise NoCheckpoint("The hub keeps no checkpoint of this run.") from None
    return _read(file)


def _read(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def forget(run: Run) -> None:
    """Nobody goes on from the run's checkpoint any more, as long as the run stands as it was read."""
    with transaction.atomic():
        if Run.objects.filter(pk=run.pk, stage=run.stage, attempt=run.attempt).update(**_NOTHING):
            transaction.on_commit(lambda: shutil.rmtree(_folder(run.uuid), ignore_errors=True))


def collect(now: datetime) -> int:
    """Forget the checkpoints of complete runs and of those that ended long ago, and files that no row names;
    how many runs forgot theirs. Safe to run twice at once."""
    held = Run.objects.exclude(checkpoint_step=None)
    complete = held.filter(stage=Stage.COMPLETED)
    old = held.filter(stage__in=(Stage.ERROR, Stage.CANCELED), finished_at__lt=now - KEPT_FOR)
    done = [*complete, *old]
    for run in done:
        forget(run)
    _sweep_all(now)
    return len(done)


def _sweep_all(now: datetime) -> None:
    root = settings.HUB_CHECKPOINTS_DIR
    folders = {path.name: path for path in (root.iterdir() if root.is_dir() else ())}
    ids = [key for key in map(_uuid, folders) if key is not None]
    rows = Run.objects.filter(uuid__in=ids).values_list("uuid", "checkpoint_sha256")
    named = {str(uuid): sha256 for uuid, sha256 in rows}
    for name, folder in folders.items():
        _sweep(folder, keep=named.get(name, ""), before=now.timestamp() - LEFT_ALONE_SECONDS)


def _sweep(folder: Path, *, keep: str, before: float) -> None:
    """Remove what is older and not called `keep`, and the folder when it is empty."""
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.name != keep and path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _folder(uuid: uuids.UUID) -> Path:
    return Path(settings.HUB_CHECKPOINTS_DIR / str(uuid))


def _uuid(name: str) -> uuids.UUID | None:
    with suppress(ValueError):
        return uuids.UUID(name)
    return None
