"""From references down to large files: permissions nobody uses, and files nobody has a permission for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import PROTECT, Exists, Model, OuterRef, QuerySet

from models_app.actions.content import batches
from models_app.files import git_store
from models_app.models import Bucket, BucketUpload, FileTerm, LargeFile, Repo, RepoFile
from models_app.storage.gitreach import DamagedRepository, Reach

if TYPE_CHECKING:
    from models_app.actions.garbage import Sweep

logger = logging.getLogger(__name__)

# So many large files go in one transaction, which other writers wait for.
_FILES_AT_ONCE = 50


def drop_unreached(sweep: Sweep) -> None:
    """Take from each repo the permission to refer to files that none of its references leads to.

    A file is marked when it is first found unreached, and given up when it has been so for the whole grace:
    what was squashed or deleted by mistake can be brought back until then.
    """
    for repo in Repo.objects.filter(Exists(RepoFile.objects.filter(repo=OuterRef("pk")))).order_by("pk"):
        try:
            _look_at_repo(sweep, repo)
        except DamagedRepository:
            logger.exception("garbage: %s cannot be read, so all of it is kept", repo)
            sweep.report.unreadable_repos.append(f"{repo.repo_type} {repo.repo_id}")


def _look_at_repo(sweep: Sweep, repo: Repo) -> None:
    reach = Reach(git_store(repo).path)
    # All of history without the lock, and then under it only what has moved meanwhile.
    reach.add_references()
    with transaction.atomic():
        row = Repo.objects.select_for_update(of=("self",)).filter(pk=repo.pk).first()
        if row is None:
            return
        reach.add_references()
        _update_permissions(sweep, row, reach.sha256s)
    sweep.report.repos_read += 1
    sweep.report.commits_read += reach.commits


def _update_permissions(sweep: Sweep, repo: Repo, reached: set[str]) -> None:
    marked, found, dropped = [], [], []
    rows = RepoFile.objects.filter(repo=repo).values_list(
        "pk", "file__sha256", "first_seen_at", "unreached_since"
    )
    for pk, sha256, first_seen_at, unreached_since in rows:
        if sha256 in reached:
            found += [pk] if unreached_since else []
        elif max(first_seen_at, unreached_since or sweep.now) <= sweep.cutoff:
            dropped.append(pk)
        elif unreached_since is None:
            marked.append(pk)
    sweep.report.permissions_marked += len(marked)
    sweep.report.permissions_reached_again += len(found)
    sweep.report.permissions_dropped += len(dropped)
    if sweep.dry_run:
        sweep.doomed_rows.update((RepoFile._meta.label, pk) for pk in dropped)
        return
    _set_unreached(marked, sweep.now)
    _set_unreached(found, None)
    for batch in batches(dropped):
        # Once more by time: an upload that gives the file anew does not wait for the lock of the repo.
        RepoFile.objects.filter(pk__in=batch, first_seen_at__lte=sweep.cutoff).delete()


def _set_unreached(pks: Sequence[int], moment: datetime | None) -> None:
    for batch in batches(pks):
        RepoFile.objects.filter(pk__in=batch).update(unreached_since=moment)


def drop_old_bucket_uploads(sweep: Sweep) -> None:
    """Leave to put an upload at a path ends with the grace. What lies at one needs it no more: a bucket has
    no history, and its paths keep their content themselves."""
    old = BucketUpload.objects.filter(first_seen_at__lte=sweep.cutoff)
    for pk in old.order_by("bucket_id").values_list("bucket_id", flat=True).distinct():
        with transaction.atomic():
            Bucket.objects.select_for_update().filter(pk=pk).first()
            rows = list(old.filter(bucket_id=pk).values_list("pk", flat=True))
            sweep.report.bucket_permissions_dropped += len(rows)
            if sweep.dry_run:
                sweep.doomed_rows.update((BucketUpload._meta.label, row) for row in rows)
                continue
            for batch in batches(rows):
                BucketUpload.objects.filter(pk__in=batch, first_seen_at__lte=sweep.cutoff).delete()


def drop_large_files(sweep: Sweep) -> None:
    """Remove the rows of files that no repo and no bucket has, and with them the claim on their chunks."""
    doomed = list(_unreferenced().values_list("pk", flat=True))
    if sweep.dry_run:
        doomed += _freed_by(sweep)
        sweep.doomed_files.update(doomed)
    for batch in batches(doomed, _FILES_AT_ONCE):
        _drop_files(sweep, batch)


def _drop_files(sweep: Sweep, pks: Sequence[int]) -> None:
    """Look again under the lock, then remove; one short transaction."""
    with transaction.atomic():
        files = LargeFile.objects.filter(pk__in=pks)
        if not sweep.dry_run:
            # Locked by one statement and looked at by the next: an upload may have ended within the first.
            files = _unreferenced(list(_lockable(pks)))
        sizes = dict(files.values_list("pk", "size"))
        sweep.report.large_files_dropped += len(sizes)
        sweep.report.large_file_bytes += sum(sizes.values())
        if not sweep.dry_run:
            FileTerm.objects.filter(file_id__in=list(sizes)).delete()
            LargeFile.objects.filter(pk__in=list(sizes)).delete()


def _owners() -> list[tuple[type[Model], str]]:
    """(table, field) of every row that keeps a large file: whatever protects it from deletion, new tables
    too."""
    relations = LargeFile._meta.related_objects
    return [(one.related_model, one.field.name) for one in relations if one.on_delete is PROTECT]


def _lockable(pks: Sequence[int]) -> QuerySet[LargeFile, int]:
    """Of these files those that nobody has locked, locked: what an upload is giving is left alone."""
    rows = LargeFile.objects.select_for_update(skip_locked=True).filter(pk__in=list(pks))
    return rows.values_list("pk", flat=True)


def _unreferenced(pks: Sequence[int] | None = None) -> QuerySet[LargeFile]:
    """Files without any owner; given keys: those of them."""
    files = LargeFile.objects.all() if pks is None else LargeFile.objects.filter(pk__in=list(pks))
    for table, name in _owners():
        files = files.filter(~Exists(table._default_manager.filter(**{name: OuterRef("pk")})))
    return files


def _freed_by(sweep: Sweep) -> list[int]:
    """Files all of whose owners would be gone by now; for dry runs."""
    asked: set[int] = set()
    for table in (RepoFile, BucketUpload):
        keys = [pk for label, pk in sweep.doomed_rows if label == table._meta.label]
        for batch in batches(keys):
            asked.update(table.objects.filter(pk__in=batch).values_list("file_id", flat=True))
    return [pk for pk in sorted(asked) if _owner_rows(pk) <= sweep.doomed_rows]


def _owner_rows(file_pk: int) -> set[tuple[str, int]]:
    return {
        (table._meta.label, pk)
        for table, name in _owners()
        for pk in table._default_manager.filter(**{name: file_pk}).values_list("pk", flat=True)
    }
