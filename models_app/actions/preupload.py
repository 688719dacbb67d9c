"""Before an upload: which files go as large files, which are ignored, and what is there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from models_app.content.filetypes import LfsRules, is_binary
from models_app.content.gitpatterns import is_ignored
from models_app.discussions import full_ref
from models_app.files import git_store
from models_app.models import Repo
from models_app.storage.errors import RevisionNotFound
from models_app.storage.gitstore import GitStore
from models_app.storage.operations import check_path

MAX_RULES_BYTES = 256 * 1024


@dataclass(frozen=True)
class FileToUpload:
    """What the client knows before it sends a file: path, size in bytes, the first 512 bytes."""

    path: str
    size: int
    sample: bytes


@dataclass(frozen=True)
class FilePlan:
    """`mode` is `lfs` or `regular`; `oid` names the content now at the path (sha256 or blob id), None when
    new."""

    path: str
    mode: str
    ignored: bool
    oid: str | None


@dataclass(frozen=True)
class UploadPlan:
    """The plans in the order asked, against this commit."""

    commit_oid: str
    files: list[FilePlan]


def plan_upload(
    *,
    repo: Repo,
    branch: str,
    files: Sequence[FileToUpload],
    git_ignore: str | None = None,
    git_attributes: str | None = None,
) -> UploadPlan:
    """Decide for each file; reads only. `git_ignore` and `git_attributes` are those of the upload, if it
    has any.

    Raises RevisionNotFound unless `branch` is a branch or the `refs/pr/{num}` of a pull request, BadPath
    for a path that could not be committed.
    """
    store = git_store(repo)
    head = store.ref_oid(full_ref(branch))
    if head is None:
        raise RevisionNotFound(branch)
    rules = [LfsRules(_text(store, head, ".gitattributes"))]
    if git_attributes is not None:
        rules.append(LfsRules(git_attributes[:MAX_RULES_BYTES]))
    ignore = _text(store, head, ".gitignore") if git_ignore is None else git_ignore[:MAX_RULES_BYTES]
    return UploadPlan(head, [_plan(store, head, file, rules, ignore) for file in files])


def _plan(store: GitStore, head: str, file: FileToUpload, rules: Sequence[LfsRules], ignore: str) -> FilePlan:
    check_path(file.path)
    large = (
        file.size > settings.HUB_REGULAR_FILE_BYTES
        or any(rule.tracks(file.path) for rule in rules)
        or is_binary(file.sample)
    )
    entry = store.entry(head, file.path)
    oid = entry.etag if entry is not None and entry.is_file else None
    return FilePlan(file.path, "lfs" if large else "regular", is_ignored(file.path, ignore), oid)


def _text(store: GitStore, oid: str, path: str) -> str:
    entry = store.entry(oid, path)
    if entry is None or not entry.is_file or entry.pointer is not None or entry.size > MAX_RULES_BYTES:
        return ""
    return store.blob(entry.oid).decode("utf-8", "replace")
