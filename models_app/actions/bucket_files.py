"""Files into a bucket and out of it: one batch, one transaction, every operation judged by itself.

An operation that cannot be done is told by its path and changes nothing; the others are done (section 16).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.actor import Actor
from models_app.access import Refusal, access_repo
from models_app.actions.buckets import lock_bucket
from models_app.actions.content import batches
from models_app.actions.events import record_event
from models_app.buckets import access_bucket
from models_app.large_files import locked_files
from models_app.models import Bucket, BucketFile, BucketUpload, EventTag, LargeFile, Repo, RepoType
from models_app.storage.errors import BadPath
from models_app.storage.operations import check_path

MAX_OPERATIONS = 1000
MAX_PATH_LENGTH = 1024
EMPTY_XET_HASH = "0" * 64
_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@dataclass(frozen=True)
class PutFile:
    """Let `path` be the content of this Xet hash, uploaded here or held by `source` (type and id)."""

    path: str
    xet_hash: str
    mtime: datetime | None = None
    content_type: str = ""
    source: tuple[str, str] | None = None


@dataclass(frozen=True)
class RemoveFile:
    """Let there be nothing at `path`; that there was nothing is no mistake, as a batch may be sent twice."""

    path: str


Operation = PutFile | RemoveFile


@dataclass(frozen=True)
class Failure:
    """An operation that was not done, and why, in one sentence."""

    path: str
    error: str


def change_files(actor: Actor, *, bucket: Bucket, operations: Sequence[Operation]) -> list[Failure]:
    """Do the operations in order: the last word on a path counts. Returns those that could not be done.

    Raises the gate's refusals; nothing is changed then.
    """
    with transaction.atomic():
        row = lock_bucket(actor, bucket)
        content = _Contents(actor, row, operations)
        failures: list[Failure] = []
        wanted: dict[str, tuple[PutFile, LargeFile] | None] = {}
        for operation in operations:
            try:
                path = _checked(operation.path)
                found = content.of(operation) if isinstance(operation, PutFile) else None
            except _Impossible as error:
                failures.append(Failure(operation.path, str(error)))
                continue
            wanted[path] = (operation, found) if isinstance(operation, PutFile) and found else None
        changes = _write(row, wanted)
        if changes:
            told: dict[str, Any] = {"bucket": str(row.uuid), "bucket_id": row.bucket_id}
            event = record_event(actor, EventTag.BUCKET_CHANGE, **told, changes=changes)
            row.updated_at, row.last_event = event.at, event.pk
            row.save(update_fields=["updated_at", "last_event"])
    return failures


class _Impossible(Exception):
    """Why one operation cannot be done."""


def _checked(path: str) -> str:
    try:
        check_path(path, in_git=False)
    except BadPath as error:
        raise _Impossible(error.message) from None
    if len(path) > MAX_PATH_LENGTH:
        raise _Impossible(f"The path is longer than {MAX_PATH_LENGTH} characters.")
    return path


class _Contents:
    """The content that the operations of a batch may refer to, looked up together.

    Decision 0004: by a row of this bucket or of a source the actor may read, never by the hash alone.
    """

    def __init__(self, actor: Actor, bucket: Bucket, operations: Iterable[Operation]) -> None:
        self._refused: dict[tuple[str, str], str] = {}
        self._found: dict[tuple[str, str] | None, dict[str, LargeFile]] = {}
        wanted: dict[tuple[str, str] | None, set[str]] = defaultdict(set)
        for operation in operations:
            if isinstance(operation, PutFile):
                wanted[operation.source].add(operation.xet_hash)
        for source, hashes in wanted.items():
            if source is None:
                self._found[None] = _own(bucket, sorted(hashes))
            else:
                self._look_into(actor, source, sorted(hashes))

    def _look_into(self, actor: Actor, source: tuple[str, str], hashes: Sequence[str]) -> None:
        try:
            self._found[source] = _of_place(_source(actor, *source), hashes)
        except Refusal as refusal:
            self._refused[source] = refusal.message

    def of(self, operation: PutFile) -> LargeFile:
        """The content, or _Impossible."""
        source = operation.source
        told = "" if source is None else f"The source {source[0]} {source[1]}"
        if source is not None and source in self._refused:
            raise _Impossible(f"{told} cannot be read: {self._refused[source]}")
        found = self._found[source].get(operation.xet_hash)
        if found is None and source is None:
            raise _Impossible("This content was never uploaded to this bucket; please upload it again.")
        if found is None:
            raise _Impossible(f"{told} holds no content with this Xet hash.")
        return found


def _own(bucket: Bucket, hashes: Sequence[str]) -> dict[str, LargeFile]:
    """What was uploaded to the bucket or lies in it; the empty file anybody may have."""
    found = _of_place(bucket, hashes)
    for batch in batches(hashes):
        rows = BucketUpload.objects.filter(bucket=bucket, xet_hash__in=batch).select_related("file")
        found.update({row.xet_hash: row.file for row in rows})
    if EMPTY_XET_HASH in hashes and EMPTY_XET_HASH not in found:
        names = {"xet_hash": EMPTY_XET_HASH, "size": 0}
        found[EMPTY_XET_HASH] = LargeFile.objects.get_or_create(sha256=_EMPTY_SHA256, defaults=names)[0]
    return found


def _of_place(place: Repo | Bucket, hashes: Sequence[str]) -> dict[str, LargeFile]:
    found: dict[str, LargeFile] = {}
    for batch in batches(hashes):
        found.update({file.xet_hash: file for file in locked_files(place, xet_hash__in=batch)})
    return found


def _source(actor: Actor, repo_type: str, repo_id: str) -> Repo | Bucket:
    """Where a copy comes from, through its gate: the actor must be able to read the content there."""
    if repo_type == "bucket":
        return access_bucket(actor, repo_id)
    if repo_type not in RepoType.values:
        raise Refusal(f"there is no repo type {repo_type[:20]!r}.")
    return access_repo(actor, repo_type, repo_id)


def _write(bucket: Bucket, wanted: dict[str, tuple[PutFile, LargeFile] | None]) -> list[dict[str, Any]]:
    """Make it so; what has changed, as the bucket's feed tells it."""
    before = {row.path: row for row in _rows(bucket, list(wanted))}
    gone = [path for path, put in wanted.items() if put is None and path in before]
    for batch in batches(gone):
        BucketFile.objects.filter(bucket=bucket, path__in=batch).delete()
    now = timezone.now()
    rows = [_row(bucket, *put, now) for put in wanted.values() if put is not None]
    BucketFile.objects.bulk_create(
        rows,
        500,
        update_conflicts=True,
        unique_fields=["bucket", "path"],
        update_fields=["file", "content_type", "mtime", "uploaded_at"],
    )
    put = [_change(row, row.path in before) for row in rows]
    return [*({"path": path, "op": "delete"} for path in gone), *put]


def _rows(bucket: Bucket, paths: Sequence[str]) -> Iterator[BucketFile]:
    for batch in batches(paths):
        yield from BucketFile.objects.filter(bucket=bucket, path__in=batch)


def _row(bucket: Bucket, put: PutFile, file: LargeFile, now: datetime) -> BucketFile:
    return BucketFile(
        bucket=bucket,
        path=put.path,
        file=file,
        content_type=put.content_type,
        mtime=put.mtime,
        uploaded_at=now,
    )


def _change(row: BucketFile, was_there: bool) -> dict[str, Any]:
    return {
        "path": row.path,
        "op": "update" if was_there else "add",
        "size": row.file.size,
        "xetHash": row.file.xet_hash,
        "uploadedAt": row.uploaded_at.isoformat(),
        "mtime": row.mtime.isoformat() if row.mtime else None,
    }
