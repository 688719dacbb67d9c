"""People, what they like, whom they let in, what they collect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

from tests.live import LiveHub
from tests.wire.methods.register import People, tries
from tests.wire.test_gated_stories import ask
from tests.wire.test_people_stories import press

pytestmark = pytest.mark.wire


@pytest.fixture
def _carol_follows(hub: LiveHub) -> Iterator[None]:
    """Alice and the team, for one test: the hub is shared with others."""
    paths = ("users/alice", "organizations/team")
    for path in paths:
        press(hub.api("carol"), f"/api/{path}/follow")
    yield
    for path in paths:
        press(hub.api("carol"), f"/api/{path}/follow", "DELETE")


@tries("whoami")
def test_who_one_is(people: People) -> None:
    me = people().whoami(cache=True)
    assert (me["type"], me["name"], me["fullname"]) == ("user", "alice", "alice")
    assert [org["name"] for org in me["orgs"]] == ["team"]
    with pytest.raises(ValueError):
        people(None).whoami()


@tries(
    "get_user_overview",
    "get_organization_overview",
    "list_organization_members",
    "list_organization_followers",
    "list_user_followers",
    "list_user_following",
)
@pytest.mark.usefixtures("_carol_follows")
def test_who_others_are(people: People) -> None:
    api, carol, visitor = people(), people("carol"), people(None)
    user = visitor.get_user_overview("alice")
    assert (user.username, user.fullname, user.user_type) == ("alice", "alice", "user")
    assert user.num_followers >= 1
    assert [org.name for org in user.orgs] == ["team"]
    team = visitor.get_organization_overview("team")
    assert (team.name, team.num_users) == ("team", 2)
    assert team.num_followers >= 1
    assert {user.username for user in api.list_organization_members("team")} == {"alice", "bob"}
    assert "carol" in {user.username for user in visitor.list_organization_followers("team")}
    assert "carol" in {user.username for user in visitor.list_user_followers("alice")}
    assert "alice" in {user.username for user in carol.list_user_following("carol")}
    for ask_for in (visitor.get_user_overview, visitor.get_organization_overview):
        with pytest.raises(HfHubHTTPError) as missing:
            ask_for("nobody-at-all")
        assert missing.value.response.status_code == 404


@tries("list_liked_repos", "list_repo_likers", "unlike")
def test_likes(people: People, model: str) -> None:
    carol = people("carol")
    press(people.hub.api("carol"), f"/api/models/{model}/like")
    assert [user.username for user in carol.list_repo_likers(model)] == ["carol"]
    likes = carol.list_liked_repos()
    assert (likes.user, model in likes.models) == ("carol", True)
    carol.unlike(model)
    assert model not in people(None).list_liked_repos("carol").models


@tries(
    "list_pending_access_requests",
    "list_accepted_access_requests",
    "list_rejected_access_requests",
    "accept_access_request",
    "reject_access_request",
    "cancel_access_request",
    "grant_access",
)
def test_who_is_let_in(people: People, model: str) -> None:
    api, carol = people(), people.hub.api("carol")
    with pytest.raises(HfHubHTTPError) as refusal:
        list(api.list_pending_access_requests(model))
    assert refusal.value.response.status_code == 400
    api.update_repo_settings(model, gated="manual")

    def listed() -> list[list[str]]:
        lists = (
            api.list_pending_access_requests(model),
            api.list_accepted_access_requests(model),
            api.list_rejected_access_requests(model),
        )
        return [[request.username for request in found] for found in lists]

    assert ask(carol, model, why="To learn") == "pending"
    (request,) = api.list_pending_access_requests(model)
    assert (request.username, request.fullname, request.status) == ("carol", "carol", "pending")
    api.accept_access_request(model, request_id=request.request_id)
    assert listed() == [[], ["carol"], []]
    carol.auth_check(model)
    api.reject_access_request(model, "carol", rejection_reason="Not now")
    assert listed() == [[], [], ["carol"]]
    with pytest.raises(GatedRepoError):
        carol.auth_check(model)
    api.cancel_access_request(model, "carol")
    assert listed() == [["carol"], [], []]
    api.grant_access(model, "bob")
    assert listed() == [["carol"], ["bob"], []]
    with pytest.raises(HfHubHTTPError) as unknown:
        api.accept_access_request(model, "nobody-at-all")
    assert unknown.value.response.status_code == 404


@pytest.fixture
def collection(alice: Any, unique: str) -> str:
    return str(alice.create_collection(unique).slug)


@tries(
    "create_collection",
    "get_collection",
    "list_collections",
    "update_collection_metadata",
    "delete_collection",
)
def test_collections(people: People, unique: str) -> None:
    api = people()
    made = api.create_collection(f"The {unique}", description="All of it", private=True)
    assert made.slug.startswith(f"alice/the-{unique}-")
    assert api.create_collection(f"The {unique}", exists_ok=True).slug == made.slug
    assert (made.title, made.description) == (f"The {unique}", "All of it")
    assert (made.private, made.items) == (True, [])
    changed = api.update_collection_metadata(made.slug, title=unique, private=False, theme="pink")
    assert (changed.title, changed.private, changed.theme) == (unique, False, "pink")
    assert people(None).get_collection(made.slug).slug == changed.slug
    assert changed.slug in [found.slug for found in api.list_collections(owner="alice", limit=50)]
    api.delete_collection(changed.slug)
    api.delete_collection(changed.slug, missing_ok=True)
    with pytest.raises(HfHubHTTPError) as missing:
        api.get_collection(changed.slug)
    assert missing.value.response.status_code == 404


@tries("add_collection_item", "update_collection_item", "delete_collection_item", "list_collections")
def test_what_is_in_a_collection(people: People, model: str, collection: str, unique: str) -> None:
    api = people()
    data = api.create_repo(unique, repo_type="dataset").repo_id
    api.add_collection_item(collection, model, "model", note="First")
    found = api.add_collection_item(collection, data, "dataset")
    assert [(item.item_id, item.item_type, item.note) for item in found.items] == [
        (model, "model", "First"),
        (data, "dataset", None),
    ]
    with pytest.raises(HfHubHTTPError) as taken:
        api.add_collection_item(collection, model, "model")
    assert taken.value.response.status_code == 409
    api.add_collection_item(collection, model, "model", exists_ok=True)
    first, second = found.items
    api.update_collection_item(collection, second.item_object_id, note="Now first", position=0)
    items = api.get_collection(collection).items
    assert [(item.item_id, item.note) for item in items] == [(data, "Now first"), (model, "First")]
    assert [one.slug for one in api.list_collections(item=f"models/{model}")] == [collection]
    for _ in range(2):
        api.delete_collection_item(collection, first.item_object_id, missing_ok=True)
    assert [item.item_id for item in api.get_collection(collection).items] == [data]
