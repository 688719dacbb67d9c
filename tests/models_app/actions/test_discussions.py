"""Threads below the doors: numbers, who may, what is bounded, what the log says."""

from __future__ import annotations

import pytest

from accounts.actor import ANONYMOUS
from accounts.models import User
from accounts.tokens import revoke_token
from models_app import discussions as threads
from models_app.access import Forbidden, LoginRequired, RepoDisabled, RepoNotFound
from models_app.actions import discussions as actions
from models_app.actions import threads as thread_actions
from models_app.actions.commits import commit
from models_app.actions.pull_requests import merge_pull_request, open_draft, open_with_commit
from models_app.actions.refusals import CredentialEnded, InvalidInput, MergeRefused, NotUploaded
from models_app.files import git_store
from models_app.models import Contribution, Discussion, Event, EventTag, LargeFile, Repo, RepoFile
from models_app.storage.errors import BadPath, RevisionNotFound
from models_app.storage.gitcommit import create_ref, delete_ref
from models_app.storage.operations import AddFile, AddPointer, Operation
from tests.models_app.people import by_token, organization, repo_of, session

SHA = "cd" * 32


@pytest.fixture
def repo(alice: User) -> Repo:
    return repo_of(alice)


def offer(user: User, repo: Repo, *operations: Operation, **words: object) -> Discussion:
    settings = {"branch": "main", "summary": "Change it", "operations": operations or [AddFile("a", b"1")]}
    return open_with_commit(by_token(user), repo=repo, **{**settings, **words})[0]


def test_numbers_are_shared_and_have_no_gaps(alice: User, carol: User, repo: Repo) -> None:
    actions.open_discussion(session(carol), repo=repo, title="One")
    with pytest.raises(BadPath):
        offer(carol, repo, AddFile("../x", b""))
    with pytest.raises(InvalidInput):
        actions.open_discussion(session(carol), repo=repo, title="")
    assert offer(carol, repo).num == 2
    assert open_draft(session(carol), repo=repo, title="Three").num == 3
    assert repo_of(alice, "other") is not None
    assert actions.open_discussion(session(carol), repo=repo, title="Four").num == 4


def test_a_full_thread_can_be_closed_and_merged_and_nothing_else(
    alice: User, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_actions, "MAX_THREAD_EVENTS", 3)
    made = offer(alice, repo)
    me = session(alice)
    actions.rename(me, repo=repo, num=made.num, title="Another")
    for refused in (
        lambda: actions.rename(me, repo=repo, num=made.num, title="A third"),
        lambda: actions.lock(me, repo=repo, num=made.num, locked=True),
        lambda: actions.comment(me, repo=repo, num=made.num, text="More"),
    ):
        with pytest.raises(InvalidInput, match="full"):
            refused()
    more = [AddFile("b", b"2")]
    oid = commit(me, repo=repo, branch=made.git_ref, operations=more, summary="Silently").oid
    assert made.events.count() == 3
    assert Event.objects.filter(tag=EventTag.DISCUSSION_COMMIT).order_by("pk").last().data["new"] == oid
    other = offer(alice, repo, AddFile("c", b"3"))
    actions.rename(me, repo=repo, num=other.num, title="Another")
    actions.change_status(me, repo=repo, num=other.num, status="closed")
    with pytest.raises(InvalidInput, match="full"):
        actions.change_status(me, repo=repo, num=other.num, status="open")
    merge_pull_request(me, repo=repo, num=made.num)
    made.refresh_from_db()
    assert made.status == "merged"


def test_a_reference_left_by_a_rolled_back_request_is_taken_over(carol: User, repo: Repo) -> None:
    store = git_store(repo)
    create_ref(store, "refs/pr/1", repo.head_oid)
    made = offer(carol, repo)
    assert store.commit(store.resolve(made.git_ref)).title == "Change it"


