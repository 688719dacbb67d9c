"""Following repos and boards: the button, the list, and what strangers may not."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from accounts.models import User
from models_app.models import Event, EventTag, Repo, RepoFollow
from tests.models_app.people import repo_of
from tests.models_app.views.conftest import Pages, publish


def address(repo: Repo, what: str = "repo") -> str:
    return f"/settings/follows/{repo.uuid}/{what}"


def test_a_repo_is_followed_from_its_page_and_left_again(as_alice: Client, pages: Pages) -> None:
    assert f'action="{address(pages.base)}"' in as_alice.get("/alice/base").text
    for _twice in range(2):
        answer = as_alice.post(address(pages.base), {"following": "1"})
        assert (answer.status_code, answer["Location"]) == (302, "/alice/base")
    assert RepoFollow.objects.count() == 1
    assert Event.objects.filter(tag=EventTag.REPO_FOLLOW).count() == 1
    assert "alice/</span>base" in as_alice.get("/settings/follows").text
    left = as_alice.post(address(pages.base), {"following": "0", "back": "list"})
    assert left["Location"] == "/settings/follows"
    assert not RepoFollow.objects.exists()


def test_a_board_is_another_thing_than_its_dataset(as_alice: Client, pages: Pages) -> None:
    assert as_alice.post(address(pages.data, "board"), {"following": "1"})["Location"] == (
        "/leaderboards/alice/digits"
    )
    as_alice.post(address(pages.data), {"following": "1"})
    assert set(RepoFollow.objects.values_list("what", flat=True)) == {"repo", "board"}
    assert as_alice.post(address(pages.base, "board"), {"following": "1"}).status_code == 404


def test_a_script_gets_the_button_alone(as_alice: Client, pages: Pages) -> None:
    answer = as_alice.post(address(pages.base), {"following": "1"}, headers={"HX-Request": "true"})
    assert answer.text.strip().startswith("<form")
    assert 'aria-pressed="true"' in answer.text
    assert "csrfmiddlewaretoken" in answer.text


@pytest.mark.parametrize("what", ["repo", "board"])
def test_a_private_repo_looks_missing_to_strangers(
    client: Client, alice: User, carol: User, what: str
) -> None:
    vault = publish(alice, "vault", private=True)
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    hidden = client.post(address(vault, what), {"following": "1"})
    missing = client.post(f"/settings/follows/{uuid.uuid4()}/{what}", {"following": "1"})
    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert not RepoFollow.objects.exists()


def test_who_may_not_see_a_repo_any_more_may_still_leave_it(client: Client, alice: User, carol: User) -> None:
    repo = repo_of(alice)
    client.force_login(carol, backend="accounts.backends.AccountBackend")
    client.post(address(repo), {"following": "1"})
    Repo.objects.update(private=True)
    assert "net" not in client.get("/settings/follows").text.split("<main")[1]
    client.post(address(repo), {"following": "0"})
    assert not RepoFollow.objects.exists()


def test_nobody_follows_without_an_account(client: Client, pages: Pages) -> None:
    assert client.post(address(pages.base), {"following": "1"})["Location"] == "/login?next=/alice/base"
    assert client.get("/settings/follows")["Location"] == "/login?next=/settings/follows"
    assert client.post(address(pages.base, "nonsense"), {"following": "1"}).status_code == 404
    assert client.get(address(pages.base)).status_code == 405
