"""A reference may lead only to commits whose large files the repo still has."""

from __future__ import annotations

from models_app.actions.content import batches
from models_app.models import LargeFile, Repo
from models_app.storage.errors import RevisionNotFound
from models_app.storage.gitreach import Reach, is_reached
from models_app.storage.gitstore import GitStore


def check_held(repo: Repo, store: GitStore, oid: str) -> None:
    """RevisionNotFound when the commit was given up so long ago that large files of it are gone.

    Call under the repo's lock, before a reference is made at a commit that somebody named: what every
    reference has left may have lost its files to the collector, and must not come back without them.
    """
    if is_reached(store.path, oid):
        return
    reach = Reach(store.path)
    reach.add([oid])
    if missing_files(repo, reach.sha256s):
        raise RevisionNotFound(oid)


def missing_files(repo: Repo, sha256s: set[str]) -> set[str]:
    """Those of the large files that the repo may not refer to."""
    held: set[str] = set()
    for batch in batches(sorted(sha256s)):
        rows = LargeFile.objects.filter(sha256__in=batch, repo_files__repo=repo)
        held.update(rows.values_list("sha256", flat=True))
    return sha256s - held
