"""A repo's settings: administrators only, deleting asks twice."""

from __future__ import annotations

import html

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


def test_a_repo_is_renamed_and_the_old_address_leads_there(as_alice: Client, pages: Pages) -> None:
    form = {"action": "move", "namespace": "alice", "name": "renamed"}
    answer = as_alice.post("/alice/base/settings", form)
    assert answer["Location"] == "/alice/renamed/settings"
    assert as_alice.get("/alice/base")["Location"] == "/alice/renamed"


def test_a_repo_is_moved_to_an_organization(as_alice: Client, pages: Pages) -> None:
    organization("lab", admin=pages.alice)
    form = {"action": "move", "namespace": "lab", "name": "base"}
    assert as_alice.post("/alice/base/settings", form)["Location"] == "/lab/base/settings"
    assert Repo.objects.get(pk=pages.base.pk).repo_id == "lab/base"


@pytest.mark.parametrize(
    ("owner", "name", "words"),
    [
        ("alice", "", "Give it a name."),
        ("alice", "base", "called already"),
        ("alice", "taken", "There is already a repo called alice/taken."),
        ("alice", "bad name", "is not a valid repo name"),
        ("alice", "x" * 300, "is not a valid repo name"),
        ("carol", "base", "the rights to create"),
        ("", "other", "the rights to create"),
    ],
)
def test_a_name_that_cannot_be_had_is_told_and_kept(
    as_alice: Client, pages: Pages, carol: User, owner: str, name: str, words: str
) -> None:
    repo_of(pages.alice, "taken")
    answer = as_alice.post("/alice/base/settings", {"action": "move", "namespace": owner, "name": name})
    assert answer.status_code == 422
    assert words in html.unescape(answer.text)
    assert Repo.objects.get(pk=pages.base.pk).repo_id == "alice/base"


def test_discussions_are_turned_off_and_on(as_alice: Client, pages: Pages) -> None:
    for wanted, disabled in (("off", True), ("on", False)):
        form = {"action": "discussions", "discussions": wanted}
        assert as_alice.post("/alice/base/settings", form).status_code == 302
        assert Repo.objects.get(pk=pages.base.pk).discussions_disabled is disabled
    assert as_alice.post("/alice/base/settings", {"action": "discussions"}).status_code == 422


@pytest.mark.parametrize("repo_type", ["model", "dataset", "space", "kernel"])
def test_every_type_can_be_made(as_alice: Client, repo_type: str) -> None:
    assert f'value="{repo_type}"' in as_alice.get(f"/new?type={repo_type}").text
    form = {"repo_type": repo_type, "namespace": "alice", "name": "fresh", "visibility": "public"}
    answer = as_alice.post("/new", form)
    assert answer["Location"] == Repo.objects.get(name="fresh").get_absolute_url()
    assert as_alice.get(answer["Location"]).status_code == 200
