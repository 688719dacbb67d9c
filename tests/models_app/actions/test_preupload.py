"""How each file is to be sent: by rule, size or first bytes; what is ignored; what is there already."""

from __future__ import annotations

import pytest

from accounts.models import User
from models_app.actions.commits import commit
from models_app.actions.preupload import FilePlan, FileToUpload, plan_upload
from models_app.files import git_store
from models_app.models import LargeFile, RepoFile
from models_app.storage.errors import BadPath, RevisionNotFound
from models_app.storage.operations import AddFile, AddPointer
from tests.models_app.people import by_token, repo_of

SHA = "ef" * 32
MB = 1024**2


def test_modes(alice: User) -> None:
    repo = repo_of(alice)
    asked = [
        FileToUpload("README.md", 10, b"text"),
        FileToUpload("w.safetensors", 10, b"text"),
        FileToUpload("big.txt", 10 * MB, b"text"),
        FileToUpload("bigger.txt", 10 * MB + 1, b"text"),
        FileToUpload("picture.weird", 10, b"\x89PNG\0"),
        FileToUpload("empty", 0, b""),
    ]
    plan = plan_upload(repo=repo, branch="main", files=asked)
    assert plan.commit_oid == repo.head_oid
    assert [file.mode for file in plan.files] == ["regular", "lfs", "regular", "lfs", "lfs", "regular"]
    assert {file.oid for file in plan.files} == {None}


def test_rules_sent_along_count_beside_those_of_the_branch(alice: User) -> None:
    repo = repo_of(alice)
    commit(
        by_token(alice), repo=repo, branch="main", summary="x", operations=[AddFile(".gitignore", b"*.log\n")]
    )
    asked = [FileToUpload("a.log", 1, b"x"), FileToUpload("a.tmp", 1, b"x"), FileToUpload("a.foo", 1, b"x")]
    plain = plan_upload(repo=repo, branch="main", files=asked)
    assert [(file.ignored, file.mode) for file in plain.files] == [
        (True, "regular"), (False, "regular"), (False, "regular"),
    ]  # fmt: skip
    sent = plan_upload(
        repo=repo, branch="main", files=asked, git_ignore="*.tmp", git_attributes="*.foo filter=lfs"
    )
    assert [(file.ignored, file.mode) for file in sent.files] == [
        (False, "regular"), (True, "regular"), (False, "lfs"),
    ]  # fmt: skip


def test_what_is_there_is_named_by_blob_id_or_sha256(alice: User) -> None:
    repo = repo_of(alice)
    RepoFile.objects.create(repo=repo, file=LargeFile.objects.create(sha256=SHA, xet_hash=SHA, size=9))
    done = commit(
        by_token(alice),
        repo=repo,
        branch="main",
        summary="x",
        operations=[AddFile("d/a.txt", b"hello"), AddPointer("w.bin", SHA, 9)],
    )
    entry = git_store(repo).entry(done.oid, "d/a.txt")
    assert entry is not None
    asked = [FileToUpload(path, 5, b"hello") for path in ("d/a.txt", "w.bin", "d")]
    plan = plan_upload(repo=repo, branch="main", files=asked)
    assert plan.files == [
        FilePlan("d/a.txt", "regular", False, entry.oid),
        FilePlan("w.bin", "lfs", False, SHA),
        FilePlan("d", "regular", False, None),
    ]


def test_only_branches_and_only_paths_that_could_be_committed(alice: User) -> None:
    repo = repo_of(alice)
    with pytest.raises(RevisionNotFound):
        plan_upload(repo=repo, branch=repo.head_oid, files=[])
    with pytest.raises(BadPath):
        plan_upload(repo=repo, branch="main", files=[FileToUpload("a/../b", 1, b"")])
