"""Error pages say what happened and what to do, lose nothing that was typed, and need no database."""

from __future__ import annotations

import re

import pytest
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path

from accounts.errors import bad_request, csrf_failure, server_error
from accounts.models import User
from hub.middleware import PAGE_POLICY
from hub.urls import urlpatterns as real_urls

TEXT = "A long comment that somebody wrote with care, and <b>not</b> in vain."


def breaks(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken")


def too_big(request: HttpRequest) -> HttpResponse:
    raise RequestDataTooBig("much")


urlpatterns = [path("breaks", breaks), path("api/breaks", breaks), path("too-big", too_big), *real_urls]
handler400 = "accounts.errors.bad_request"
handler500 = "accounts.errors.server_error"


def get(path: str, **cookies: str) -> HttpRequest:
    request = RequestFactory().get(path)
    request.COOKIES.update(cookies)
    return request


@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
def test_a_fault_is_told_without_the_database_in_the_browsers_theme(theme: str) -> None:
    """No `db` fixture: a query would fail the test."""
    page = server_error(get("/models", theme=theme)).content.decode()
    assert f'data-theme="{theme}"' in page
    assert "Something broke on our side" in page
    assert 'role="search"' in page


def test_a_made_up_theme_is_none() -> None:
    assert b"data-theme" not in server_error(get("/models", theme='"><script>')).content


@override_settings(ROOT_URLCONF="tests.accounts.test_errors")
def test_a_broken_view_names_its_request_and_keeps_the_policy(client: Client, db: None) -> None:
    client.raise_request_exception = False
    answer = client.get("/breaks")
    assert answer.status_code == 500
    assert answer["X-Request-Id"] in answer.content.decode()
    assert answer["Content-Security-Policy"] == PAGE_POLICY
    told = client.get("/api/breaks")
    assert (told.status_code, told.json()) == (500, {"error": "Internal server error"})


@override_settings(ROOT_URLCONF="tests.accounts.test_errors")
def test_too_much_at_once(client: Client, db: None) -> None:
    answer = client.get("/too-big")
    assert answer.status_code == 413
    assert "too much at once" in answer.content.decode()


def test_what_cannot_be_read() -> None:
    page = bad_request(get("/models"), SuspiciousOperation("odd"))
    assert page.status_code == 400
    assert "reload the page" in page.content.decode()
    assert "smaller parts" in bad_request(get("/models"), TooManyFieldsSent()).content.decode()
    assert bad_request(get("/api/models"), SuspiciousOperation("odd"))["Content-Type"] == "application/json"


def test_a_missing_page_offers_its_words_to_the_search(client: Client, db: None) -> None:
    answer = client.get("/nobody/mobile-net_v2")
    page = answer.content.decode()
    assert answer.status_code == 404
    assert 'value="mobile net_v2"' in page
    assert "/login?next=%2Fnobody%2Fmobile-net_v2" in page
    assert answer["Content-Security-Policy"] == PAGE_POLICY


def test_a_signed_in_person_is_not_asked_to_sign_in(client: Client, alice: User) -> None:
    client.force_login(alice)
    page = client.get("/nobody/at-all").content.decode()
    assert "not shared with you" in page
    assert "/login?next" not in page


@pytest.fixture
def strict(db: None) -> Client:
    return Client(enforce_csrf_checks=True)


def test_a_form_from_before_signing_in_elsewhere_loses_nothing(strict: Client, alice: User) -> None:
    """Signing in in another tab makes a new secret; the old page's form does not know it."""
    page = strict.get("/login").content.decode()
    (old,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[:1])
    strict.force_login(alice)
    strict.cookies["csrftoken"] = "a" * 32
    sent = {"csrfmiddlewaretoken": old, "comment": TEXT, "password": "hunter2" * 9, "title": "short"}
    answer = strict.post("/settings/profile", sent, headers={"Referer": "http://testserver/settings/profile"})
    told = answer.content.decode()
    assert answer.status_code == 403
    assert "This form has expired" in told
    assert "A long comment that somebody wrote with care, and &lt;b&gt;not&lt;/b&gt; in vain." in told
    assert "hunter2" not in told
    assert 'href="http://testserver/settings/profile"' in told
    assert answer["Content-Security-Policy"] == PAGE_POLICY


def test_a_browser_without_cookies_is_told_so(strict: Client) -> None:
    assert "sent no cookie" in strict.post("/login", {"username": "alice"}).content.decode()


def test_a_foreign_form_is_not_repeated_in_our_name(strict: Client) -> None:
    answer = strict.post("/login", {"comment": TEXT}, headers={"Origin": "https://evil.example"})
    told = answer.content.decode()
    assert answer.status_code == 403
    assert "HUB_PUBLIC_URL" in told
    assert "wrote with care" not in told


def test_a_foreign_page_is_no_way_back() -> None:
    request = RequestFactory().post("/login", {}, headers={"Referer": "https://evil.example/x"})
    assert "evil.example" not in csrf_failure(request, "CSRF token missing.").content.decode()
