"""Likes, follows and collections on the pages."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from models_app.actions.collection_items import add_item
from models_app.actions.collections import change_collection, create_collection
from models_app.models import Follow, Like, Repo
from tests.models_app.people import organization, session
from tests.models_app.views.conftest import Pages, publish


def test_a_like_goes_back_to_the_page_and_shows(as_alice: Client, pages: Pages) -> None:
    assert 'name="liked" value="1"' in as_alice.get("/alice/base").text
    response = as_alice.post("/alice/base/like", {"liked": "1"})
    assert (response.status_code, response["Location"]) == (302, "/alice/base")
    text = as_alice.get("/alice/base").text
    assert 'aria-pressed="true"' in text
    assert 'name="liked" value="0"' in text
    as_alice.post("/alice/base/like", {"liked": "0"})
    assert not Like.objects.exists()


def test_a_script_gets_the_button_alone(as_alice: Client, pages: Pages) -> None:
    response = as_alice.post("/datasets/alice/digits/like", {"liked": "1"}, headers={"HX-Request": "true"})
    assert response.text.strip().startswith("<form")
    assert ">1</span>" in response.text
    assert "<script" not in response.text
    assert "csrfmiddlewaretoken" in response.text


def test_who_is_not_signed_in_is_led_there(client: Client, pages: Pages) -> None:
    assert '<a class="button" href="/login?next=%2Falice%2Fbase">' in client.get("/alice/base").text
    assert client.post("/alice/base/like", {"liked": "1"})["Location"] == "/login?next=/alice/base"
    assert client.post("/users/alice/follow", {"following": "1"})["Location"] == "/login?next=/alice"
    assert client.get("/alice/base/like").status_code == 405
    assert not Like.objects.exists()


def test_a_private_repo_has_no_button(client: Client, alice: User, carol: User) -> None:
    publish(alice, "vault", private=True)
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    assert client.post("/alice/vault/like", {"liked": "1"}).status_code == 404


def test_lists_sort_by_likes_and_show_them(client: Client, pages: Pages) -> None:
    liked = publish(pages.alice, "beloved")
    Repo.objects.filter(pk=liked.pk).update(likes_count=1234)
    text = client.get("/models?sort=likes").text
    assert text.index("beloved") < text.index(">base<")
    assert "1.2K" in text


def test_people_and_organizations_are_followed_from_their_page(as_alice: Client, carol: User) -> None:
    organization("lab", admin=carol)
    for name in ("carol", "lab"):
        assert 'name="following" value="1"' in as_alice.get(f"/{name}").text
        assert as_alice.post(f"/users/{name}/follow", {"following": "1"})["Location"] == f"/{name}"
        text = as_alice.get(f"/{name}").text
        assert "Following" in text
        assert "<dt>Followers</dt><dd>1</dd>" in text
    assert "<dt>Follows</dt><dd>2</dd>" in as_alice.get("/alice").text
    as_alice.post("/users/lab/follow", {"following": "0"})
    assert [row.namespace.name for row in Follow.objects.all()] == ["carol"]
    assert as_alice.post("/users/nobody/follow", {"following": "1"}).status_code == 404
    assert 'name="following"' not in as_alice.get("/alice").text


def test_a_collection_shows_what_the_reader_may_see(client: Client, pages: Pages, carol: User) -> None:
    alice = session(pages.alice)
    publish(pages.alice, "vault", private=True)
    made = create_collection(alice, namespace=None, title="Good things", description="The best of them")
    for item_id, note in (("alice/base", "start <here>"), ("alice/vault", "")):
        add_item(alice, collection=made, item_type="model", item_id=item_id, note=note)
    add_item(alice, collection=made, item_type="dataset", item_id="alice/digits")
    text = client.get(made.get_absolute_url()).text
    for words in ("Good things", "The best of them", "start &lt;here&gt;", 'href="/datasets/alice/digits"'):
        assert words in text
    assert "vault" not in text
    client.force_login(pages.alice, backend="accounts.backends.AccountBackend")
    assert "vault" in client.get(made.get_absolute_url()).text


def test_an_older_address_leads_to_the_present_one(client: Client, alice: User) -> None:
    made = create_collection(session(alice), namespace=None, title="Old")
    old = made.get_absolute_url()
    now = change_collection(session(alice), collection=made, title="New").get_absolute_url()
    assert client.get(old)["Location"] == now
    assert client.get(now).status_code == 200


@pytest.mark.parametrize("private", [True, False])
def test_a_profile_lists_its_collections(client: Client, alice: User, private: bool) -> None:
    made = create_collection(session(alice), namespace=None, title="Some things", private=private)
    listed = "Some things" in client.get("/alice").text
    assert listed != private
    shown = client.get(made.get_absolute_url()).status_code
    missing = client.get("/collections/alice/none-000000000000000000000000").status_code
    assert (shown == missing == 404) if private else shown == 200
    client.force_login(alice, backend="accounts.backends.AccountBackend")
    assert "Some things" in client.get("/alice").text