def test_which_credentials_take_part(alice: User, carol: User, repo: Repo) -> None:
    for actor in (by_token(carol, "read"), by_token(carol, "fineGrained", repos={})):
        with pytest.raises(Forbidden):
            actions.open_discussion(actor, repo=repo, title="May I?")
        with pytest.raises(Forbidden):
            threads.check_upload(actor, repo, "main", create_pr=True)
    scoped = by_token(carol, "fineGrained", repos={"model:alice/net": "write"})
    assert actions.open_discussion(scoped, repo=repo, title="I may").num == 1
    with pytest.raises(LoginRequired):
        threads.check_participant(ANONYMOUS, repo)
    gone = by_token(carol)
    assert gone.token is not None
    revoke_token(gone.token)
    with pytest.raises(CredentialEnded):
        actions.comment(gone, repo=repo, num=1, text="Too late")


def test_a_hidden_or_disabled_repo_takes_nothing(carol: User, repo: Repo) -> None:
    actions.open_discussion(session(carol), repo=repo, title="One")
    Repo.objects.update(private=True)
    with pytest.raises(RepoNotFound):
        actions.comment(session(carol), repo=repo, num=1, text="Hello?")
    Repo.objects.update(private=False, disabled_at="2026-01-01T00:00:00Z")
    with pytest.raises(RepoDisabled):
        actions.comment(session(carol), repo=repo, num=1, text="Hello?")
    Repo.objects.update(disabled_at=None, discussions_disabled=True)
    with pytest.raises(Forbidden, match="disabled"):
        actions.open_discussion(session(carol), repo=repo, title="Two")


def test_a_locked_thread_is_for_writers(alice: User, carol: User, repo: Repo) -> None:
    first = actions.open_discussion(session(carol), repo=repo, title="Hot").events.get()
    with pytest.raises(Forbidden):
        actions.lock(session(carol), repo=repo, num=1, locked=True)
    actions.lock(session(alice), repo=repo, num=1, locked=True)
    with pytest.raises(Forbidden, match="locked"):
        actions.comment(session(carol), repo=repo, num=1, text="But!")
    with pytest.raises(Forbidden, match="locked"):
        actions.edit_comment(session(carol), repo=repo, num=1, event=first.uuid.hex, text="But!")
    actions.comment(session(alice), repo=repo, num=1, text="Enough.")
    actions.lock(session(alice), repo=repo, num=1, locked=False)
    actions.comment(session(carol), repo=repo, num=1, text="Fine.")


