"""The fine print of gates: forms, sessions, links already in hand."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from models_app.actions import gating
from models_app.actions.refusals import CredentialEnded, InvalidInput
from models_app.models import AccessRequest, Event, Repo, RepoCard
from tests.models_app.api.people import caller, pages
from tests.models_app.people import by_token, organization, repo_of, session

LISTS = "/api/models/alice/net/user-access-request"


@pytest.fixture
def repo(alice: User) -> Repo:
    return repo_of(alice, gated="manual")


def signed_in(user: User, strict: bool = False) -> Client:
    client = Client(enforce_csrf_checks=strict)
    client.force_login(user, backend="accounts.backends.AccountBackend")
    return client


def test_the_form_of_the_page_goes_back_there(repo: Repo, carol: User) -> None:
    response = signed_in(carol).post("/alice/net/ask-access", {})
    assert (response.status_code, response["Location"]) == (303, "/alice/net")
    assert AccessRequest.objects.get().status == "pending"
    assert signed_in(carol, strict=True).post("/alice/net/ask-access", {}).status_code == 403
    signed_out = Client().post("/alice/net/ask-access", {})
    assert signed_out["Location"] == "/login?next=/alice/net"


@pytest.mark.parametrize("repo_type", ["dataset", "space"])
def test_every_type_has_its_form(alice: User, carol: User, repo_type: str) -> None:
    repo_of(alice, "data", repo_type=repo_type, gated="auto")
    response = caller(carol)("POST", f"/{repo_type}s/alice/data/ask-access")
    assert response.json() == {"status": "accepted"}


def test_a_form_that_is_not_filled_in_says_so_on_the_page(repo: Repo, carol: User) -> None:
    RepoCard.objects.filter(repo=repo).update(metadata={"extra_gated_fields": {"Company": "text"}})
    client = signed_in(carol)
    page = client.post("/alice/net/ask-access", {"Company": " "}, follow=True)
    assert "must be filled in" in page.text
    assert not AccessRequest.objects.exists()
    client.post("/alice/net/ask-access", {"Company": "Tuneyard", "more": "x"})
    assert AccessRequest.objects.get().fields == {"Company": "Tuneyard"}


def test_asking_where_one_need_not_is_refused(repo: Repo, alice: User, carol: User) -> None:
    with pytest.raises(InvalidInput, match="already have access"):
        gating.ask_access(session(alice), repo=repo)
    Repo.objects.update(gated="false")
    assert caller(carol).status("POST", "/alice/net/ask-access") == 400
    for ask in (caller(carol, "read"), caller(carol, "fineGrained")):
        assert ask.status("POST", "/alice/net/ask-access") == 403
    Repo.objects.update(private=True, gated="manual")
    assert caller(carol)("POST", "/alice/net/ask-access")["X-Error-Code"] == "RepoNotFound"
    assert not AccessRequest.objects.exists()


def test_a_gate_that_turns_automatic_lets_in_who_waits_but_not_whom_an_owner_put_back(
    repo: Repo, alice: User, bob: User, carol: User
) -> None:
    gating.ask_access(session(carol), repo=repo)
    gating.grant(session(alice), repo=repo, username="bob")
    gating.decide(session(alice), repo=repo, username="bob", status="pending")
    Repo.objects.update(gated="auto")
    assert gating.ask_access(session(carol), repo=repo).status == "accepted"
    assert gating.ask_access(session(bob), repo=repo).status == "pending"


def test_a_decision_needs_one_name_and_a_status(repo: Repo, alice: User, carol: User) -> None:
    request = gating.ask_access(session(carol), repo=repo)
    ask = caller(alice)
    for body in (
        {"status": "accepted"},
        {"user": "carol", "requestId": request.uuid.hex, "status": "accepted"},
        {"user": "carol"},
        {"user": "carol", "status": "maybe"},
        {"user": 3, "status": "accepted"},
        {"user": "\0", "status": "accepted"},
        {"user": "carol", "status": "accepted", "rejectionReason": "why"},
        {"user": "carol", "status": "rejected", "rejectionReason": "x" * 201},
    ):
        assert ask.status("POST", f"{LISTS}/handle", body) == 400
    assert ask.status("POST", f"{LISTS}/handle", {"requestId": "x", "status": "accepted"}) == 404
    assert ask.status("GET", f"{LISTS}/undecided") == 404
    assert AccessRequest.objects.get().status == "pending"


def test_who_may_write_decides_and_nobody_else(alice: User, bob: User, carol: User) -> None:
    organization("team", admin=alice, write=bob, read=carol)
    repo_of(alice, "net", namespace="team", gated="manual")
    lists = "/api/models/team/net/user-access-request"
    for ask, status in (
        (caller(bob), 200),
        (caller(bob, "read"), 403),
        (caller(carol), 403),
        (caller(None), 401),
    ):
        assert ask.status("GET", f"{lists}/pending") == status
        assert ask.status("POST", f"{lists}/grant", {"user": "nobody"}) == (404 if status == 200 else status)


def test_lists_page_and_tell_an_address_only_of_who_asked(
    repo: Repo, alice: User, bob: User, carol: User
) -> None:
    gating.ask_access(session(carol), repo=repo)
    gating.decide(session(alice), repo=repo, username="carol", status="accepted")
    gating.grant(session(alice), repo=repo, username="bob")
    first, second = pages(caller(alice), f"{LISTS}/accepted?limit=1")
    assert [page[0]["user"].get("email") for page in (first, second)] == [None, "carol@example.org"]
    assert [page[0]["user"]["user"] for page in (first, second)] == ["bob", "carol"]
    assert {"requestId", "status", "timestamp"} <= set(first[0])
    told = Event.objects.filter(tag="repo:access:decide").values_list("data__username", flat=True)
    assert sorted(told) == ["bob", "carol"]


def test_links_in_hand_end_with_the_acceptance(repo: Repo, alice: User, carol: User) -> None:
    """Every road to the bytes closes at once; a Xet ticket outlives its request, but not the right."""
    gating.grant(session(alice), repo=repo, username="carol")
    ask, before = caller(carol), roads(caller(carol))
    ticket = ask("GET", "/api/models/alice/net/xet-read-token/main").json()["accessToken"]
    assert set(before.values()) == {200}
    gating.decide(session(alice), repo=repo, username="carol", status="rejected")
    assert set(roads(ask).values()) == {403}
    old = Client().get(
        f"/cas/g1/v1/reconstructions/{'a' * 64}", headers={"Authorization": f"Bearer {ticket}"}
    )
    assert (old.status_code, old["X-Error-Code"]) == (401, "GatedRepo")


def roads(ask: Any) -> dict[str, int]:
    """Every way to a gated repo's bytes, and what it answers."""
    batch = {"operation": "download", "objects": []}
    return {
        "resolve": ask.status("GET", "/alice/net/resolve/main/.gitattributes"),
        "raw": ask.status("GET", "/alice/net/raw/main/.gitattributes"),
        "xet": ask.status("GET", "/api/models/alice/net/xet-read-token/main"),
        "lfs": ask.status("POST", "/alice/net.git/info/lfs/objects/batch", batch),
        "git": ask.status("GET", "/alice/net/info/refs?service=git-upload-pack"),
        "check": ask.status("GET", "/api/models/alice/net/auth-check"),
    }


def test_a_revoked_token_asks_nothing(repo: Repo, carol: User) -> None:
    actor = by_token(carol)
    actor.token.delete()  # type: ignore[union-attr]
    with pytest.raises(CredentialEnded):
        gating.ask_access(actor, repo=repo)
    assert not AccessRequest.objects.exists()
