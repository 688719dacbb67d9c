"""Sign in, sign up, tokens, profile: as a browser meets them."""

from __future__ import annotations

import re

import pytest
from django.test import Client, override_settings

from accounts import throttle
from accounts.models import AccessToken, User
from accounts.tokens import find_token, mint_token

pytestmark = pytest.mark.django_db
GOOD = {"username": "alice", "password": "alice-secret-9"}
BAD = GOOD | {"password": "wrong"}


class TestLogin:
    def test_it_works(self, client: Client, alice: User) -> None:
        assert client.get("/login").status_code == 200
        response = client.post("/login", GOOD)
        assert (response.status_code, response["Location"]) == (302, "/")
        assert client.session["_auth_user_id"] == str(alice.pk)

    def test_names_are_found_in_any_case(self, client: Client, alice: User) -> None:
        assert client.post("/login", GOOD | {"username": "ALICE"}).status_code == 302

    def test_a_wrong_password_and_a_missing_name_look_the_same(self, client: Client, alice: User) -> None:
        wrong, missing = client.post("/login", BAD), client.post("/login", BAD | {"username": "nobody"})
        sentence = "No account has this name and password."
        assert sentence in wrong.text
        assert sentence in missing.text
        assert "_auth_user_id" not in client.session

    def test_the_way_back_is_kept(self, client: Client, alice: User) -> None:
        assert 'value="/settings/tokens"' in client.get("/login?next=/settings/tokens").text
        assert client.post("/login", GOOD | {"next": "/settings/tokens"})["Location"] == "/settings/tokens"

    @pytest.mark.parametrize(
        "target", ["https://evil.example.org/", "//evil.example.org", "javascript:alert(1)"]
    )
    def test_another_site_is_no_way_back(self, client: Client, alice: User, target: str) -> None:
        assert client.post("/login", GOOD | {"next": target})["Location"] == "/"

    def test_who_is_in_goes_on(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        assert client.get("/login?next=/models")["Location"] == "/models"

    def test_only_the_right_password_tells_of_a_suspension(self, client: Client, alice: User) -> None:
        User.objects.update(is_suspended=True)
        refused = client.post("/login", GOOD)
        assert refused.status_code == 403
        assert "suspended" in refused.text
        assert "suspended" not in client.post("/login", BAD).text

    def test_a_user_without_a_password_cannot_sign_in(self, client: Client) -> None:
        User.objects.create_user("robot")
        assert client.post("/login", {"username": "robot", "password": ""}).status_code == 200
        assert "_auth_user_id" not in client.session

    def test_a_page_for_people_sends_strangers_here(self, client: Client) -> None:
        assert client.get("/settings/tokens")["Location"] == "/login?next=/settings/tokens"


class TestGuessing:
    def test_the_right_password_no_longer_helps_after_too_many(self, client: Client, alice: User) -> None:
        for _ in range(throttle.ONE_GUESSER.most):
            assert client.post("/login", BAD).status_code == 200
        refused = client.post("/login", GOOD)
        assert refused.status_code == 429
        assert "wait a quarter of an hour" in refused.text
        assert "_auth_user_id" not in client.session

    def test_others_and_other_places_are_not_hindered(self, client: Client, alice: User, bob: User) -> None:
        for _ in range(throttle.ONE_GUESSER.most):
            client.post("/login", BAD)
        assert Client(REMOTE_ADDR="10.0.0.9").post("/login", GOOD).status_code == 302
        assert client.post("/login", {"username": "bob", "password": "bob-secret-9"}).status_code == 302

    def test_one_address_cannot_try_name_after_name(self, client: Client, alice: User) -> None:
        for number in range(throttle.ONE_ADDRESS.most):
            client.post("/login", BAD | {"username": f"name{number}"})
        assert client.post("/login", GOOD).status_code == 429

    def test_a_slip_is_forgiven_by_success(self, client: Client, alice: User) -> None:
        for _ in range(3):
            for _ in range(throttle.ONE_GUESSER.most - 1):
                client.post("/login", BAD)
            assert Client().post("/login", GOOD).status_code == 302

    def test_the_admin_door_counts_too(self, client: Client, mod: User) -> None:
        for _ in range(throttle.ONE_GUESSER.most):
            client.post("/admin/login/", {"username": "mod", "password": "wrong"})
        client.post("/admin/login/", {"username": "mod", "password": "mod-secret-9"})
        assert "_auth_user_id" not in client.session

    def test_a_forwarded_address_is_believed_only_from_our_proxies(self, client: Client, alice: User) -> None:
        for number in range(throttle.ONE_GUESSER.most):
            client.post("/login", BAD, headers={"x-forwarded-for": f"10.1.1.{number}"})
        assert client.post("/login", GOOD, headers={"x-forwarded-for": "10.9.9.9"}).status_code == 429
        with override_settings(HUB_PROXIES=1):
            forwarded = {"x-forwarded-for": "6.6.6.6, 10.9.9.9"}
            assert client.post("/login", GOOD, headers=forwarded).status_code == 302


class TestSignUp:
    def test_it_makes_the_account_and_signs_in(self, client: Client) -> None:
        data = {"username": "dora", "password": "correct-horse-9", "email": "", "next": "/models"}
        assert client.post("/join", data)["Location"] == "/models"
        assert client.session["_auth_user_id"] == str(User.objects.get(username="dora").pk)

    @pytest.mark.parametrize(
        ("field", "value", "word"),
        [
            ("username", "api", "reserved"),
            ("username", "Alice", "is taken"),
            ("username", "a b", "ASCII"),
            ("password", "short", "too short"),
            ("email", "nowhere", "valid email"),
        ],
    )
    def test_what_is_wrong_stands_beside_its_field(
        self, client: Client, alice: User, field: str, value: str, word: str
    ) -> None:
        data = {"username": "dora", "password": "correct-horse-9", "email": ""} | {field: value}
        response = client.post("/join", data)
        assert response.status_code == 200
        assert word in " ".join(response.context["form"].errors[field])
        assert User.objects.count() == 1

    @override_settings(HUB_REGISTRATION="closed")
    def test_where_it_is_closed_it_says_so(self, client: Client) -> None:
        assert client.get("/join").status_code == 403
        assert "closed" in client.get("/join").text
        assert client.post("/join", {"username": "dora", "password": "correct-horse-9"}).status_code == 403
        assert not User.objects.exists()

    def test_one_address_cannot_make_accounts_without_end(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throttle, "SIGN_UPS", throttle.Limit("sign-up", 1, 60))
        for name in ("dora", "emil"):
            Client().post("/join", {"username": name, "password": "correct-horse-9"})
        assert list(User.objects.values_list("username", flat=True)) == ["dora"]


class TestTokens:
    @pytest.fixture(autouse=True)
    def signed_in(self, client: Client, alice: User) -> None:
        client.force_login(alice)

    def test_the_secret_is_shown_once(self, client: Client, alice: User) -> None:
        page = client.post("/settings/tokens", {"name": "laptop", "role": "write", "expires": "90"})
        (text,) = set(re.findall(r"hf_[A-Za-z]{34}", page.text))
        token = find_token(text)
        assert token is not None
        assert (token.user, token.role, token.name) == (alice, "write", "laptop")
        assert token.expires_at is not None
        assert "no-store" in page["Cache-Control"]
        later = client.get("/settings/tokens").text
        assert text not in later
        assert "laptop" in later

    def test_a_fine_grained_token_lists_repos(self, client: Client) -> None:
        repos = "alice/net write\n\ndatasets/alice/data\n"
        client.post("/settings/tokens", {"name": "ci", "role": "fineGrained", "repos": repos, "expires": "0"})
        listed = {"model:alice/net": "write", "dataset:alice/data": "read"}
        assert AccessToken.objects.get().scopes == {"repos": listed}

    @pytest.mark.parametrize(
        ("data", "field", "word"),
        [
            ({"role": "fineGrained", "repos": ""}, "repos", "at least one"),
            ({"role": "fineGrained", "repos": "not a repo at all"}, "repos", "Cannot read"),
            ({"role": "fineGrained", "repos": "spaces/a/b"}, "repos", "Cannot read"),
            (
                {"role": "fineGrained", "repos": "\n".join(f"a/{n}" for n in range(51))},
                "repos",
                "at most 50",
            ),
            ({"role": "admin"}, "role", "not one of"),
            ({"role": "read", "expires": "7"}, "expires", "not one of"),
            ({"role": "read", "name": ""}, "name", "required"),
        ],
    )
    def test_what_is_wrong_is_said(self, client: Client, data: dict[str, str], field: str, word: str) -> None:
        page = client.post("/settings/tokens", {"name": "ci", "expires": "0"} | data)
        assert word in " ".join(page.context["form"].errors[field])
        assert page.context["fresh"] is None
        assert not AccessToken.objects.exists()

    def test_revoking_ends_it(self, client: Client, alice: User) -> None:
        token, text = mint_token(alice, name="old", role="read")
        assert client.get(f"/settings/tokens/{token.pk}/revoke").status_code == 405
        assert client.post(f"/settings/tokens/{token.pk}/revoke").status_code == 302
        assert find_token(text) is None

    def test_anothers_token_looks_missing(self, client: Client, bob: User) -> None:
        token, text = mint_token(bob, name="his", role="read")
        assert client.post(f"/settings/tokens/{token.pk}/revoke").status_code == 404
        assert find_token(text) is not None
        assert "his" not in [row.name for row in client.get("/settings/tokens").context["tokens"]]

    def test_tokens_of_runs_are_not_listed(self, client: Client, alice: User) -> None:
        mint_token(alice, name="run", role="fineGrained", scopes={"run": "00"})
        assert list(client.get("/settings/tokens").context["tokens"]) == []

    def test_a_token_cannot_open_the_page(self, alice: User) -> None:
        _, text = mint_token(alice, name="t", role="write")
        response = Client().get("/settings/tokens", headers={"authorization": f"Bearer {text}"})
        assert response["Location"].startswith("/login")


class TestTheRest:
    def test_signing_out_takes_a_post(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        assert client.get("/logout").status_code == 405
        assert client.post("/logout")["Location"] == "/"
        assert "_auth_user_id" not in client.session

    def test_the_profile_is_saved(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        assert client.get("/settings/profile").status_code == 200
        data = {"fullname": "Alice A.", "bio": "trains things", "email": "alice@example.org"}
        assert client.post("/settings/profile", data).status_code == 302
        alice.refresh_from_db()
        assert (alice.fullname, alice.bio) == ("Alice A.", "trains things")
        assert client.post("/settings/profile", data | {"email": "nowhere"}).status_code == 200

    def test_a_profile_form_cannot_raise_its_owner(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        client.post(
            "/settings/profile",
            {"fullname": "", "bio": "", "email": "", "is_staff": "on", "username": "root"},
        )
        alice.refresh_from_db()
        assert (alice.is_staff, alice.username) == (False, "alice")
