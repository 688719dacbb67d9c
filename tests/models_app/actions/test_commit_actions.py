"""One commit is all or nothing: what it may refer to, when it must not happen, what it leaves behind."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest
from django.test import Client

from accounts.models import User
from accounts.tokens import revoke_token
from models_app.access import Forbidden, RepoDisabled
from models_app.actions import commits as actions
from models_app.actions import repos as repo_actions
from models_app.actions.refusals import CredentialEnded, InvalidInput, NotUploaded
from models_app.content.filetypes import LfsRules
from models_app.files import git_store
from models_app.models import Event, EventTag, LargeFile, Repo, RepoFile
from models_app.storage.errors import BadPath, EntryNotFound, RevisionNotFound, StaleParent
from models_app.storage.lfs import Pointer, format_pointer
from models_app.storage.operations import AddFile, AddPointer, DeleteFile, Operation
from tests.models_app.people import by_token, repo_of, session

SHA = "cd" * 32


@pytest.fixture
def repo(alice: User) -> Repo:
    return repo_of(alice)


def large_file(repo: Repo | None, sha256: str = SHA, size: int = 1000) -> LargeFile:
    made = LargeFile.objects.create(sha256=sha256, xet_hash=sha256[::-1], size=size)
    if repo is not None:
        RepoFile.objects.create(repo=repo, file=made)
    return made


def commit(user: User, repo: Repo, *operations: Operation, **words: object) -> actions.CommitDone:
    settings = {"branch": "main", "summary": "Change", "operations": operations, **words}
    return actions.commit(by_token(user), repo=repo, **settings)


def paths(repo: Repo, oid: str = "") -> list[str]:
    store = git_store(repo)
    return [entry.path for entry in store.files(oid or store.resolve("main"))]


def test_a_commit_moves_the_branch_the_row_and_the_log(alice: User, repo: Repo) -> None:
    done = commit(alice, repo, AddFile("a/b", b"1"), summary="  Add b ", description="Why not.\n")
    row = Repo.objects.get(pk=repo.pk)
    assert row.head_oid == done.oid == git_store(repo).resolve("main")
    assert row.last_modified > repo.last_modified
    found = git_store(repo).commit(done.oid)
    assert (found.title, found.message, found.author) == ("Add b", "Why not.", "alice")
    assert found.email == "alice@users.noreply.testserver"
    event = Event.objects.get(tag=EventTag.COMMIT_ADD)
    assert (event.actor, event.data["oid"], event.data["parent"]) == (alice, done.oid, repo.head_oid)


def test_a_pointer_needs_content_that_was_uploaded_to_this_repo(alice: User, bob: User, repo: Repo) -> None:
    large_file(repo_of(bob, "elsewhere"))
    for operation in (AddPointer("w.bin", SHA, 1000), AddFile("w.bin", format_pointer(Pointer(SHA, 1000)))):
        with pytest.raises(NotUploaded, match=r"w\.bin names cdcd\w+, a large file never uploaded"):
            commit(alice, repo, operation)
    with pytest.raises(NotUploaded):
        commit(alice, repo, AddPointer("w.bin", "not an oid", 1))
    assert paths(repo) == [".gitattributes"]


def test_a_pointer_takes_its_size_from_the_store(alice: User, repo: Repo) -> None:
    large_file(repo)
    with pytest.raises(NotUploaded, match="has 1000 bytes as uploaded, but the commit says 999"):
        commit(alice, repo, AddPointer("w.bin", SHA, 999))
    done = commit(alice, repo, AddPointer("w.bin", SHA, None))
    entry = git_store(repo).entry(done.oid, "w.bin")
    assert entry is not None
    assert entry.pointer == Pointer(SHA, 1000)


def test_a_large_file_of_unknown_kind_becomes_tracked(alice: User, repo: Repo) -> None:
    large_file(repo)
    commit(alice, repo, AddPointer("odd name.weights", SHA, 1000), AddPointer("a.safetensors", SHA, 1000))
    text = git_store(repo).read("main", ".gitattributes", 10_000).decode()
    assert LfsRules(text).tracks("odd name.weights")
    assert "a.safetensors" not in text


def test_a_stale_parent_is_refused_and_a_current_short_one_is_not(alice: User, repo: Repo) -> None:
    first = repo.head_oid
    second = commit(alice, repo, AddFile("a", b"1"), parent=first[:7].upper()).oid
    with pytest.raises(StaleParent, match="The branch was updated since you opened this page"):
        commit(alice, repo, AddFile("a", b"2"), parent=first)
    assert git_store(repo).resolve("main") == second


def test_an_unknown_branch_is_no_revision(alice: User, repo: Repo) -> None:
    for branch in ("nope", repo.head_oid, "refs/heads/main", ""):
        with pytest.raises(RevisionNotFound):
            commit(alice, repo, AddFile("a", b"1"), branch=branch)


@pytest.mark.parametrize(
    ("operations", "refusal"),
    [
        ([AddFile("ok", b"1"), AddFile("../x", b"1")], BadPath),
        ([AddFile("ok", b"1"), DeleteFile("missing")], EntryNotFound),
        ([AddFile("ok", b"1"), AddPointer("w.bin", SHA, 1)], NotUploaded),
    ],
)
def test_one_bad_operation_leaves_nothing(
    alice: User, repo: Repo, operations: list[Operation], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        commit(alice, repo, *operations)
    assert paths(repo) == [".gitattributes"]
    assert Repo.objects.get(pk=repo.pk).head_oid == repo.head_oid
    assert not Event.objects.filter(tag=EventTag.COMMIT_ADD).exists()


@pytest.mark.parametrize("summary", ["", "  \n", "x" * 1001, "a\0b"])
def test_a_commit_needs_a_sensible_summary(alice: User, repo: Repo, summary: str) -> None:
    with pytest.raises(InvalidInput):
        commit(alice, repo, AddFile("a", b"1"), summary=summary)


def test_a_body_that_breaks_off_leaves_nothing(alice: User, repo: Repo) -> None:
    def broken() -> Iterator[Operation]:
        yield AddFile("a", b"1")
        raise OSError("connection reset")

    with pytest.raises(OSError, match="reset"):
        commit(alice, repo, operations=broken())
    assert paths(repo) == [".gitattributes"]


def test_a_full_disk_leaves_rows_and_branch_where_they_were(
    alice: User, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **words: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(actions, "move_ref", full)
    with pytest.raises(OSError, match="No space"):
        commit(alice, repo, AddFile("a", b"1"))
    assert paths(repo) == [".gitattributes"]
    assert Repo.objects.get(pk=repo.pk).head_oid == repo.head_oid
    assert not Event.objects.filter(tag=EventTag.COMMIT_ADD).exists()


def test_a_token_revoked_while_the_body_arrives_publishes_nothing(alice: User, repo: Repo) -> None:
    actor = by_token(alice, "fineGrained", repos={"model:alice/net": "write"}, run="r", attempt=1)
    assert actor.token is not None

    def body() -> Iterator[Operation]:
        yield AddFile("a", b"1")
        revoke_token(actor.token)

    with pytest.raises(CredentialEnded):
        actions.commit(actor, repo=repo, branch="main", operations=body(), summary="x")
    assert paths(repo) == [".gitattributes"]


def test_a_repo_disabled_while_the_body_arrives_takes_nothing(alice: User, mod: User, repo: Repo) -> None:
    def body() -> Iterator[Operation]:
        yield AddFile("a", b"1")
        repo_actions.disable_repo(session(mod), repo=repo, reason="x")

    with pytest.raises(RepoDisabled):
        commit(alice, repo, operations=body())
    assert paths(repo) == [".gitattributes"]


def test_who_may_only_read_commits_nothing(alice: User, bob: User, repo: Repo) -> None:
    with pytest.raises(Forbidden):
        commit(bob, repo, AddFile("a", b"1"))
    with pytest.raises(Forbidden):
        actions.commit(
            by_token(alice, "read"), repo=repo, branch="main", operations=[AddFile("a", b"1")], summary="x"
        )


def test_a_fault_in_the_index_costs_the_index_not_the_commit(
    alice: User, repo: Repo, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("a bug in the index")

    monkeypatch.setattr("models_app.actions.after.index_revision", broken)
    done = commit(alice, repo, AddFile("README.md", b"---\nlicense: mit\n---\n"))
    assert git_store(repo).resolve("main") == done.oid
    info = client.get("/api/models/alice/net").json()
    assert (info["sha"], info["cardData"]) == (done.oid, {"license": "mit"})
    assert {"rfilename": "README.md"} in info["siblings"]


def test_another_branch_does_not_move_the_row(alice: User, repo: Repo) -> None:
    from models_app.actions.branches import create_branch

    create_branch(by_token(alice), repo=repo, branch="dev")
    done = commit(alice, repo, AddFile("a", b"1"), branch="dev")
    assert git_store(repo).resolve("dev") == done.oid
    assert Repo.objects.get(pk=repo.pk).head_oid == repo.head_oid == git_store(repo).resolve("main")
