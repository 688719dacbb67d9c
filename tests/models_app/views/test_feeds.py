"""Atom feeds: well-formed, of public things only, bounded, and cheap to ask for again."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Namespace, Organization, User
from models_app.actions import discussions
from models_app.actions.repos import change_settings
from models_app.models import BoardMove, Event, Repo, SavedSearch
from models_app.views.feeds import MAX_ENTRIES
from tests.models_app.people import organization, repo_of, session
from tests.models_app.views.conftest import Pages, publish

ATOM = "{http://www.w3.org/2005/Atom}"
ALL = (
    "/feed.atom",
    "/feeds/people/alice.atom",
    "/feeds/repos/model/alice/base.atom",
    "/feeds/repos/dataset/alice/digits.atom",
    "/feeds/boards/alice/digits.atom",
    "/feeds/tutorials.atom",
)


def entries(client: Client, path: str) -> list[str]:
    """The titles of a feed, which is checked to be one as RFC 4287 wants it."""
    response = client.get(path)
    assert response.status_code == 200, path
    assert response["Content-Type"] == "application/atom+xml; charset=utf-8"
    root = ElementTree.fromstring(response.content)  # noqa: S314
    assert root.tag == f"{ATOM}feed"
    for name in ("id", "title", "updated"):
        assert root.findtext(f"{ATOM}{name}")
    assert {link.get("rel") for link in root.findall(f"{ATOM}link")} == {"alternate", "self"}
    found = root.findall(f"{ATOM}entry")
    keys = [entry.findtext(f"{ATOM}id") for entry in found]
    assert len(set(keys)) == len(keys)
    for entry in found:
        assert entry.findtext(f"{ATOM}updated")
        assert entry.find(f"{ATOM}author/{ATOM}name") is not None
        link = entry.find(f"{ATOM}link")
        assert link is not None
        assert str(link.get("href")).startswith("http://testserver/")
    return [str(entry.findtext(f"{ATOM}title")) for entry in found]


@pytest.mark.parametrize("path", ALL)
def test_every_feed_is_one(client: Client, pages: Pages, path: str) -> None:
    entries(client, path)


@pytest.mark.parametrize("path", ALL)
def test_what_did_not_change_is_not_sent_again(client: Client, pages: Pages, path: str) -> None:
    first = client.get(path)
    if first.get("ETag"):
        again = client.get(path, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
    if "Last-Modified" in first:
        assert client.get(path, headers={"If-Modified-Since": first["Last-Modified"]}).status_code == 304
    assert client.post(path).status_code == 405


def test_what_happened_stands_in_the_feeds_it_belongs_to(client: Client, pages: Pages, carol: User) -> None:
    discussions.open_discussion(session(carol), repo=pages.base, title="Why <so> & so?")
    words = "carol began “Why <so> & so?” in alice/base"
    for path in ("/feed.atom", "/feeds/people/carol.atom", "/feeds/repos/model/alice/base.atom"):
        assert words in entries(client, path)
    assert words not in entries(client, "/feeds/people/alice.atom")


def test_an_organization_tells_of_its_repos(client: Client, alice: User) -> None:
    organization("lab", admin=alice)
    repo_of(alice, "shared", namespace="lab")
    assert entries(client, "/feeds/people/lab.atom") == ["alice published lab/shared"]


@pytest.mark.parametrize("who", ["anonymous", "owner"])
def test_nothing_private_is_in_any_feed_whoever_asks(client: Client, alice: User, who: str) -> None:
    vault = publish(alice, "vault", private=True)
    discussions.open_discussion(session(alice), repo=vault, title="A secret")
    if who == "owner":
        client.force_login(alice, backend="accounts.backends.AccountBackend")
    for path in ("/feed.atom", "/feeds/people/alice.atom"):
        assert entries(client, path) == []
    assert client.get("/feeds/repos/model/alice/vault.atom").status_code == 404
    change_settings(session(alice), repo=vault, private=False)
    assert "alice began “A secret” in alice/vault" in entries(client, "/feed.atom")


@pytest.mark.parametrize(
    "path",
    [
        "/feeds/people/nobody.atom",
        "/feeds/repos/model/alice/none.atom",
        "/feeds/repos/nonsense/alice/base.atom",
        "/feeds/boards/alice/base.atom",
        "/feeds/forum/none.atom",
        "/feeds/saved/00000000-0000-0000-0000-000000000000.atom",
        "/feeds/people/%00.atom",
        "/feeds/repos/model/alice/%00.atom",
    ],
)
def test_what_is_not_there_has_no_feed(client: Client, pages: Pages, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_board_tells_of_its_places(client: Client, pages: Pages) -> None:
    for name, private in (("seen", False), ("unseen", True)):
        BoardMove.objects.create(
            benchmark=pages.benchmark,
            task_id="digits",
            repo=pages.measured(name, 0.9, private=private),
            after=1,
            value=0.9,
        )
    assert entries(client, "/feeds/boards/alice/digits.atom") == ["alice/seen took place 1"]


def test_a_topic_of_the_forum(client: Client, alice: User) -> None:
    space, _made = Namespace.objects.get_or_create(
        name="forum", defaults={"organization": Organization.objects.create()}
    )
    topic, _made = Repo.objects.get_or_create(repo_type="forum", namespace=space, name="feedtopic")
    discussions.open_discussion(session(alice), repo=topic, title="Hello")
    assert entries(client, "/feeds/forum/feedtopic.atom") == ["Hello"]


def test_a_saved_search_by_its_secret_address(client: Client, pages: Pages, carol: User) -> None:
    publish(pages.alice, "hidden", private=True)
    row = SavedSearch.objects.create(user=pages.alice, repo_type="model", query="", title="All")
    assert entries(client, f"/feeds/saved/{row.uuid}.atom") == ["alice/base"]


def test_a_feed_has_an_end_and_many_commits_are_one_entry(client: Client, alice: User) -> None:
    repos = [repo_of(alice, f"n{n}") for n in range(3)]
    now = timezone.now()
    Event.objects.bulk_create(
        Event(actor=alice, tag="repo:commit:add", repo=repos[n // 5 % 2], data={"branch": "main"}, at=now)
        for n in range(3 * MAX_ENTRIES)
    )
    titles = entries(client, "/feed.atom")
    assert len(titles) <= MAX_ENTRIES
    assert "alice changed alice/n1 5 times" in titles


def test_pages_name_their_feeds(client: Client, as_alice: Client, pages: Pages) -> None:
    publish(pages.alice, "vault", private=True)
    for path, feed in (
        ("/", "/feed.atom"),
        ("/alice", "/feeds/people/alice.atom"),
        ("/alice/base", "/feeds/repos/model/alice/base.atom"),
        ("/leaderboards/alice/digits", "/feeds/boards/alice/digits.atom"),
    ):
        assert 'type="application/atom+xml"' in client.get(path).text
        assert f'href="{feed}"' in client.get(path).text
    assert "/feeds/repos/" not in as_alice.get("/alice/vault").text
