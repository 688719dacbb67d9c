from __future__ import annotations

from django.utils import timezone

from accounts.models import User
from models_app.actions.catching_up import catch_up
from models_app.actions.commits import commit
from models_app.actions.pull_requests import merge_pull_request, open_with_commit
from models_app.actions.webhook_changes import create_webhook
from models_app.files import git_store
from models_app.models import Discussion, Event, EventTag, Repo, RepoCard, WebhookDelivery
from models_app.storage.gitcommit import Author, write_commit
from models_app.storage.operations import AddFile
from tests.models_app.people import repo_of, session


def test_rows_follow_a_branch_that_moved_without_them(alice: User) -> None:
    repo, other = repo_of(alice), repo_of(alice, "other")
    old = repo.head_oid
    card = AddFile("README.md", b"---\nlicense: mit\n---\n# Title\n")
    done = commit(session(alice), repo=repo, branch="main", operations=[card], summary="card")
    # What a kill between the branch and the end of the transaction leaves.
    Repo.objects.filter(pk=repo.pk).update(head_oid=old)
    RepoCard.objects.filter(repo=repo).delete()
    assert catch_up() == 1
    assert Repo.objects.get(pk=repo.pk).head_oid == done.oid
    assert RepoCard.objects.filter(repo=repo).exists()
    assert Repo.objects.get(pk=other.pk).head_oid == other.head_oid
    assert catch_up() == 0


def test_a_repo_without_its_directory_is_left_alone(alice: User) -> None:
    repo = repo_of(alice)
    Repo.objects.create(repo_type="model", namespace=repo.namespace, name="nogit", head_oid="0" * 40)
    assert catch_up() == 0


def test_the_commit_nobody_was_told_of_is_told_once(alice: User) -> None:
    repo = repo_of(alice)
    old = repo.head_oid
    create_webhook(
        session(alice), url="https://example.com/hook", watched=[{"type": "user", "name": "alice"}]
    )
    files = [AddFile("a.txt", b"a")]
    done = commit(session(alice), repo=repo, branch="main", operations=files, summary="Tell me")
    Repo.objects.filter(pk=repo.pk).update(head_oid=old)
    # Told already, as after a second process has caught up: nothing is told again.
    assert catch_up() == 1
    assert Event.objects.filter(tag=EventTag.COMMIT_ADD).count() == 1
    Repo.objects.filter(pk=repo.pk).update(head_oid=old)
    Event.objects.filter(tag=EventTag.COMMIT_ADD).delete()
    WebhookDelivery.objects.all().delete()
    assert catch_up() == 1
    told = Event.objects.get(tag=EventTag.COMMIT_ADD)
    assert (told.actor, told.repo) == (alice, repo)
    assert told.data == {"branch": "main", "oid": done.oid, "parent": old, "summary": "Tell me"}
    moved = {"ref": "refs/heads/main", "oldSha": old, "newSha": done.oid}
    assert WebhookDelivery.objects.get().payload["updatedRefs"] == [moved]
    assert catch_up() == 0


def test_a_commit_that_git_brought_is_nobodys(alice: User) -> None:
    repo = repo_of(alice)
    author = Author("alice", "alice@example.com", timezone.now())
    oid = write_commit(
        git_store(repo), branch="main", operations=[AddFile("a", b"a")], parent=repo.head_oid,
        author=author, message="x",
    )  # fmt: skip
    assert catch_up() == 1
    told = Event.objects.get(tag=EventTag.COMMIT_ADD)
    assert (told.actor, told.data["oid"]) == (None, oid)


def test_a_merge_whose_rows_were_lost_is_a_merge(alice: User) -> None:
    repo = repo_of(alice)
    request, _ = open_with_commit(
        session(alice), repo=repo, branch="main", operations=[AddFile("a", b"a")], summary="Add a"
    )
    old = repo.head_oid
    oid = merge_pull_request(session(alice), repo=repo, num=request.num)
    Repo.objects.filter(pk=repo.pk).update(head_oid=old)
    Discussion.objects.update(status="open", merge_oid="")
    Event.objects.filter(tag__in=[EventTag.COMMIT_ADD, EventTag.DISCUSSION_MERGE]).delete()
    request.events.filter(type="status-change").delete()
    assert catch_up() == 1
    request.refresh_from_db()
    assert (request.status, request.merge_oid) == ("merged", oid)
    assert request.events.filter(type="status-change").count() == 1
    assert Event.objects.filter(tag=EventTag.DISCUSSION_MERGE).count() == 1


def test_a_lost_commit_is_told_of_by_the_commit_after_it(alice: User) -> None:
    repo = repo_of(alice)
    start = repo.head_oid

    def add(path: str) -> str:
        files = [AddFile(path, b"x")]
        return commit(session(alice), repo=repo, branch="main", operations=files, summary=path).oid

    lost = add("lost")
    Repo.objects.filter(pk=repo.pk).update(head_oid=start)
    Event.objects.filter(tag=EventTag.COMMIT_ADD).delete()
    oid = add("next")
    told = Event.objects.filter(tag=EventTag.COMMIT_ADD).order_by("pk").values_list("data", flat=True)
    assert [(one["oid"], one["parent"]) for one in told] == [(lost, start), (oid, lost)]
    assert catch_up() == 0
