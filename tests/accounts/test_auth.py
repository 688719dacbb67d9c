"""From credentials to the actor, through real requests."""

from __future__ import annotations

import base64

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from accounts.auth import INVALID_CREDENTIALS, bearer_text
from accounts.models import User
from accounts.tokens import mint_token


@csrf_exempt
def tell(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Who the request is from, as the middleware understood it; exempt as the wire's views are."""
    actor = request.actor  # type: ignore[attr-defined]
    by = actor.token.name if actor.token else None
    name = actor.user.username if actor.user else None
    return JsonResponse({"user": name, "token": by, "bearer": bearer_text(request)})


urlpatterns = [
    path("api/who", tell),
    path("page", tell),
    path("cas/<path:rest>", tell),
    path("api/runs/<path:rest>", tell),
    path("alice/<path:rest>", tell),
]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_no_credentials_are_anonymous(client: Client) -> None:
    assert client.get("/api/who").json() == {"user": None, "token": None, "bearer": None}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_bearer_token_is_its_user(client: Client, alice: User, scheme: str) -> None:
    _, text = mint_token(alice, name="laptop", role="read")
    said = client.get("/api/who", headers={"authorization": f"{scheme} {text}"}).json()
    assert said == {"user": "alice", "token": "laptop", "bearer": text}


def test_git_sends_the_token_as_password_with_any_name(client: Client, alice: User) -> None:
    _, text = mint_token(alice, name="laptop", role="read")
    for header in (basic("hf_user", text), basic("alice", text), basic(text, "")):
        assert client.get("/page", headers={"authorization": header}).json()["user"] == "alice"


@pytest.mark.parametrize("where", ["/api/who", "/page"])
@pytest.mark.parametrize(
    "header",
    [
        "Bearer hf_nobody",
        "Bearer",
        "Bearer nonsense",
        "Basic !!!",
        "Digest x",
        basic("alice", "alice-secret-9"),
    ],
)
def test_unknown_credentials_are_401_everywhere(client: Client, alice: User, where: str, header: str) -> None:
    response = client.get(where, headers={"authorization": header})
    assert response.status_code == 401
    assert response.json() == {"error": INVALID_CREDENTIALS}
    assert response["X-Error-Message"] == INVALID_CREDENTIALS
    assert "X-Error-Code" not in response
    # Git asks for a password again only where it is challenged; a stale bearer token must not raise a prompt.
    assert ("WWW-Authenticate" in response) == (not header.startswith("Bearer"))


def test_a_token_wins_over_a_session(client: Client, alice: User, bob: User) -> None:
    client.force_login(alice)
    _, text = mint_token(bob, name="laptop", role="read")
    assert client.get("/page", headers={"authorization": f"Bearer {text}"}).json()["user"] == "bob"


def test_doors_with_credentials_of_their_own_judge_them_themselves(client: Client) -> None:
    for where in ("/cas/g1/v1/xorbs/default/00", "/api/runs/00/claim"):
        said = client.get(where, headers={"authorization": "Bearer tyw_worker"})
        assert said.json() == {"user": None, "token": None, "bearer": "tyw_worker"}
        assert client.get(where, headers={"authorization": "Bearer hf_nobody"}).status_code == 401


def test_a_suspended_persons_session_is_nobody_at_once(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/page").json()["user"] == "alice"
    User.objects.update(is_suspended=True)
    assert client.get("/page").json()["user"] is None


class TestForgery:
    """Another site's form must not act with a visitor's session."""

    def test_a_session_needs_the_csrf_token_even_on_exempt_views(self, alice: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)
        for method in (client.post, client.put, client.delete, client.patch):
            response = method("/api/who")
            assert response.status_code == 403
            assert "CSRF" in response.json()["error"]
        assert client.get("/api/who").json()["user"] == "alice"

    def test_a_session_with_the_csrf_token_passes(self, alice: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)
        secret = "a" * 32
        client.cookies["csrftoken"] = secret
        said = client.post("/api/who", headers={"x-csrftoken": secret})
        assert said.json()["user"] == "alice"

    @override_settings(CSRF_TRUSTED_ORIGINS=["https://hub.example.org"])
    def test_another_origin_is_refused_even_with_the_token(self, alice: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)
        client.cookies["csrftoken"] = "a" * 32
        headers = {"x-csrftoken": "a" * 32, "origin": "https://evil.example.org"}
        assert client.post("/api/who", headers=headers).status_code == 403
        assert (
            client.post("/api/who", headers=headers | {"origin": "https://hub.example.org"}).status_code
            == 200
        )

    def test_a_token_needs_none(self, alice: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)
        _, text = mint_token(alice, name="laptop", role="write")
        assert client.post("/page", headers={"authorization": f"Bearer {text}"}).status_code == 200

    def test_a_password_a_browser_remembers_is_no_proof_of_intent(self, alice: User) -> None:
        client = Client(enforce_csrf_checks=True)
        _, text = mint_token(alice, name="laptop", role="write")
        headers = {"authorization": basic("alice", text)}
        assert client.post("/api/who", headers=headers).status_code == 403
        assert client.get("/api/who", headers=headers).json()["user"] == "alice"
        for door in ("alice/net.git/info/lfs/objects/batch", "alice/net/git-upload-pack"):
            assert client.post(f"/{door}", headers=headers).json()["user"] == "alice"

    def test_anonymous_needs_none_on_exempt_views(self) -> None:
        assert Client(enforce_csrf_checks=True).post("/api/who").status_code == 200


def test_every_response_names_its_request(client: Client) -> None:
    first, second = client.get("/page")["X-Request-Id"], client.get("/page")["X-Request-Id"]
    assert len(first) == 32
    assert first != second
    refused = client.get("/page", headers={"authorization": "Bearer hf_nobody"})
    assert len(refused["X-Request-Id"]) == 32


def test_a_proxys_request_id_is_kept_unless_it_could_forge_a_log_line(client: Client) -> None:
    given = "Root=1-67891233-abcdef"
    assert client.get("/page", headers={"x-request-id": given})["X-Request-Id"] == given
    assert client.get("/page", headers={"x-request-id": "a b\tc d e f"})["X-Request-Id"] != "a b\tc d e f"
    assert client.get("/page", headers={"x-amzn-trace-id": given})["X-Request-Id"] == given  # a client's own
