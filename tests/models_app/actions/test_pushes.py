"""What a push writes down, and what it takes back when it fails; the roads themselves are in tests/wire."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from accounts.actor import ANONYMOUS, Actor
from accounts.models import User
from accounts.tokens import revoke_token
from models_app.access import Forbidden, LoginRequired
from models_app.actions import pushes
from models_app.actions.pushes import check_pusher, receive_push
from models_app.actions.webhook_changes import create_webhook
from models_app.files import git_store
from models_app.models import Event, EventTag, Repo
from models_app.storage.errors import StaleParent
from models_app.storage.gitcommit import Author, write_commit
from models_app.storage.gitpush import PushReport, PushRequest, RefUpdate
from models_app.storage.gitstore import GitStore
from models_app.storage.operations import AddFile
from tests.models_app.people import by_token, repo_of, session


@pytest.fixture
def repo(alice: User) -> Repo:
    return repo_of(alice)


def copy_with(repo: Repo, folder: Path, **files: bytes) -> tuple[str, str, bytes]:
    """Where the repo's main is, a commit on top of it made elsewhere, and the pack that brings it."""
    store = git_store(repo)
    subprocess.run(["git", "clone", "--quiet", "--mirror", str(store.path), str(folder)], check=True)
    local, old = GitStore(folder), store.resolve("main")
    author = Author("x", "x@example.org", repo.created_at)
    added = [AddFile(name.replace("_", "."), content) for name, content in files.items()]
    new = write_commit(local, branch="main", operations=added, parent=old, author=author, message="By git")
    pack = subprocess.run(
        ["git", f"--git-dir={folder}", "pack-objects", "--revs", "--stdout", "--quiet"],
        input=f"{new}\n^{old}\n".encode(),
        capture_output=True,
        check=True,
    )
    return old, new, pack.stdout


def push(actor: Actor, repo: Repo, pack: bytes, *updates: RefUpdate, atomic: bool = False) -> PushReport:
    capabilities = frozenset({"report-status", "atomic"} if atomic else {"report-status"})
    request = PushRequest(list(updates), capabilities)
    return receive_push(actor, repo=repo, request=request, body=io.BytesIO(pack))


def events(repo: Repo) -> list[tuple[str, object]]:
    rows = Event.objects.filter(repo=repo).exclude(tag=EventTag.REPO_CREATE).order_by("pk")
    return [(row.tag, row.data.get("branch") or row.data.get("tag_name")) for row in rows]


def test_a_push_is_written_down_as_commits_and_branches_are(alice: User, repo: Repo, tmp_path: Path) -> None:
    old, new, pack = copy_with(repo, tmp_path / "copy", README_md=b"---\nlicense: mit\n---\n# Hi\n")
    report = push(
        session(alice), repo, pack,
        RefUpdate("refs/heads/main", old, new),
        RefUpdate("refs/heads/copy", None, old),
        RefUpdate("refs/tags/v1", None, new),
    )  # fmt: skip
    assert (report.unpack, dict(report.refusals)) == ("ok", {})
    repo.refresh_from_db()
    assert (repo.head_oid, repo.card.license) == (new, "mit")
    assert events(repo) == [
        (EventTag.COMMIT_ADD, "main"),
        (EventTag.BRANCH_CREATE, "copy"),
        (EventTag.TAG_CREATE, "v1"),
        (EventTag.REPO_PUSH, None),
    ]
    told = Event.objects.get(tag=EventTag.REPO_PUSH).data
    assert told["refs"][0] == {"ref": "refs/heads/main", "old": old, "new": new}
    assert Event.objects.get(tag=EventTag.COMMIT_ADD).data["push"]  # webhooks hear of the push, once
    push(session(alice), repo, b"", RefUpdate("refs/heads/copy", old, None))
    assert events(repo)[-2:] == [(EventTag.BRANCH_DELETE, "copy"), (EventTag.REPO_PUSH, None)]


def test_a_push_that_fails_at_the_very_end_leaves_no_row_and_no_reference(
    alice: User, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, pack = copy_with(repo, tmp_path / "copy", a_txt=b"a")

    def fail(*_: object) -> None:
        raise StaleParent

    monkeypatch.setattr(pushes, "move_refs", fail)
    report = push(session(alice), repo, pack, RefUpdate("refs/heads/main", old, new))
    assert "updated" in report.refusals["refs/heads/main"]
    repo.refresh_from_db()
    assert (repo.head_oid, git_store(repo).resolve("main"), events(repo)) == (old, old, [])
    monkeypatch.undo()
    assert not push(session(alice), repo, pack, RefUpdate("refs/heads/main", old, new)).refusals


def test_a_credential_that_ended_meanwhile_moves_nothing(alice: User, repo: Repo, tmp_path: Path) -> None:
    old, new, pack = copy_with(repo, tmp_path / "copy", a_txt=b"a")
    actor = by_token(alice)
    assert actor.token is not None
    revoke_token(actor.token)
    report = push(actor, repo, pack, RefUpdate("refs/heads/main", old, new))
    assert "revoked" in report.refusals["refs/heads/main"]
    assert git_store(repo).resolve("main") == old
    assert not list((git_store(repo).path / "objects" / "pack").glob("*.pack"))


def test_who_may_push(alice: User, carol: User, repo: Repo) -> None:
    assert check_pusher(session(alice), repo) == repo
    with pytest.raises(LoginRequired):
        check_pusher(ANONYMOUS, repo)
    with pytest.raises(Forbidden, match="write access"):
        check_pusher(session(carol), repo)
    with pytest.raises(Forbidden, match="read token"):
        check_pusher(by_token(alice, "read"), repo)
    with pytest.raises(Forbidden, match="fine-grained"):
        check_pusher(by_token(alice, "fineGrained", repos={"model:alice/other": "write"}), repo)
    assert check_pusher(by_token(alice, "fineGrained", repos={"model:alice/net": "write"}), repo) == repo


def test_webhooks_hear_of_a_push_once(alice: User, repo: Repo, tmp_path: Path) -> None:
    watched = [{"type": "model", "name": "alice/net"}]
    hook = create_webhook(session(alice), url="https://example.org/hook", watched=watched)
    old, new, pack = copy_with(repo, tmp_path / "copy", a_txt=b"a")
    main, tag = RefUpdate("refs/heads/main", old, new), RefUpdate("refs/tags/v1", None, new)
    push(session(alice), repo, pack, main, tag)
    (delivery,) = hook.deliveries.all()
    assert delivery.payload["event"] == {"action": "update", "scope": "repo.content"}
    assert delivery.payload["repo"]["headSha"] == new
    assert delivery.payload["updatedRefs"] == [
        {"ref": "refs/heads/main", "oldSha": old, "newSha": new},
        {"ref": "refs/tags/v1", "oldSha": None, "newSha": new},
    ]
