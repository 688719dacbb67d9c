"""The gate of buckets, and the reads over what lies in them (wire section 16).

A bucket is public or private as a repo is; a private one is indistinguishable from a missing one. It has no
terms of its own and no history: who may read a bucket may read every file in it now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Collate

from accounts.actor import Actor, Level
from models_app.access import RepoNotFound, level_within, too_little
from models_app.models import Bucket, BucketFile
from models_app.models.visibility import visible_buckets_filter

# Sorts after every path that goes on from a prefix (the last code point is no character).
_LAST = "\U0010ffff"
_BATCH = 1000
NOT_FOUND = "Bucket not found"


def access_bucket(actor: Actor, bucket_id: str, need: Level = Level.READ) -> Bucket:
    """The bucket `namespace/name`, if the actor may do `need` with it.

    Raises RepoNotFound (the client makes BucketNotFoundError of it), Forbidden or LoginRequired.
    """
    namespace, _, name = bucket_id.partition("/")
    lowered = {"namespace__name__lower": namespace.lower(), "name__lower": name.lower()}
    named = Bucket.objects.select_related("namespace").filter(**lowered)
    bucket = None if "\0" in bucket_id else named.first()  # PostgreSQL has no text with NUL
    if bucket is None:
        raise RepoNotFound(NOT_FOUND)
    return check_bucket(actor, bucket, need)


def check_bucket(actor: Actor, bucket: Bucket, need: Level = Level.READ) -> Bucket:
    """The same questions about a bucket already at hand."""
    ceiling = actor.repo_ceiling("bucket", bucket.bucket_id, bucket.namespace)
    level = level_within(actor, bucket.namespace, ceiling, private=bucket.private)
    if level < Level.READ:
        raise RepoNotFound(NOT_FOUND)
    if level < need:
        raise too_little(actor, f"bucket {bucket.bucket_id}", need)
    return bucket


def visible_buckets(actor: Actor) -> QuerySet[Bucket]:
    """Buckets whose existence the actor may know; the list-side twin of `access_bucket`."""
    return Bucket.objects.filter(visible_buckets_filter(actor)).select_related("namespace")


def with_totals(buckets: QuerySet[Bucket]) -> QuerySet[Bucket]:
    """Adds `total_size` (bytes) and `total_files`, what `/api/buckets/…` tells of each."""
    return buckets.annotate(total_size=Sum("files__file__size", default=0), total_files=Count("files"))


# --- what lies in a bucket


@dataclass(frozen=True)
class Folder:
    """Some path under the one asked for goes on here; `uploaded_at` is that of its first file."""

    path: str
    uploaded_at: datetime


def files_of(bucket: Bucket, prefix: str = "", after: str = "") -> QuerySet[BucketFile]:
    """Files whose path begins with `prefix` and sorts after `after`, in the order of their code points."""
    # Not LIKE, which knows no case on SQLite; not the database's own order, which may know languages.
    rows = BucketFile.objects.filter(bucket=bucket).select_related("file").alias(key=_key())
    if prefix:
        rows = rows.filter(key__gte=prefix, key__lt=prefix + _LAST)
    if after:
        rows = rows.filter(key__gt=after)
    return rows.order_by("key")


def _key() -> Collate:
    return Collate("path", "C" if connection.vendor == "postgresql" else "BINARY")


def list_level(bucket: Bucket, prefix: str, after: str = "") -> Iterator[BucketFile | Folder]:
    """Files and folders one level below `prefix`, lazily, in order, from the first that sorts after `after`.

    The prefix is compared letter by letter, as the wire has it: `logs` finds `logs.json` and `logs_old/`, and
    of the folder `logs` itself what is in it.
    """
    cut = len(prefix) if prefix.endswith("/") or not prefix else len(prefix) + 1
    while True:
        batch = list(files_of(bucket, prefix, after)[:_BATCH])
        for row in batch:
            if row.path < after:
                continue  # in a folder told of already
            slash = row.path.find("/", cut)
            if slash < 0:
                entry: BucketFile | Folder = row
            else:
                entry = Folder(row.path[:slash], row.uploaded_at)
            after = resume_after(entry)
            yield entry
        if len(batch) < _BATCH:
            return


def resume_after(entry: BucketFile | Folder) -> str:
    """Where a listing goes on after this entry: the `after` of `files_of` and `list_level`."""
    return entry.path if isinstance(entry, BucketFile) else entry.path + "/" + _LAST
