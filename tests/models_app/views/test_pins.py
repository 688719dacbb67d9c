"""What stands first on a profile: chosen there by its person, shown to whoever may see it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from models_app.actions import pins
from models_app.actions.refusals import InvalidInput
from models_app.actions.repos import change_settings, delete_repo
from models_app.models import ProfilePin, Repo
from tests.models_app.people import by_token, organization, repo_of, session
from tests.models_app.views.conftest import Pages


def pinned(client: Client, name: str = "alice") -> list[str]:
    """The names in the part of the profile that comes first."""
    text = client.get(f"/{name}").text.partition("Pinned</h2>")[2].partition("</section>")[0]
    return [piece.partition("<")[0] for piece in text.split("/</span>")[1:]]


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="accounts.backends.AccountBackend")
    return client


def test_repos_are_pinned_arranged_and_taken_away(as_alice: Client, alice: User, bob: User) -> None:
    net, data = repo_of(alice, "net"), repo_of(bob, "data", repo_type="dataset")
    for user in (alice, bob):
        pins.pin(session(user), repo=net)
    assert as_alice.post("/settings/pins", {"pin": data.uuid}).status_code == 302
    assert as_alice.post("/settings/pins", {"pin": data.uuid}).status_code == 302
    assert pinned(as_alice) == ["net", "data"]
    last = ProfilePin.objects.get(user=alice, repo=data).pk
    answer = as_alice.post("/settings/pins", {"earlier": last, "q": "n&t"})
    assert answer["Location"] == "/alice?tab=pins&q=n%26t"
    assert pinned(as_alice) == pinned(Client()) == ["data", "net"]
    as_alice.post("/settings/pins", {"unpin": last})
    assert pinned(as_alice) == ["net"]
    assert pinned(as_alice, "bob") == ["net"]


def test_six_are_enough(as_alice: Client, alice: User) -> None:
    repos = [repo_of(alice, f"net{n}") for n in range(7)]
    for repo in repos[:6]:
        pins.pin(session(alice), repo=repo)
    with pytest.raises(InvalidInput, match="At most 6 repos are pinned"):
        pins.pin(session(alice), repo=repos[6])
    text = as_alice.post("/settings/pins", {"pin": repos[6].uuid}, follow=True).text
    assert "At most 6 repos are pinned: take one of them away first." in text
    assert 'name="pin"' not in text
    assert ProfilePin.objects.count() == 6


def test_what_became_private_or_is_gone_is_shown_to_those_who_may_see_it(
    client: Client, as_alice: Client, alice: User, bob: User, carol: User
) -> None:
    organization("lab", admin=bob, read=carol)
    shown, hidden, gone = (
        repo_of(alice, "shown"),
        repo_of(bob, "quiet", namespace="lab"),
        repo_of(alice, "gone"),
    )
    for repo in (shown, hidden, gone):
        pins.pin(session(alice), repo=repo)
    change_settings(session(bob), repo=hidden, private=True)
    delete_repo(session(alice), repo=gone)
    assert pinned(Client()) == pinned(as_alice) == ["shown"]
    assert pinned(signed_in(carol)) == ["shown", "quiet"]
    text = as_alice.get("/alice?tab=pins").text
    assert "A repo that you may not see any more" in text
    assert "quiet" not in text
    Repo.objects.filter(pk=shown.pk).update(disabled_at=timezone.now())
    assert pinned(Client()) == []


def test_only_what_is_public_can_be_pinned(as_alice: Client, alice: User, bob: User) -> None:
    mine, theirs = repo_of(alice, "mine", private=True), repo_of(bob, "theirs", private=True)
    with pytest.raises(InvalidInput, match="Only public repos"):
        pins.pin(session(alice), repo=mine)
    answers = [
        as_alice.post("/settings/pins", {"pin": one}, follow=True).text
        for one in (mine.uuid, theirs.uuid, "0" * 32, "nonsense", "")
    ]
    assert all("There is no such repo, or it is not public." in text for text in answers)
    assert not ProfilePin.objects.exists()


@pytest.mark.parametrize("given", [{"unpin": "x"}, {"unpin": "9" * 40}, {"earlier": "²"}, {}])
def test_numbers_that_are_none_change_nothing(as_alice: Client, alice: User, given: dict[str, str]) -> None:
    pins.pin(session(alice), repo=repo_of(alice))
    assert as_alice.post("/settings/pins", given).status_code == 302
    assert pinned(as_alice) == ["net"]


def test_nobody_touches_what_another_pinned(as_alice: Client, alice: User, bob: User) -> None:
    pins.pin(session(bob), repo=repo_of(bob))
    as_alice.post("/settings/pins", {"unpin": ProfilePin.objects.get().pk})
    assert pinned(as_alice, "bob") == ["net"]
    assert "What can be pinned" not in as_alice.get("/bob?tab=pins").text
    assert "Pin repos" not in as_alice.get("/bob").text
    assert Client().post("/settings/pins", {"pin": ""})["Location"].startswith("/login")
    assert as_alice.get("/settings/pins").status_code == 405
    from django.core.exceptions import PermissionDenied

    with pytest.raises(PermissionDenied):
        pins.pin(by_token(bob), repo=repo_of(bob, "other"))


def test_what_can_be_pinned_is_found_by_letters_or_by_its_id(
    as_alice: Client, alice: User, bob: User
) -> None:
    organization("lab", admin=bob, read=alice)
    repo_of(alice, "plain")
    repo_of(alice, "secret", private=True)
    repo_of(bob, "shared", namespace="lab")
    repo_of(bob, "elsewhere", repo_type="dataset")
    pins.pin(session(alice), repo=repo_of(alice, "taken"))

    def offered(query: str) -> list[str]:
        text = as_alice.get("/alice", {"tab": "pins", "q": query}).text.partition("What can be pinned")[2]
        return sorted(piece.partition("<")[0] for piece in text.split("/</span>")[1:])

    assert offered("") == ["plain", "shared"]
    assert offered("PLA") == ["plain"]
    for query in ("bob/elsewhere", "datasets/BOB/elsewhere", "http://testserver/datasets/bob/elsewhere"):
        assert offered(query) == ["elsewhere"]
    for query in ("elsewhere", "models/bob/elsewhere", "alice/secret", "a/b/c/d/", "/", "\0", "ä/ö"):
        assert offered(query) == ([] if query not in ("/", "\0") else ["plain", "shared"])


def test_the_page_in_chinese(as_alice: Client, pages: Pages) -> None:
    pins.pin(session(pages.alice), repo=pages.base)
    text = as_alice.get("/alice?tab=pins", headers={"accept-language": "zh-CN"}).text
    for words in ("What can be pinned", "Take away", "Nothing is pinned"):
        assert words not in text
