"""The fine print of collections."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Namespace, User
from models_app.actions import collection_items, collections
from models_app.models import Bucket, Collection, CollectionItem, Repo
from tests.models_app.api.people import Caller, caller, pages
from tests.models_app.people import organization, repo_of


@pytest.fixture
def ask(alice: User) -> Caller:
    repo_of(alice)
    return caller(alice)


def made(ask: Caller, title: str = "Things", **fields: Any) -> Any:
    response = ask("POST", "/api/collections", {"title": title, **fields})
    assert response.status_code == 200, response.content
    return response.json()


def add(ask: Caller, slug: str, item_id: str = "alice/net", item_type: str = "model", **more: Any) -> Any:
    body = {"item": {"id": item_id, "type": item_type}, **more}
    return ask("POST", f"/api/collections/{slug}/items", body)


def test_a_collection_tells_what_clients_parse(ask: Caller) -> None:
    one = made(ask, "Deep  Things ", description="About them")
    assert one["title"] == "Deep Things"
    assert one["slug"].rsplit("-", 1)[0] == "alice/deep-things"
    assert len(one["slug"].rsplit("-", 1)[1]) == 24
    assert one["owner"]["name"] == "alice"
    assert (one["position"], one["upvotes"], one["theme"]) == (0, 0, "indigo")
    assert one["lastUpdated"].endswith("Z")
    assert made(ask, "另一个")["slug"].startswith("alice/collection-")


def test_a_list_has_no_position_and_few_items(ask: Caller, alice: User) -> None:
    slug = made(ask)["slug"]
    for count in range(6):
        add(ask, slug, repo_of(alice, f"r{count}").repo_id)
    (found,) = caller(None)("GET", "/api/collections?owner=ALICE").json()
    assert "position" not in found
    assert [item["id"] for item in found["items"]] == [f"alice/r{count}" for count in range(4)]
    single = caller(None)("GET", f"/api/collections/{slug}").json()
    assert [item["position"] for item in single["items"]] == list(range(6))
    assert {"_id", "id", "type", "position", "likes", "author"} <= set(single["items"][0])


def test_lists_page_by_link(ask: Caller) -> None:
    for count in range(3):
        made(ask, f"t{count}")
    found = pages(caller(None), "/api/collections?owner=alice&limit=2")
    assert [[one["title"] for one in page] for page in found] == [["t2", "t1"], ["t0"]]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "'title' must be a string"),
        ({"title": "  "}, 400, "needs a title"),
        ({"title": "a\0"}, 400, "'title' must not contain NUL"),
        ({"title": "x" * 61}, 400, "'title' is longer than 60"),
        ({"title": "x", "description": "x" * 151}, 400, "'description' is longer than 150"),
        ({"title": "x", "private": "yes"}, 400, "'private' must be true or false"),
        ({"title": "x", "namespace": "carol"}, 403, "rights to create a collection"),
        ({"title": "x", "namespace": "\0"}, 400, "'namespace' must not contain NUL"),
        ({"title": "x", "resourceGroupId": "66980ecfc1e12a49c8f0e42d"}, 400, "no resource groups"),
        (b"[]", 400, "must be a JSON object"),
    ],
)
def test_a_bad_collection_is_one_clear_sentence(
    ask: Caller, carol: User, body: Any, status: int, message: str
) -> None:
    response = ask("POST", "/api/collections", body)
    assert (response.status_code, message in response.json()["error"]) == (status, True)
    assert not Collection.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"theme": "beige"}, 400),
        ({"position": -1}, 400),
        ({"position": True}, 400),
        ({"position": "1"}, 400),
        ({"title": ""}, 400),
        ({"title": 3}, 400),
        ({"title": "Taken"}, 409),
        ({}, 200),
    ],
)
def test_a_bad_change_changes_nothing(ask: Caller, body: Any, status: int) -> None:
    taken = made(ask, "Taken")["slug"]
    slug = made(ask)["slug"]
    response = ask("PATCH", f"/api/collections/{slug}", body)
    assert response.status_code == status
    if status == 409:
        assert response.json()["slug"] == taken
    assert list(Collection.objects.order_by("position").values_list("title", "theme")) == [
        ("Taken", "indigo"),
        ("Things", "indigo"),
    ]


def test_collections_and_items_are_put_in_order(ask: Caller, alice: User) -> None:
    slugs = [made(ask, f"t{count}")["slug"] for count in range(3)]
    answer = ask("PATCH", f"/api/collections/{slugs[2]}", {"position": 0}).json()
    assert answer["data"]["position"] == 0
    assert list(Collection.objects.order_by("position").values_list("title", flat=True)) == ["t2", "t0", "t1"]
    keys = [add(ask, slugs[0], repo_of(alice, f"r{n}").repo_id).json()["items"][n]["_id"] for n in range(3)]
    for position, order in ((99, [1, 2, 0]), (1, [1, 0, 2]), (0, [0, 1, 2])):
        ask("PATCH", f"/api/collections/{slugs[0]}/items/{keys[0]}", {"position": position})
        rows = CollectionItem.objects.order_by("position")
        assert list(rows.values_list("key", "position")) == [
            (keys[n], place) for place, n in enumerate(order)
        ]
    assert ask.status("DELETE", f"/api/collections/{slugs[0]}/items/{keys[0]}") == 200
    assert list(CollectionItem.objects.order_by("position").values_list("position", flat=True)) == [0, 1]


def test_texts_can_be_emptied_and_notes_are_escaped(ask: Caller) -> None:
    slug = made(ask, description="About")["slug"]
    (item,) = add(ask, slug, note="<b>bold</b>").json()["items"]
    assert item["note"] == {"text": "<b>bold</b>", "html": "&lt;b&gt;bold&lt;/b&gt;"}
    ask("PATCH", f"/api/collections/{slug}/items/{item['_id']}", {"note": ""})
    ask("PATCH", f"/api/collections/{slug}", {"description": ""})
    now = ask("GET", f"/api/collections/{slug}").json()
    assert "description" not in now
    assert "note" not in now["items"][0]


@pytest.mark.parametrize(
    ("item", "status"),
    [
        ({"id": "alice/net", "type": "model"}, 200),
        ({"id": "ALICE/Net", "type": "model"}, 200),
        ({"id": "models/alice/net", "type": "model"}, 200),
        ({"id": "alice/net", "type": "dataset"}, 404),
        ({"id": "alice", "type": "collection"}, 404),
        ({"id": "alice/\0", "type": "bucket"}, 400),
        ({"id": "alice/net", "type": "film"}, 400),
        ({"id": "alice/net"}, 400),
        ({"type": "model"}, 400),
        ("alice/net", 400),
        (None, 400),
    ],
)
def test_what_may_be_an_item(ask: Caller, item: Any, status: int) -> None:
    slug = made(ask)["slug"]
    assert ask.status("POST", f"/api/collections/{slug}/items", {"item": item}) == status
    assert CollectionItem.objects.count() == (1 if status == 200 else 0)


def test_a_bucket_is_an_item_too(ask: Caller, alice: User) -> None:
    bucket = Bucket.objects.create(namespace=Namespace.objects.get(name="alice"), name="pail")
    slug = made(ask)["slug"]
    (item,) = add(ask, slug, "alice/pail", "bucket").json()["items"]
    assert (item["id"], item["type"]) == ("alice/pail", "bucket")
    Bucket.objects.filter(pk=bucket.pk).update(private=True)
    assert caller(None)("GET", f"/api/collections/{slug}").json()["items"] == []
    assert len(ask("GET", f"/api/collections/{slug}").json()["items"]) == 1


def test_only_writers_of_the_namespace_change_its_collections(alice: User, bob: User, carol: User) -> None:
    organization("team", admin=alice, write=bob, read=carol)
    repo_of(alice)
    shut = made(caller(bob), namespace="team", private=True)["slug"]
    item = add(caller(bob), shut).json()["items"][0]["_id"]
    writes = [
        ("PATCH", f"/api/collections/{shut}", {"title": "Mine"}),
        ("DELETE", f"/api/collections/{shut}", None),
        ("POST", f"/api/collections/{shut}/items", {"item": {"id": "alice/net", "type": "model"}}),
        ("PATCH", f"/api/collections/{shut}/items/{item}", {"note": "x"}),
        ("DELETE", f"/api/collections/{shut}/items/{item}", None),
    ]
    for method, path, body in writes:
        assert caller(carol).status(method, path, body) == 403
        assert caller(bob, "read").status(method, path, body) == 403
        assert caller(None).status(method, path, body) == 404
    assert caller(carol).status("GET", f"/api/collections/{shut}") == 200
    assert Collection.objects.get().title == "Things"
    assert CollectionItem.objects.get().note == ""


def test_another_namespace_is_another_address(ask: Caller, carol: User) -> None:
    slug = made(ask)["slug"]
    key = slug.rsplit("-", 1)[1]
    assert ask.status("GET", f"/api/collections/alice/older-words-{key}") == 200
    assert ask.status("GET", f"/api/collections/ALICE/{key}") == 200
    for path in (f"carol/things-{key}", "alice/things", "alice/%00", f"alice/things-{key}x"):
        assert ask.status("GET", f"/api/collections/{path}") == 404
    assert ask.status("PATCH", f"/api/collections/{slug}/items/nothing", {"note": "x"}) == 404
    assert ask.status("DELETE", f"/api/collections/{slug}/items/%00") == 404


def test_collections_and_items_are_bounded(ask: Caller, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collections, "MAX_COLLECTIONS", 1)
    monkeypatch.setattr(collection_items, "MAX_ITEMS", 1)
    slug = made(ask)["slug"]
    assert ask.status("POST", "/api/collections", {"title": "more"}) == 400
    assert add(ask, slug).status_code == 200
    assert add(ask, slug, repo_of(alice, "more").repo_id).status_code == 400
    assert add(ask, slug, note="x" * 501).status_code == 400
    assert ask.status("GET", "/api/collections?sort=best") == 400
    assert ask.status("GET", "/api/collections?" + "owner=a&" * 21) == 400


def test_a_deleted_repo_leaves_its_collections(ask: Caller) -> None:
    slug = made(ask)["slug"]
    add(ask, slug)
    ask("DELETE", "/api/repos/delete", {"name": "net"})
    assert not Repo.objects.exists()
    assert ask("GET", f"/api/collections/{slug}").json()["items"] == []
