"""From a repo's row to the bytes of its files: git for ordinary files, the xorb store for large ones."""

from __future__ import annotations

from django.conf import settings

from models_app.models import LargeFile, Repo
from models_app.storage.errors import EntryNotFound, FileTooLarge
from models_app.storage.gitstore import GitStore, repo_path
from models_app.storage.lfs import Pointer

# --- git


def git_store(repo: Repo) -> GitStore:
    """The repo's git repository; make one per request."""
    return GitStore(repo_path(settings.HUB_GIT_DIR, repo.uuid))


def large_file_of(repo: Repo, pointer: Pointer) -> LargeFile | None:
    """The content behind a pointer, if this repo has the permission to refer to it."""
    return LargeFile.objects.filter(sha256=pointer.sha256, size=pointer.size, repo_files__repo=repo).first()


def read_file(repo: Repo, oid: str, path: str, limit: int) -> bytes:
    """The whole content of a file of commit `oid`, ordinary or large.

    Raises EntryNotFound (also for a pointer to content this repo may not refer to) or FileTooLarge.
    """
    store = git_store(repo)
    entry = store.entry(oid, path)
    if entry is None or not entry.is_file:
        raise EntryNotFound(f"{path} does not exist on {oid}", oid)
    if entry.size > limit:
        raise FileTooLarge(f"{path} has {entry.size} bytes; at most {limit} are read here")
    if entry.pointer is None:
        return store.blob(entry.oid)
    large_file = large_file_of(repo, entry.pointer)
    if large_file is None:
        raise EntryNotFound(f"the content of {path} is not stored here", oid)
    return b"".join(stream_large_file(large_file, 0, large_file.size))


# --- large files (the xorb store)
