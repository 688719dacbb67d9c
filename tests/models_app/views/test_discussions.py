"""The community pages: lists, threads, forms, merging, and who sees which button."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.models import User
from models_app.actions import discussions as actions
from models_app.actions.commits import commit
from models_app.actions.pull_requests import open_draft, open_with_commit
from models_app.files import git_store
from models_app.models import Discussion, DiscussionEvent, LargeFile, Repo, RepoFile
from models_app.storage.operations import AddFile, AddPointer
from tests.models_app.views.conftest import Pages

BACKEND = "accounts.backends.AccountBackend"
PAGE = "/alice/base/discussions"


@pytest.fixture
def as_carol(carol: User) -> Client:
    client = Client()
    client.force_login(carol, backend=BACKEND)
    return client


def offer(carol: User, repo: Repo, data: bytes = b"# <b>Base</b>\n") -> Discussion:
    return open_with_commit(
        Actor(carol), repo=repo, branch="main", operations=[AddFile("README.md", data)], summary="Offer & <b>"
    )[0]


def test_the_list_has_its_tabs(client: Client, pages: Pages, carol: User) -> None:
    assert "No open discussions" in client.get(PAGE).text
    actions.open_discussion(Actor(carol), repo=pages.base, title="A <question>")
    actions.open_discussion(Actor(carol), repo=pages.base, title="Done with")
    actions.change_status(Actor(carol), repo=pages.base, num=2, status="closed")
    offer(carol, pages.base)
    shown = client.get(PAGE).text
    assert "A &lt;question&gt;" in shown
    assert "Done with" not in shown
    assert "Offer &amp;" not in shown
    assert "Offer &amp;" in client.get(f"{PAGE}?tab=pull-requests").text
    assert "Done with" in client.get(f"{PAGE}?tab=closed").text
    assert '<span class="count tabular">2</span>' in client.get("/alice/base").text
    assert "--repo-type dataset" in client.get("/datasets/alice/digits/discussions?tab=pull-requests").text


def test_a_discussion_is_opened_by_a_form(client: Client, as_carol: Client, pages: Pages) -> None:
    assert client.get(f"{PAGE}/new")["Location"].startswith("/login?next=")
    assert 'name="title"' in as_carol.get(f"{PAGE}/new").text
    wrong = as_carol.post(f"{PAGE}/new", {"title": "ab"})
    assert (wrong.status_code, "3 to 300 characters" in wrong.text) == (422, True)
    made = as_carol.post(f"{PAGE}/new", {"title": "Why?", "description": "*Because* <script>no</script>"})
    assert made["Location"] == f"{PAGE}/1"
    shown = client.get(f"{PAGE}/1").text
    assert "<em>Because</em>" in shown
    assert "<script>no" not in shown
    assert 'name="text"' not in shown
    assert "Sign in" in shown


def test_people_talk_rename_close_edit_and_hide(
    as_carol: Client, as_alice: Client, pages: Pages, carol: User
) -> None:
    actions.open_discussion(Actor(carol), repo=pages.base, title="Why?", description="Because")
    said = as_alice.post(f"{PAGE}/1", {"action": "comment", "text": "I see"})
    event = DiscussionEvent.objects.get(body="I see")
    assert said["Location"] == f"{PAGE}/1#event-{event.uuid.hex}"
    assert as_carol.post(f"{PAGE}/1", {"action": "comment", "text": " "}).status_code == 422
    as_carol.post(f"{PAGE}/1", {"action": "rename", "title": "Why not?"})
    as_carol.post(f"{PAGE}/1", {"action": "closed", "text": "Done"})
    shown = as_carol.get(f"{PAGE}/1").text
    assert "changed the title from “Why?” to “Why not?”" in shown
    assert "closed this" in shown
    assert ">Reopen</button>" in shown
    as_alice.post(f"{PAGE}/1", {"action": "edit", "event": event.uuid.hex, "text": "I see now"})
    assert "I see now" in as_carol.get(f"{PAGE}/1").text
    refused = as_carol.post(f"{PAGE}/1", {"action": "hide", "event": event.uuid.hex})
    assert refused.status_code == 403
    as_alice.post(f"{PAGE}/1", {"action": "hide", "event": event.uuid.hex})
    assert "I see now" not in as_carol.get(f"{PAGE}/1").text
    as_alice.post(f"{PAGE}/1", {"action": "lock"})
    assert "This discussion is locked." in as_carol.get(f"{PAGE}/1").text
    assert as_carol.post(f"{PAGE}/1", {"action": "comment", "text": "But"}).status_code == 403
    assert as_alice.post(f"{PAGE}/1", {"action": "dance"}).status_code == 422


def test_a_pull_request_shows_its_changes_and_is_merged(
    as_carol: Client, as_alice: Client, pages: Pages, carol: User
) -> None:
    offer(carol, pages.base)
    anybody = Client()
    shown = anybody.get(f"{PAGE}/1").text
    assert '<td class="code">+# &lt;b&gt;Base&lt;/b&gt;</td>' in shown
    assert 'value="merge"' not in shown
    assert 'value="merge"' not in as_carol.get(f"{PAGE}/1").text
    assert 'value="merge"' in as_alice.get(f"{PAGE}/1").text
    assert as_carol.post(f"{PAGE}/1", {"action": "merge"}).status_code == 403
    assert anybody.post(f"{PAGE}/1", {"action": "merge"})["Location"].startswith("/login?next=")
    assert as_alice.post(f"{PAGE}/1", {"action": "merge"})["Location"] == f"{PAGE}/1"
    merged = anybody.get(f"{PAGE}/1").text
    assert "Merged as" in merged
    assert '<tr class="add">' in merged
    assert as_alice.post(f"{PAGE}/1", {"action": "merge"}).status_code == 422


def test_a_conflict_is_told_of_and_not_merged(as_alice: Client, pages: Pages, carol: User) -> None:
    offer(carol, pages.base)
    operations = [AddFile("README.md", b"# Otherwise\n")]
    commit(Actor(pages.alice), repo=pages.base, branch="main", operations=operations, summary="Mine")
    shown = as_alice.get(f"{PAGE}/1").text
    assert "It cannot be merged" in shown
    assert 'value="merge"' not in shown
    refused = as_alice.post(f"{PAGE}/1", {"action": "merge"})
    assert (refused.status_code, "both changed README.md" in refused.text) == (422, True)


def test_a_draft_is_published_and_large_files_are_named(
    as_carol: Client, pages: Pages, carol: User, alice: User
) -> None:
    open_draft(Actor(carol), repo=pages.base, title="Soon")
    shown = as_carol.get(f"{PAGE}/1").text
    assert "This is a draft." in shown
    assert "changes no files" in shown
    made = LargeFile.objects.create(sha256="ab" * 32, xet_hash="cd" * 32, size=14_000_000)
    RepoFile.objects.create(repo=pages.base, file=made)
    operations = [AddPointer("w.bin", made.sha256, None), AddFile("i.png", b"\0\1")]
    commit(Actor(alice), repo=pages.base, branch="refs/pr/1", operations=operations, summary="W")
    as_carol.post(f"{PAGE}/1", {"action": "open"})
    shown = as_carol.get(f"{PAGE}/1").text
    assert "nothing → 14 MB" in shown
    assert "Not a text file." in shown
    assert "can be merged into main by somebody" in shown


def test_a_long_change_is_cut(as_carol: Client, pages: Pages, carol: User) -> None:
    offer(carol, pages.base, b"line\n" * 5000)
    shown = as_carol.get(f"{PAGE}/1").text
    assert shown.count('<span class="add">') < 3001
    assert "too long to show here" in shown


def test_a_gate_shows_the_talk_and_not_the_change(client: Client, pages: Pages, carol: User) -> None:
    offer(carol, pages.base)
    Repo.objects.filter(pk=pages.base.pk).update(gated="manual")
    shown = client.get(f"{PAGE}/1").text
    assert "This repo is gated" in shown
    assert '<span class="add">' not in shown


def test_what_is_not_there(client: Client, as_carol: Client, pages: Pages) -> None:
    actions.open_discussion(Actor(pages.alice), repo=pages.base, title="Private talk")
    for path in (f"{PAGE}/2", f"{PAGE}/999999999", f"{PAGE}/x", "/alice/none/discussions"):
        assert client.get(path).status_code == 404
    Repo.objects.filter(pk=pages.base.pk).update(private=True)
    for path in (PAGE, f"{PAGE}/1", f"{PAGE}/new"):
        assert as_carol.get(path).status_code == 404
    assert as_carol.post(f"{PAGE}/1", {"action": "comment", "text": "x"}).status_code == 404


def test_the_commits_of_a_request_have_pages(client: Client, pages: Pages, carol: User) -> None:
    made = offer(carol, pages.base)
    oid = git_store(pages.base).resolve(made.git_ref)
    assert client.get("/alice/base/tree/refs%2Fpr%2F1").status_code == 200
    assert oid[:7] in client.get(f"{PAGE}/1").text


def test_the_list_needs_few_queries(
    client: Client, pages: Pages, carol: User, django_assert_max_num_queries: object
) -> None:
    for number in range(12):
        actions.open_discussion(Actor(carol), repo=pages.base, title=f"Number {number}")
    with django_assert_max_num_queries(16):  # type: ignore[operator]
        client.get(PAGE)