def test_a_thread_has_bounds(carol: User, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = session(carol)
    first = actions.open_discussion(actor, repo=repo, title="Long", description="x" * 50).events.get()
    monkeypatch.setattr(thread_actions, "MAX_THREAD_CHARACTERS", 100)
    actions.edit_comment(actor, repo=repo, num=1, event=first.uuid.hex, text="y" * 50)
    for call in (
        lambda: actions.comment(actor, repo=repo, num=1, text="z"),
        lambda: actions.edit_comment(actor, repo=repo, num=1, event=first.uuid.hex, text="z"),
    ):
        with pytest.raises(InvalidInput, match="full"):
            call()
    found = Discussion.objects.get()
    assert (found.text_size, found.comments_count) == (100, 1)
    monkeypatch.setattr(actions, "MAX_EDITS", 1)
    with pytest.raises(InvalidInput, match="at most 1 times"):
        actions.edit_comment(actor, repo=repo, num=1, event=first.uuid.hex, text="w")
    monkeypatch.setattr(actions, "MAX_OPEN_BY_ONE", 1)
    with pytest.raises(InvalidInput, match="close some first"):
        actions.open_discussion(actor, repo=repo, title="Another")


def test_the_log_names_thread_and_event(alice: User, carol: User, repo: Repo) -> None:
    request = offer(carol, repo)
    said = actions.comment(session(alice), repo=repo, num=1, text="Nice")
    merge_pull_request(session(alice), repo=repo, num=1)
    logged = {event.tag: event for event in Event.objects.filter(repo=repo)}
    tags = [EventTag.DISCUSSION_OPEN, EventTag.DISCUSSION_COMMIT, EventTag.DISCUSSION_COMMENT]
    for tag in [*tags, EventTag.DISCUSSION_MERGE]:
        assert logged[tag].data["num"] == 1
        assert request.events.filter(uuid=logged[tag].data["event"]).exists()
    assert logged[EventTag.DISCUSSION_COMMENT].data["event"] == said.uuid.hex
    assert logged[EventTag.COMMIT_ADD].data["branch"] == "main"
    assert logged[EventTag.DISCUSSION_OPEN].actor == carol


def test_merging_moves_the_row_and_reindexes(alice: User, carol: User, repo: Repo) -> None:
    offer(carol, repo, AddFile("README.md", b"---\nlicense: mit\n---\n# Offered"))
    oid = merge_pull_request(session(alice), repo=repo, num=1)
    row = Repo.objects.select_related("card").get(pk=repo.pk)
    assert row.head_oid == oid == git_store(repo).resolve("main")
    assert (row.card.oid, row.card.license) == (oid, "mit")
    assert Discussion.objects.get().merge_oid == oid


def test_what_cannot_be_merged(alice: User, carol: User, repo: Repo) -> None:
    offer(carol, repo)
    store = git_store(repo)
    commit(by_token(alice), repo=repo, branch="main", operations=[AddFile("a", b"2")], summary="Mine")
    head = store.resolve("main")
    assert threads.conflicts(repo, Discussion.objects.get()) == ["a"]
    with pytest.raises(MergeRefused, match="both changed a"):
        merge_pull_request(session(alice), repo=repo, num=1)
    actions.change_status(session(carol), repo=repo, num=1, status="closed")
    with pytest.raises(InvalidInput, match="is closed"):
        merge_pull_request(session(alice), repo=repo, num=1)
    assert threads.conflicts(repo, Discussion.objects.get()) == []
    actions.change_status(session(carol), repo=repo, num=1, status="open")
    delete_ref(store, "refs/pr/1")
    with pytest.raises(RevisionNotFound, match="refs/pr/1"):
        merge_pull_request(session(alice), repo=repo, num=1)
    found = Discussion.objects.get()
    assert threads.conflicts(repo, found) is True
    assert threads.changes(repo, found) is None
    assert (found.status, store.resolve("main")) == ("open", head)


def test_a_member_who_reads_offers_and_one_who_writes_merges(alice: User, bob: User, carol: User) -> None:
    place = organization("lab", private_by_default=True, admin=alice, write=bob, read=carol)
    repo = repo_of(alice, "shared", namespace=place.name, private=True)
    made = offer(carol, repo)
    with pytest.raises(Forbidden):
        merge_pull_request(session(carol), repo=repo, num=made.num)
    assert merge_pull_request(session(bob), repo=repo, num=made.num)


def large(repo: Repo, sha256: str = SHA) -> LargeFile:
    made = LargeFile.objects.create(sha256=sha256, xet_hash=sha256[::-1], size=1000)
    RepoFile.objects.create(repo=repo, file=made)
    return made


def test_what_a_contributor_may_refer_to(alice: User, carol: User, repo: Repo) -> None:
    kept = large(repo)
    with pytest.raises(NotUploaded):
        offer(carol, repo, AddPointer("w.bin", SHA, 1000))
    Contribution.objects.create(repo=repo, user=alice, file=kept)
    with pytest.raises(NotUploaded):
        offer(carol, repo, AddPointer("w.bin", SHA, None))
    mine = Contribution.objects.create(repo=repo, user=carol, file=kept)
    assert offer(carol, repo, AddPointer("w.bin", SHA, 1000)).num == 1
    mine.delete()
    with pytest.raises(NotUploaded):
        commit(
            by_token(carol), repo=repo, branch="refs/pr/1",
            operations=[AddPointer("again.bin", SHA, None)], summary="Again",
        )  # fmt: skip
    commit(
        by_token(alice), repo=repo, branch="main", operations=[AddPointer("m.bin", SHA, None)], summary="Show"
    )
    assert offer(carol, repo, AddPointer("copy.bin", SHA, None)).num == 2


def test_titles_of_requests_that_begin_with_a_commit(carol: User, repo: Repo) -> None:
    assert offer(carol, repo, summary="x").title == "x"
    assert offer(carol, repo, summary=f"{'y' * 400}\nmore").title == "y" * 299 + "…"
    assert offer(carol, repo, summary="\x07").title == "Pull request"
    assert offer(carol, repo, description="z" * 70, summary="With words").events.first().body == "z" * 70
