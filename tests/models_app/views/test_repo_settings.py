"""A repo's settings: administrators only, deleting asks twice."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from models_app.models import Event, EventTag, Repo
from tests.models_app.people import organization, repo_of
from tests.models_app.views.conftest import Pages

BACKEND = "accounts.backends.AccountBackend"


def test_an_administrator_hides_and_shows_a_repo(as_alice: Client, pages: Pages) -> None:
    for visibility, private in (("private", True), ("public", False)):
        answer = as_alice.post("/alice/base/settings", {"action": "visibility", "visibility": visibility})
        assert answer["Location"] == "/alice/base/settings"
        assert Repo.objects.get(pk=pages.base.pk).private is private


def test_deleting_wants_the_id_typed_out(as_alice: Client, pages: Pages) -> None:
    wrong = as_alice.post("/alice/base/settings", {"action": "delete", "confirmation": "base"})
    assert wrong.status_code == 422
    assert "Type alice/base to delete it." in wrong.text
    assert Repo.objects.filter(pk=pages.base.pk).exists()
    right = as_alice.post("/alice/base/settings", {"action": "delete", "confirmation": "alice/base"})
    assert right["Location"] == "/alice"
    assert not Repo.objects.filter(pk=pages.base.pk).exists()
    assert Event.objects.filter(tag=EventTag.REPO_DELETE).count() == 1


@pytest.mark.parametrize(
    "data", [{}, {"action": "visibility"}, {"visibility": "nobody"}, {"action": "nonsense"}]
)
def test_nonsense_changes_nothing(as_alice: Client, pages: Pages, data: dict[str, str]) -> None:
    assert as_alice.post("/alice/base/settings", data).status_code == 422
    assert Repo.objects.get(pk=pages.base.pk).private is False


def test_others_are_kept_out(client: Client, pages: Pages, bob: User, carol: User) -> None:
    assert client.get("/alice/base/settings")["Location"].startswith("/login?next=")
    client.force_login(carol, backend=BACKEND)
    assert client.get("/alice/base/settings").status_code == 403
    assert "/alice/base/settings" not in client.get("/alice/base").text
    shared = repo_of(pages.alice, "shared", namespace=organization("lab", admin=pages.alice, write=bob).name)
    client.force_login(bob, backend=BACKEND)
    data = {"action": "delete", "confirmation": shared.repo_id}
    assert client.post(f"/{shared.repo_id}/settings", data).status_code == 403
    assert Repo.objects.filter(pk=shared.pk).exists()


def test_a_private_repo_has_no_settings_for_strangers(client: Client, pages: Pages, carol: User) -> None:
    Repo.objects.filter(pk=pages.base.pk).update(private=True)
    client.force_login(carol, backend=BACKEND)
    assert client.get("/alice/base/settings").status_code == 404


def test_an_empty_repo_tells_its_writers_how_to_fill_it(client: Client, alice: User) -> None:
    repo_of(alice, "fresh")
    assert "hf upload" not in client.get("/alice/fresh").text
    client.force_login(alice, backend=BACKEND)
    assert "hf upload alice/fresh" in client.get("/alice/fresh").text


def test_a_suspended_person_is_nobody(as_alice: Client, pages: Pages) -> None:
    User.objects.filter(pk=pages.alice.pk).update(is_suspended=True)
    assert as_alice.get("/alice/base/settings")["Location"].startswith("/login?next=")
    assert as_alice.get("/login?next=/alice/base/settings").status_code == 200
