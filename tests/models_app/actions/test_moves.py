"""Moving, copying and rewriting: what the actions leave behind, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from accounts.actor import ANONYMOUS
from accounts.models import AccessToken, Membership, User
from models_app.access import Forbidden, RepoGated, RepoNotFound, access_repo
from models_app.actions import duplicates, history
from models_app.actions.commits import commit
from models_app.actions.duplicates import duplicate_repo
from models_app.actions.history import delete_large_files, squash_history
from models_app.actions.moves import NameTaken, move_repo
from models_app.actions.refusals import CredentialEnded, InvalidInput, RepoExists
from models_app.files import git_store
from models_app.models import Event, EventTag, LargeFile, Repo, RepoFile, RepoRedirect
from models_app.redirects import moved_path, moved_repo
from models_app.storage.errors import RevisionNotFound, StaleParent
from models_app.storage.gitcopy import copy_refs
from models_app.storage.operations import AddFile, AddPointer
from tests.models_app.people import by_token, organization, repo_of, session


def large(repo: Repo, letter: str, size: int = 10) -> str:
    """Content the repo may refer to, as if it had been uploaded."""
    sha256 = letter * 64
    row, _ = LargeFile.objects.get_or_create(sha256=sha256, defaults={"xet_hash": letter * 64, "size": size})
    RepoFile.objects.get_or_create(repo=repo, file=row)
    return sha256


def put(user: User, repo: Repo, path: str, letter: str, branch: str = "main") -> None:
    operation = AddPointer(path, large(repo, letter), 10)
    commit(session(user), repo=repo, branch=branch, operations=[operation], summary="Add")


def test_a_move_leaves_a_redirect_and_one_event(alice: User) -> None:
    repo = repo_of(alice, "old")
    uuid, path = repo.uuid, git_store(repo).path
    moved = move_repo(by_token(alice), repo=repo, namespace="ALICE", name="new")
    assert (moved.repo_id, moved.uuid, git_store(moved).path) == ("alice/new", uuid, path)
    assert moved_repo(ANONYMOUS, "model", "Alice/OLD") == moved
    assert moved_repo(ANONYMOUS, "dataset", "alice/old") is None
    with pytest.raises(RepoNotFound):
        access_repo(ANONYMOUS, "model", "alice/old")
    event = Event.objects.get(tag=EventTag.REPO_MOVE)
    assert (event.data["from_id"], event.data["to_id"]) == ("alice/old", "alice/new")


def test_tokens_that_list_the_repo_follow_it(alice: User) -> None:
    repo = repo_of(alice, "old")
    worker = by_token(alice, "fineGrained", repos={"model:alice/old": "write", "model:alice/b": "read"})
    move_repo(by_token(alice), repo=repo, namespace="alice", name="new")
    token = AccessToken.objects.get(pk=worker.token.pk)
    assert token.scopes["repos"] == {"model:alice/new": "write", "model:alice/b": "read"}


def test_a_write_token_scoped_to_one_repo_cannot_move_it(alice: User) -> None:
    repo = repo_of(alice, "old")
    with pytest.raises(Forbidden):
        move_repo(
            by_token(alice, "fineGrained", repos={"model:alice/old": "write"}),
            repo=repo, namespace="alice", name="new",
        )  # fmt: skip
    assert not RepoRedirect.objects.exists()


def test_a_taken_id_is_refused_in_the_public_hubs_words(alice: User) -> None:
    repo, other = repo_of(alice, "one"), repo_of(alice, "Two")
    with pytest.raises(NameTaken, match=r"A model repository called alice/Two already exists"):
        move_repo(by_token(alice), repo=repo, namespace="alice", name="two")
    assert Repo.objects.get(pk=repo.pk).name == "one"
    assert move_repo(by_token(alice), repo=other, namespace="alice", name="two").name == "two"
    assert not RepoRedirect.objects.exists()  # only the case has changed


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/models/old/net/tree/feat%2Fx", "/api/models/bob/new/tree/feat%2Fx"),
        ("/datasets/old/net/resolve/main/a%20b", "/datasets/bob/new/resolve/main/a%20b"),
        ("/old/net.git/info/refs", "/bob/new.git/info/refs"),
        ("/old/net", "/bob/new"),
        ("/leaderboards/old/net", "/leaderboards/bob/new"),
        ("/spaces/old/net.git/info/lfs/objects/batch", "/spaces/bob/new.git/info/lfs/objects/batch"),
    ],
)
def test_old_addresses_become_new_ones(bob: User, path: str, expected: str) -> None:
    assert moved_path(path, repo_of(bob, "new")) == expected


@pytest.mark.django_db(transaction=True)
def test_a_copy_may_refer_to_committed_files_only(alice: User, bob: User) -> None:
    source = repo_of(alice, "net")
    put(alice, source, "w.bin", "a")
    uncommitted = large(source, "b")
    copy = duplicate_repo(by_token(bob), source=source, namespace=None, name="copy")
    assert [row.file.sha256 for row in copy.repo_files.all()] == ["a" * 64]
    assert uncommitted not in copy.repo_files.values_list("file__sha256", flat=True)
    assert copy.card.oid == copy.head_oid == Repo.objects.get(pk=source.pk).head_oid
    assert Event.objects.get(tag=EventTag.REPO_DUPLICATE).data["source"] == "alice/net"


@pytest.mark.django_db(transaction=True)
def test_a_refused_copy_leaves_nothing(alice: User, bob: User) -> None:
    source = repo_of(alice, "net")
    repo_of(bob, "taken")
    with pytest.raises(RepoExists):
        duplicate_repo(by_token(bob), source=source, namespace="bob", name="TAKEN")
    ended = by_token(bob)
    AccessToken.objects.filter(pk=ended.token.pk).delete()
    with pytest.raises(CredentialEnded):
        duplicate_repo(ended, source=source, namespace="bob", name="copy")
    Repo.objects.filter(pk=source.pk).update(gated="manual")
    with pytest.raises(RepoGated):  # closed while git was copying
        duplicate_repo(by_token(bob), source=source, namespace="bob", name="copy")
    assert Repo.objects.filter(namespace__name="bob").count() == 1
    folders = list(git_store(source).path.parent.parent.glob("*/*.git"))
    assert len(folders) == 2


def test_who_left_the_team_while_git_was_copying_publishes_nothing(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = repo_of(alice, "net")
    organization("team", write=bob)

    def copy_slowly(source: Path, target: Path) -> None:
        copy_refs(source, target)
        Membership.objects.all().delete()

    monkeypatch.setattr(duplicates, "copy_refs", copy_slowly)
    with pytest.raises(Forbidden):
        duplicate_repo(by_token(bob), source=source, namespace="team", name="copy")
    assert not Repo.objects.filter(namespace__name="team").exists()


def test_squashing_moves_the_head_and_its_index(alice: User) -> None:
    repo = repo_of(alice)
    commit(session(alice), repo=repo, branch="main", operations=[AddFile("a", b"1")], summary="One")
    oid = squash_history(by_token(alice), repo=repo, ref="refs/heads/main", message=" Squashed ")
    repo.refresh_from_db()
    assert repo.head_oid == repo.card.oid == oid == git_store(repo).resolve("main")
    assert [c.title for c in git_store(repo).history(oid)] == ["Squashed"]
    for ref, error in ((oid, InvalidInput), ("refs/tags/x", RevisionNotFound), ("\0", RevisionNotFound)):
        with pytest.raises(error):
            squash_history(by_token(alice), repo=repo, ref=ref, message="x")
    with pytest.raises(InvalidInput):
        squash_history(by_token(alice), repo=repo, ref="main", message=" ")


def test_members_who_only_read_may_not_rewrite(alice: User, bob: User) -> None:
    organization("team", admin=alice, read=bob)
    repo = repo_of(alice, namespace="team")
    with pytest.raises(Forbidden):
        squash_history(by_token(bob), repo=repo, ref="main", message="x")
    with pytest.raises(Forbidden):
        delete_large_files(by_token(bob), repo=repo, sha256s=["a" * 64])


def test_deleting_takes_rows_and_pointers_together(alice: User) -> None:
    repo = repo_of(alice)
    put(alice, repo, "a.bin", "a")
    put(alice, repo, "b.bin", "b")
    assert delete_large_files(by_token(alice), repo=repo, sha256s=["a" * 64, "c" * 64, "a" * 64]) == 1
    repo.refresh_from_db()
    paths = [entry.path for entry in git_store(repo).files(repo.head_oid)]
    assert paths == [".gitattributes", "b.bin"]
    assert [item["path"] for item in repo.card.siblings] == paths
    assert LargeFile.objects.filter(sha256="a" * 64).exists()  # others may refer to it


def test_a_branch_that_moves_meanwhile_is_not_overwritten(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = repo_of(alice)
    put(alice, repo, "a.bin", "a")
    real = history.without_files

    def slow(*arguments: object) -> object:
        moves = real(*arguments)  # type: ignore[arg-type]
        commit(session(alice), repo=repo, branch="main", operations=[AddFile("late", b"1")], summary="Late")
        return moves

    monkeypatch.setattr(history, "without_files", slow)
    with pytest.raises(StaleParent):
        delete_large_files(by_token(alice), repo=repo, sha256s=["a" * 64])
    assert repo.repo_files.count() == 1
    assert git_store(repo).commit(git_store(repo).resolve("main")).title == "Late"
