"""Signing in a device by a code: RFC 8628 as the stock client speaks it, and the person's side of it."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from accounts import device, logins, throttle
from accounts.models import AccessToken, DeviceCode, DeviceLogin, DeviceStatus, User
from accounts.tokens import find_token

pytestmark = pytest.mark.django_db
CLIENT = logins.STOCK_CLIENT
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def form(client: Client, path: str, **fields: str) -> tuple[int, dict]:
    """A form post as a device sends it, with no cookies."""
    answer = Client().post(path, urlencode(fields), content_type="application/x-www-form-urlencoded")
    return answer.status_code, answer.json()


def begin(client: Client) -> dict:
    status, started = form(client, "/oauth/device", client_id=CLIENT)
    assert status == 200
    return started


def ask(client: Client, code: str, client_id: str = CLIENT) -> tuple[int, dict]:
    return form(client, "/oauth/token", grant_type=DEVICE_GRANT, device_code=code, client_id=client_id)


def patient() -> None:
    """As if the device had waited since its last question."""
    DeviceCode.objects.update(polled_at=None)


def signed_in(client: Client, alice: User) -> dict:
    started = begin(client)
    client.force_login(alice)
    client.post("/device", {"code": started["user_code"], "answer": "approve"})
    return ask(client, started["device_code"])[1]


class TestStart:
    def test_both_codes_and_where_to_enter_one(self, client: Client) -> None:
        started = begin(client)
        assert re.fullmatch(f"[{device.ALPHABET}]{{4}}-[{device.ALPHABET}]{{4}}", started["user_code"])
        assert not set(device.ALPHABET) & set("AEIOU01258")
        assert (started["interval"], started["expires_in"]) == (5, 900)
        assert started["verification_uri"] == "http://testserver/device"
        assert started["verification_uri_complete"] == f"http://testserver/device?code={started['user_code']}"

    def test_only_hashes_are_kept(self, client: Client) -> None:
        started = begin(client)
        kept = str(DeviceCode.objects.values().get())
        assert started["device_code"] not in kept
        assert started["user_code"] not in kept
        assert started["user_code"].replace("-", "") not in kept

    @pytest.mark.parametrize("client_id", ["", "x" * 101, "a\nb"])
    def test_a_client_says_who_it_is(self, client: Client, client_id: str) -> None:
        status, answer = form(client, "/oauth/device", client_id=client_id)
        assert (status, answer["error"]) == (400, "invalid_request")
        assert not DeviceCode.objects.exists()

    def test_one_address_cannot_begin_logins_without_end(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throttle, "DEVICE_STARTS", throttle.Limit("device-start", 1, 60))
        begin(client)
        refused = Client().post("/oauth/device", {"client_id": CLIENT})
        assert refused.status_code == 429
        assert re.fullmatch(r'"device_start";r=0;t=\d+', refused["RateLimit"])
        assert refused["RateLimit-Policy"] == '"fixed window";"device_start";q=1;w=60'

    def test_what_has_expired_is_swept(self, client: Client) -> None:
        begin(client)
        DeviceCode.objects.update(expires_at=timezone.now() - timedelta(days=2))
        begin(client)
        assert DeviceCode.objects.count() == 1


class TestAsking:
    def test_pending_until_somebody_answers(self, client: Client) -> None:
        assert ask(client, begin(client)["device_code"])[1]["error"] == "authorization_pending"

    def test_who_asks_too_often_is_slowed_down(self, client: Client) -> None:
        code = begin(client)["device_code"]
        answers = [ask(client, code) for _ in range(3)]
        assert [answer["error"] for _, answer in answers] == [
            "authorization_pending",
            "slow_down",
            "slow_down",
        ]
        assert {status for status, _ in answers} == {400}
        assert DeviceCode.objects.get().interval == 15

    def test_an_approved_login_gives_a_token_that_works_once(self, client: Client, alice: User) -> None:
        started = begin(client)
        client.force_login(alice)
        page = client.get(f"/device?code={started['user_code']}")
        assert "hf, the Hugging Face client" in page.text
        assert started["user_code"] in page.text
        assert DeviceCode.objects.get().status == DeviceStatus.PENDING  # looking answers nothing
        done = client.post("/device", {"code": started["user_code"].lower(), "answer": "approve"})
        assert "is signed in as alice" in done.text
        status, grant = ask(client, started["device_code"])
        assert status == 200
        assert grant["token_type"] == "bearer"
        assert grant["expires_in"] == 30 * 86400
        token = find_token(grant["access_token"])
        assert token is not None
        assert (token.user, token.role, token.name) == (alice, "write", "oauth-alice")
        again = ask(client, started["device_code"])
        assert (again[0], again[1]["error"]) == (400, "invalid_grant")
        assert AccessToken.objects.count() == 1

    def test_no_cache_may_keep_it(self, client: Client) -> None:
        assert Client().post("/oauth/device", {"client_id": CLIENT}).status_code == 400  # multipart
        answer = Client().post(
            "/oauth/device", f"client_id={CLIENT}", content_type="application/x-www-form-urlencoded"
        )
        assert answer["Cache-Control"] == "no-store"

    def test_a_denied_login_says_so(self, client: Client, alice: User) -> None:
        started = begin(client)
        client.force_login(alice)
        assert (
            "was not let in" in client.post("/device", {"code": started["user_code"], "answer": "deny"}).text
        )
        assert ask(client, started["device_code"])[1]["error"] == "access_denied"
        assert not AccessToken.objects.exists()

    def test_time_runs_out(self, client: Client) -> None:
        started = begin(client)
        DeviceCode.objects.update(expires_at=timezone.now())
        assert ask(client, started["device_code"])[1]["error"] == "expired_token"

    @pytest.mark.parametrize(("code", "client_id"), [("nonsense", CLIENT), (None, "somebody-else")])
    def test_codes_of_others_are_no_codes(self, client: Client, code: str | None, client_id: str) -> None:
        started = begin(client)
        assert ask(client, code or started["device_code"], client_id)[1]["error"] == "invalid_grant"

    def test_who_was_suspended_meanwhile_gets_nothing(self, client: Client, alice: User) -> None:
        started = begin(client)
        client.force_login(alice)
        client.post("/device", {"code": started["user_code"], "answer": "approve"})
        User.objects.update(is_suspended=True)
        assert ask(client, started["device_code"])[1]["error"] == "access_denied"
        assert not AccessToken.objects.exists()

    def test_too_many_questions_are_slowed_down_in_the_clients_words(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throttle, "DEVICE_POLLS", throttle.Limit("device-token", 1, 60))
        code = begin(client)["device_code"]
        assert ask(client, code)[0] == 400
        assert ask(client, code) == (
            429,
            {"error": "slow_down", "error_description": "Too many questions from here."},
        )

    @pytest.mark.parametrize("kind", ["authorization_code", "password", ""])
    def test_other_grants_are_refused_in_words(self, client: Client, kind: str) -> None:
        status, answer = form(client, "/oauth/token", grant_type=kind)
        assert (status, answer["error"]) == (400, "unsupported_grant_type")
        assert "device_code" in answer["error_description"]

    def test_the_exchange_of_ci_tokens_is_refused_in_words(self) -> None:
        body = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "x"}
        answer = Client().post("/oauth/token", body, content_type="application/json")
        assert answer.status_code == 400
        assert "set HF_TOKEN" in answer.json()["error_description"]
        assert "set HF_TOKEN" in answer["X-Error-Message"]

    @pytest.mark.parametrize(("body", "kind"), [("{", "application/json"), ("[]", "application/json"),
                                                ("a=b&" * 60, "application/x-www-form-urlencoded"),
                                                ("x" * 40_000, "text/plain")])  # fmt: skip
    def test_nonsense_is_told_from_faults(self, body: str, kind: str) -> None:
        assert 400 <= Client().post("/oauth/token", body, content_type=kind).status_code < 500


class TestThePage:
    def test_it_wants_a_login_and_comes_back_with_the_code(self, client: Client) -> None:
        assert client.get("/device?code=ABCD-EFGH")["Location"] == "/login?next=/device%3Fcode%3DABCD-EFGH"

    def test_an_answer_needs_the_pages_own_token(self, alice: User) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(alice)
        started = begin(strict)
        refused = strict.post("/device", {"code": started["user_code"], "answer": "approve"})
        assert refused.status_code == 403
        assert DeviceCode.objects.get().status == DeviceStatus.PENDING

    def test_a_token_cannot_answer(self, client: Client, alice: User) -> None:
        grant = signed_in(client, alice)
        started = begin(client)
        answer = Client().post(
            "/device",
            {"code": started["user_code"], "answer": "approve"},
            headers={"authorization": f"Bearer {grant['access_token']}"},
        )
        assert answer.status_code == 302
        assert DeviceCode.objects.filter(status=DeviceStatus.PENDING).count() == 1

    def test_guessing_codes_is_slowed_down(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        started = begin(client)
        for _ in range(throttle.DEVICE_GUESSES.most):
            assert client.post("/device", {"code": "BCDF-GHJK"}).status_code == 404
        refused = client.post("/device", {"code": started["user_code"], "answer": "approve"})
        assert refused.status_code == 429
        assert "RateLimit" in refused
        assert DeviceCode.objects.get().status == DeviceStatus.PENDING

    def test_an_answer_stands(self, client: Client, alice: User, bob: User) -> None:
        started = begin(client)
        client.force_login(alice)
        client.post("/device", {"code": started["user_code"], "answer": "deny"})
        other = Client()
        other.force_login(bob)
        assert other.post("/device", {"code": started["user_code"], "answer": "approve"}).status_code == 404
        assert ask(client, started["device_code"])[1]["error"] == "access_denied"

    def test_logins_have_an_end(self, client: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(device, "MAX_LOGINS", 1)
        signed_in(client, alice)
        started = begin(client)
        refused = client.post("/device", {"code": started["user_code"], "answer": "approve"})
        assert refused.status_code == 422
        assert "sign one out first" in refused.text


class TestRefresh:
    def renew(self, client: Client, grant: dict, client_id: str = CLIENT) -> tuple[int, dict]:
        return form(
            client, "/oauth/token", grant_type="refresh_token", refresh_token=grant["refresh_token"],
            client_id=client_id,
        )  # fmt: skip

    def test_it_rotates(self, client: Client, alice: User) -> None:
        first = signed_in(client, alice)
        assert find_token(first["access_token"])
        status, second = self.renew(client, first)
        assert status == 200
        assert second["access_token"] != first["access_token"]
        assert second["refresh_token"] != first["refresh_token"]
        assert find_token(second["access_token"])
        # Another process may hold the old one a while longer, not for its whole month.
        old = find_token(first["access_token"])
        assert old is not None
        assert old.expires_at is not None
        assert old.expires_at < timezone.now() + timedelta(days=1, minutes=1)
        kept = str(list(DeviceLogin.objects.values()))
        assert first["refresh_token"] not in kept
        assert second["refresh_token"] not in kept

    def test_a_used_one_that_comes_back_ends_the_login(self, client: Client, alice: User) -> None:
        first = signed_in(client, alice)
        second = self.renew(client, first)[1]
        assert find_token(second["access_token"])  # the successor is in use
        assert self.renew(client, first)[1]["error"] == "invalid_grant"
        assert find_token(second["access_token"]) is None
        assert self.renew(client, second)[1]["error"] == "invalid_grant"

    def test_an_answer_lost_on_its_way_may_be_asked_for_again(self, client: Client, alice: User) -> None:
        first = signed_in(client, alice)
        lost = self.renew(client, first)[1]
        status, second = self.renew(client, first)
        assert status == 200
        assert find_token(second["access_token"])
        assert find_token(lost["access_token"]) is None
        assert self.renew(client, lost)[1]["error"] == "invalid_grant"

    def test_another_client_or_time_or_suspension_ends_it(self, client: Client, alice: User) -> None:
        first = signed_in(client, alice)
        assert self.renew(client, first, "other")[1]["error"] == "invalid_grant"
        User.objects.update(is_suspended=True)
        assert self.renew(client, first)[1]["error"] == "invalid_grant"
        User.objects.update(is_suspended=False)
        DeviceLogin.objects.update(expires_at=timezone.now())
        assert self.renew(client, first)[1]["error"] == "invalid_grant"


class TestSignedInPrograms:
    def test_they_are_listed_apart_from_tokens_and_can_be_ended(self, client: Client, alice: User) -> None:
        grant = signed_in(client, alice)
        page = client.get("/settings/tokens")
        assert "hf, the Hugging Face client" in page.text
        assert list(page.context["tokens"]) == []
        login = DeviceLogin.objects.get()
        assert client.post(f"/settings/logins/{login.pk}/end").status_code == 302
        assert find_token(grant["access_token"]) is None
        assert TestRefresh().renew(client, grant)[1]["error"] == "invalid_grant"
        assert client.get("/settings/tokens").context["logins"] == []

    def test_those_of_others_look_missing(self, client: Client, alice: User, bob: User) -> None:
        grant = signed_in(client, alice)
        client.force_login(bob)
        assert client.post(f"/settings/logins/{DeviceLogin.objects.get().pk}/end").status_code == 404
        assert find_token(grant["access_token"])


class TestWaiting:
    def test_the_login_page_says_for_how_long(self, client: Client, alice: User) -> None:
        for _ in range(throttle.ONE_GUESSER.most):
            client.post("/login", {"username": "alice", "password": "wrong"})
        refused = client.post("/login", {"username": "alice", "password": "wrong"})
        assert refused.status_code == 429
        assert re.fullmatch(r'"login_pair";r=0;t=\d+', refused["RateLimit"])
        assert 0 < int(refused["Retry-After"]) <= 15 * 60
        assert "RateLimit" not in client.get("/login")

    def test_so_does_the_door_for_new_people(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throttle, "SIGN_UPS", throttle.Limit("sign-up", 0, 60))
        refused = client.post("/join", {"username": "dora", "password": "correct-horse-9"})
        assert refused.status_code == 429
        assert refused["RateLimit-Policy"] == '"fixed window";"sign_up";q=0;w=60'
