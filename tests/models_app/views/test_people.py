"""Profiles and the form for a new repo."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from models_app.models import Repo
from tests.models_app.people import organization
from tests.models_app.views.conftest import Pages, publish


def test_a_profile_lists_what_the_reader_may_see(client: Client, pages: Pages) -> None:
    publish(pages.alice, "vault", private=True)
    assert "vault" not in client.get("/alice").text
    assert "base" in client.get("/ALICE").text
    client.force_login(pages.alice, backend="accounts.backends.AccountBackend")
    assert "vault" in client.get("/alice").text


def test_an_organization_shows_its_members(client: Client, alice: User, bob: User) -> None:
    organization("lab", admin=alice, write=bob)
    text = client.get("/lab").text
    assert 'href="/alice"' in text
    assert 'href="/bob"' in text


def test_nobody_and_a_suspended_person_look_alike(client: Client, carol: User) -> None:
    User.objects.filter(pk=carol.pk).update(is_suspended=True)
    assert client.get("/carol").status_code == client.get("/nobody").status_code == 404


def test_a_new_repo_needs_somebody_signed_in_who_comes_back(client: Client, db: None) -> None:
    response = client.get("/new?owner=lab")
    assert response.status_code == 302
    assert response["Location"] == "/login?next=/new%3Fowner%3Dlab"


@pytest.mark.parametrize(("visibility", "private"), [("public", False), ("private", True)])
def test_the_form_makes_a_repo(as_alice: Client, visibility: str, private: bool) -> None:
    data = {"repo_type": "dataset", "namespace": "alice", "name": "things", "visibility": visibility}
    response = as_alice.post("/new", data)
    assert response["Location"] == "/datasets/alice/things"
    assert Repo.objects.get(name="things").private is private


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "../etc"}, ""),
        ({"name": "base"}, "already a repo"),
        ({"namespace": "carol"}, "not one of the available choices"),
        ({"visibility": "maybe"}, "not one of the available choices"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(
    as_alice: Client, pages: Pages, carol: User, change: dict[str, str], words: str
) -> None:
    before = Repo.objects.count()
    data = {"repo_type": "model", "namespace": "alice", "name": "fresh", "visibility": "public"} | change
    response = as_alice.post("/new", data)
    assert response.status_code == 422
    assert words in response.text
    assert 'class="problem"' in response.text
    assert Repo.objects.count() == before


def test_a_form_without_its_token_is_refused_in_words(alice: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice, backend="accounts.backends.AccountBackend")
    response = strict.post("/new", {"name": "x"})
    assert response.status_code == 403
    assert "expired" in response.text
