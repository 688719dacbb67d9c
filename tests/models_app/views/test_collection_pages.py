"""Collections on pages: made, filled from a repo's page, arranged, removed; private ones stay private."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from models_app.models import Collection, CollectionItem, Repo
from tests.models_app.people import organization, repo_of


@pytest.fixture
def shelf(as_alice: Client) -> Collection:
    as_alice.post("/collections/new", {"title": "Small nets", "namespace": "alice"})
    return Collection.objects.get(title="Small nets")


def put(client: Client, shelf: Collection, *repos: Repo) -> None:
    for repo in repos:
        what = f"{repo.repo_type}/{repo.repo_id}"
        answer = client.post("/collections/add", {"what": what, "collection": shelf.slug, "verb": "add"})
        assert answer.status_code == 302


def names(shelf: Collection) -> list[str]:
    rows = CollectionItem.objects.filter(collection=shelf).order_by("position", "pk")
    return [item.repo.name for item in rows if item.repo]


def test_a_collection_is_made_with_its_first_item(as_alice: Client, alice: User) -> None:
    repo_of(alice, "net")
    form = {"title": "Nets", "description": "Small", "namespace": "alice", "what": "model/alice/net"}
    answer = as_alice.post("/collections/new", form, follow=True)
    assert answer.context["collection"].title == "Nets"
    assert "alice/" in answer.text
    assert names(Collection.objects.get()) == ["net"]


@pytest.mark.parametrize(
    ("title", "status"), [("", 422), ("x" * 61, 422), ("Small nets", 422), ("  Small   nets ", 422)]
)
def test_a_bad_title_is_told_and_nothing_is_lost(
    as_alice: Client, shelf: Collection, title: str, status: int
) -> None:
    form = {"title": title, "description": "I typed this", "namespace": "alice"}
    answer = as_alice.post("/collections/new", form)
    assert answer.status_code == status
    assert "I typed this" in answer.text
    assert Collection.objects.count() == 1


def test_a_namespace_of_others_cannot_be_chosen(as_alice: Client, carol: User) -> None:
    assert as_alice.post("/collections/new", {"title": "x", "namespace": "carol"}).status_code == 422
    assert not Collection.objects.exists()


def test_a_repo_is_put_in_and_taken_out_from_its_page(
    as_alice: Client, alice: User, shelf: Collection
) -> None:
    repo = repo_of(alice, "net")
    assert "/collections/add?what=model/alice/net" in as_alice.get("/alice/net").text
    put(as_alice, shelf, repo, repo)
    assert names(shelf) == ["net"]
    page = as_alice.get("/collections/add?what=model/alice/net")
    assert [(row.title, is_in) for row, is_in in page.context["offered"]] == [("Small nets", True)]
    form = {"what": "model/alice/net", "collection": shelf.slug, "verb": "remove"}
    part = as_alice.post("/collections/add", form, headers={"HX-Request": "true"})
    assert "<html" not in part.text
    assert 'aria-pressed="false"' in part.text
    assert names(shelf) == []


@pytest.mark.parametrize(
    "what",
    ["", "model/", "model/alice/nothing", "forum/forum/help", "model/alice/\x00", "bucket/a/b", "x" * 400],
)
def test_what_is_not_there_cannot_be_collected(as_alice: Client, shelf: Collection, what: str) -> None:
    assert as_alice.get("/collections/add", {"what": what}).status_code == 404


def test_a_repo_of_others_that_is_hidden_looks_missing(
    as_alice: Client, carol: User, shelf: Collection
) -> None:
    repo_of(carol, "vault", private=True)
    form = {"what": "model/carol/vault", "collection": shelf.slug, "verb": "add"}
    assert as_alice.post("/collections/add", form).status_code == 404


def test_somebody_elses_collection_cannot_be_changed(
    client: Client, carol: User, alice: User, shelf: Collection
) -> None:
    repo_of(carol, "net")
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    form = {"what": "model/carol/net", "collection": shelf.slug, "verb": "add"}
    assert client.post("/collections/add", form).status_code == 422
    assert client.get(f"/collections/{shelf.slug}/edit").status_code == 403
    Collection.objects.update(private=True)
    assert client.get(f"/collections/{shelf.slug}").status_code == 404
    assert client.get(f"/collections/{shelf.slug}/edit").status_code == 404
    assert "Small nets" not in client.get("/collections").text


def test_items_are_moved_noted_and_removed(as_alice: Client, alice: User, shelf: Collection) -> None:
    put(as_alice, shelf, *(repo_of(alice, name) for name in ("a", "b", "c")))
    address = f"/collections/{shelf.slug}/edit"
    keys = {item.repo.name: item.key for item in shelf.items.all() if item.repo}
    as_alice.post(address, {"action": "up", "key": keys["c"]})
    assert names(shelf) == ["a", "c", "b"]
    as_alice.post(address, {"action": "down", "key": keys["a"]})
    assert names(shelf) == ["c", "a", "b"]
    as_alice.post(address, {"action": "down", "key": keys["b"]})
    assert names(shelf) == ["c", "a", "b"]
    as_alice.post(address, {"action": "note", "key": keys["b"], "note": "The <b>best</b>"})
    assert "The &lt;b&gt;best&lt;/b&gt;" in as_alice.get(f"/collections/{shelf.slug}").text
    as_alice.post(address, {"action": "remove", "key": keys["a"]})
    assert names(shelf) == ["c", "b"]
    assert as_alice.post(address, {"action": "remove", "key": keys["a"]}).status_code == 404


def test_moving_passes_by_what_one_sees(client: Client, as_alice: Client, alice: User, bob: User) -> None:
    team = organization("team", admin=alice, write=bob)
    hidden = repo_of(alice, "b-hidden", private=True)
    shown = [repo_of(alice, name) for name in ("a", "c")]
    as_alice.post("/collections/new", {"title": "Ours", "namespace": "team"})
    ours = Collection.objects.get(namespace=team)
    put(as_alice, ours, shown[0], hidden, shown[1])
    client.force_login(bob, backend="accounts.backends.AccountBackend")
    key = ours.items.get(repo=shown[1]).key
    client.post(f"/collections/{ours.slug}/edit", {"action": "up", "key": key})
    assert [name for name in names(ours) if name != "b-hidden"] == ["c", "a"]


@pytest.mark.parametrize("action", ["", "burn", "save"])
def test_an_edit_that_says_nothing_is_refused(as_alice: Client, shelf: Collection, action: str) -> None:
    answer = as_alice.post(f"/collections/{shelf.slug}/edit", {"action": action})
    assert answer.status_code == 422
    shelf.refresh_from_db()
    assert shelf.title == "Small nets"


def test_title_description_and_privacy_change(as_alice: Client, client: Client, shelf: Collection) -> None:
    form = {"action": "save", "title": "Large nets", "description": "d", "private": "on"}
    answer = as_alice.post(f"/collections/{shelf.slug}/edit", form)
    shelf.refresh_from_db()
    assert answer["Location"] == f"/collections/{shelf.slug}/edit"
    assert (shelf.title, shelf.private) == ("Large nets", True)


def test_deleting_wants_the_title(as_alice: Client, alice: User, shelf: Collection) -> None:
    put(as_alice, shelf, repo_of(alice, "net"))
    address = f"/collections/{shelf.slug}/edit"
    assert as_alice.post(address, {"action": "delete", "confirmation": "nets"}).status_code == 422
    assert as_alice.post(address, {"action": "delete", "confirmation": "Small nets"}).status_code == 302
    assert not Collection.objects.exists()
    assert Repo.objects.filter(name="net").exists()


def test_the_list_is_sorted_searched_and_counts_only_what_one_sees(
    as_alice: Client, alice: User, shelf: Collection
) -> None:
    as_alice.post("/collections/new", {"title": "Other things", "namespace": "alice"})
    put(as_alice, shelf, repo_of(alice, "open"), repo_of(alice, "shut", private=True))
    anonymous = Client()
    listed = anonymous.get("/collections?sort=size").context["listed"]
    assert [(row.title, count) for row, count in listed] == [("Small nets", 1), ("Other things", 0)]
    assert {row.title: count for row, count in as_alice.get("/collections").context["listed"]} == {
        "Small nets": 2,
        "Other things": 0,
    }
    found = anonymous.get("/collections?q=other+alice").context["listed"]
    assert [row.title for row, _count in found] == ["Other things"]
    for query in ("?q=%00", "?sort=odd", "?page=99999", "?q=" + "x" * 3000):
        assert anonymous.get(f"/collections{query}").status_code == 200


def test_who_is_not_signed_in_is_asked_to(client: Client) -> None:
    for path in ("/collections/new", "/collections/add?what=model/a/b"):
        assert client.get(path)["Location"].startswith("/login?next=")
