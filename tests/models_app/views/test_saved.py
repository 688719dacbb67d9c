"""Saved searches: kept, told of, seen, forgotten."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from models_app.actions.saved import MAX_SAVED, check_saved
from models_app.models import Notification, SavedSearch
from models_app.telling import notes_of
from models_app.telling_words import sentence
from tests.models_app.people import session
from tests.models_app.views.conftest import Pages, publish


def save(client: Client, **change: str) -> SavedSearch:
    data = {"repo_type": "model", "query": "license=mit&page=3&sort=likes&junk=1", "title": "Free ones"}
    assert client.post("/saved", data | change).status_code == 302
    return SavedSearch.objects.latest("pk")


def test_a_search_is_saved_clean_and_opens_its_list(as_alice: Client, pages: Pages) -> None:
    row = save(as_alice)
    assert (row.query, row.title) == ("license=mit", "Free ones")
    text = as_alice.get("/saved").text
    assert "Free ones" in text
    assert "mit" in text
    assert " new</span>" not in text
    publish(pages.alice, "fresh")
    assert "1 new</span>" in as_alice.get("/saved").text
    assert as_alice.get(f"/saved/{row.uuid}")["Location"] == "/models?license=mit&sort=created"
    assert " new</span>" not in as_alice.get("/saved").text


def test_the_list_offers_to_save_what_it_is_narrowed_to(as_alice: Client, pages: Pages) -> None:
    text = as_alice.get("/models?license=mit").text
    assert 'name="query" value="license=mit"' in text
    assert 'action="/saved"' in text


def test_the_same_search_is_saved_once(as_alice: Client, db: None) -> None:
    save(as_alice)
    assert (
        as_alice.post(
            "/saved", {"repo_type": "model", "query": "sort=x&license=mit", "title": "Again"}, follow=True
        ).text.count("saved this search already")
        == 1
    )
    assert SavedSearch.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"title": ""}, "1 to 100 characters"),
        ({"title": "\u200b\u202e"}, "1 to 100 characters"),
        ({"title": "x" * 101}, "1 to 100 characters"),
        ({"repo_type": "forum"}, "can be saved"),
        ({"repo_type": "nonsense"}, "can be saved"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    as_alice: Client, db: None, change: dict[str, str], words: str
) -> None:
    response = as_alice.post(
        "/saved", {"repo_type": "model", "query": "license=mit", "title": "Mine"} | change
    )
    assert response.status_code == 422
    assert words in response.text
    assert 'name="query" value="license=mit"' in response.text
    assert not SavedSearch.objects.exists()


@pytest.mark.parametrize(
    "query", ["%00=%00", "a" * 9000, "min=nan&board=x", "license=" + "é" * 300, "&&&==="]
)
def test_any_garbage_in_the_query_is_left_out(as_alice: Client, db: None, query: str) -> None:
    save(as_alice, query=query)
    assert as_alice.get("/saved").status_code == 200


def test_there_is_an_end_to_them(as_alice: Client, alice: User) -> None:
    SavedSearch.objects.bulk_create(
        SavedSearch(user=alice, repo_type="model", query=f"license={n}", title=str(n))
        for n in range(MAX_SAVED)
    )
    response = as_alice.post("/saved", {"repo_type": "model", "query": "license=mit", "title": "More"})
    assert response.status_code == 422
    assert "delete one first" in response.text


def test_renaming_alerting_and_deleting(as_alice: Client, db: None) -> None:
    row = save(as_alice)
    there = f"/saved/{row.uuid}/change"
    as_alice.post(there, {"action": "rename", "title": "Other"})
    as_alice.post(there, {"action": "alert-off"})
    row.refresh_from_db()
    assert (row.title, row.has_alert) == ("Other", False)
    assert as_alice.post(there, {"action": "rename", "title": " "}).status_code == 422
    assert as_alice.post(there, {"action": "nonsense"}).status_code == 422
    as_alice.post(there, {"action": "delete"})
    assert not SavedSearch.objects.exists()
    assert as_alice.post(there, {"action": "delete"}).status_code == 404


def test_nobody_touches_those_of_others(client: Client, as_alice: Client, alice: User, carol: User) -> None:
    row = save(as_alice)
    other = Client()
    assert other.get("/saved")["Location"] == "/login?next=/saved"
    other.force_login(carol, backend="accounts.backends.AccountBackend")
    assert other.get(f"/saved/{row.uuid}").status_code == 404
    assert other.post(f"/saved/{row.uuid}/change", {"action": "delete"}).status_code == 404
    assert other.get(f"/saved/{uuid.uuid4()}").status_code == 404
    assert SavedSearch.objects.exists()


def test_what_is_new_is_told_of_once(client: Client, alice: User, carol: User) -> None:
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    row = save(client)
    publish(alice, "hidden", private=True)
    later = timezone.now() + timedelta(hours=2)
    assert check_saved(timezone.now()) == 0
    assert check_saved(later) == 1
    assert not Notification.objects.exists()
    publish(alice, "one")
    assert check_saved(later) == 0
    check_saved(later + timedelta(hours=2))
    check_saved(later + timedelta(hours=4))
    assert Notification.objects.get().count == 1
    publish(alice, "two")
    check_saved(later + timedelta(hours=6))
    assert [sentence(note) for note in notes_of(session(carol))] == [
        "2 new results of your search “Free ones”"
    ]
    assert Notification.objects.get().path == f"/saved/{row.uuid}"


@pytest.mark.parametrize("change", [{"has_alert": False}])
def test_without_an_alert_nothing_is_told(as_alice: Client, alice: User, change: dict[str, bool]) -> None:
    save(as_alice)
    SavedSearch.objects.update(**change)
    publish(alice, "one")
    assert check_saved(timezone.now() + timedelta(hours=2)) == 0
    assert not Notification.objects.exists()
