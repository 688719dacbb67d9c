"""Who may read which large file: the permission rows of repos and buckets, as queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.actor import Actor, Level
from models_app.models import Bucket, BucketFile, LargeFile, Repo, RepoFile

# What large files are uploaded into and read from.
Place = Repo | Bucket

_BATCH = 900
_LATEST = 4


def held_by(place: Place) -> QuerySet[LargeFile]:
    """The files that readers of this repo or bucket may read (decision 0004: a row, never a hash, gives
    access)."""
    if isinstance(place, Bucket):
        # What lies there now, however it came; an upload that no path names is for its writers to place.
        return LargeFile.objects.filter(pk__in=BucketFile.objects.filter(bucket=place).values("file_id"))
    return LargeFile.objects.filter(repo_files__repo=place)


def locked_files(place: Place, **wanted: object) -> QuerySet[LargeFile]:
    """Those that the place holds, locked until the transaction ends: the place itself may be losing them
    now, and the collector must not take them before somebody else's permission is written."""
    rows = held_by(place).filter(**wanted).order_by("sha256")
    return rows.select_for_update(of=("self",), no_key=True)


def readable_by(actor: Actor, place: Place, file: str = "pk") -> Q:
    """The condition that the actor may read the content of the large file whose key a row has as `file`: it
    is one of `place`, or of any repo open to them.

    Narrower than the gate where it is cheap to be: a gated repo counts only for members of its namespace.
    """
    members_of = [] if actor.is_scoped else _namespaces(actor)
    open_to = Repo.objects.visible_to(actor).filter(disabled_at__isnull=True)
    open_to = open_to.filter(Q(gated="false") | Q(namespace_id__in=members_of))
    here: QuerySet[BucketFile] | QuerySet[RepoFile]
    if isinstance(place, Bucket):
        here = BucketFile.objects.filter(file=OuterRef(file), bucket=place)
    else:
        here = RepoFile.objects.filter(file=OuterRef(file), repo=place)
    return Q(Exists(here)) | Q(Exists(RepoFile.objects.filter(file=OuterRef(file), repo__in=open_to)))


def xet_hashes(place: Place, sha256s: Iterable[str]) -> dict[str, str]:
    """The Xet name of each of these files that the place holds and that has content; for lists of files."""
    wanted = list(dict.fromkeys(sha256s))
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _BATCH):
        rows = held_by(place).filter(sha256__in=wanted[start : start + _BATCH], size__gt=0)
        found.update(rows.values_list("sha256", "xet_hash"))
    return found


def latest_files(actor: Actor, place: Place, *, least: int) -> list[int]:
    """Keys of the files of at least `least` bytes that came last, newest first: a few of this place, then of
    what the actor may read in their own namespaces."""
    here: QuerySet[BucketFile] | QuerySet[RepoFile]
    if isinstance(place, Bucket):
        here = BucketFile.objects.filter(bucket=place).order_by("-uploaded_at", "-pk")
    else:
        here = RepoFile.objects.filter(repo=place).order_by("-first_seen_at", "-pk")
    own = Repo.objects.visible_to(actor).filter(
        disabled_at__isnull=True, namespace_id__in=[] if actor.is_scoped else _namespaces(actor)
    )
    theirs = RepoFile.objects.filter(repo__in=own).order_by("-first_seen_at", "-pk")
    found: dict[int, None] = {}
    for rows in (here, theirs):
        big = rows.filter(file__size__gte=least)
        found.update(dict.fromkeys(big.values_list("file_id", flat=True)[:_LATEST]))
    return list(found)


def _namespaces(actor: Actor) -> Sequence[int]:
    return [pk for pk, level in actor.namespace_levels.items() if level >= Level.READ]
