"""Organizations and the password, as a browser meets them."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts import throttle
from accounts.models import Membership, Organization, User
from accounts.people import make_organization, put_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def team(alice: User, bob: User) -> Organization:
    """alice is its admin, bob writes."""
    made = make_organization(name="team")
    put_member(made, alice, "admin")
    put_member(made, bob, "write")
    return made


def roles(team: Organization) -> dict[str, str]:
    return dict(team.memberships.values_list("user__username", "role"))


class TestOrganizations:
    def test_anybody_signed_in_makes_one(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        assert client.get("/settings/organizations").status_code == 200
        data = {"name": "Gang", "fullname": "The gang", "private_by_default": "on"}
        assert client.post("/settings/organizations", data)["Location"] == "/settings/organizations/Gang"
        made = Organization.objects.get(namespace__name="Gang")
        assert (made.private_by_default, roles(made)) == (True, {"alice": "admin"})

    @pytest.mark.parametrize(("name", "word"), [("alice", "taken"), ("api", "reserved"), ("a b", "ASCII")])
    def test_a_bad_name_is_said_beside_it(self, client: Client, alice: User, name: str, word: str) -> None:
        client.force_login(alice)
        page = client.post("/settings/organizations", {"name": name})
        assert word in " ".join(page.context["form"].errors["name"])
        assert not Organization.objects.exists()

    def test_its_admin_manages_it(self, client: Client, team: Organization, alice: User, carol: User) -> None:
        client.force_login(alice)
        page = "/settings/organizations/team"
        assert client.get(page).status_code == 200
        client.post(page, {"add": "1", "username": "CAROL", "role": "read"})
        client.post(page, {"add": "1", "username": "bob", "role": "admin"})
        assert roles(team) == {"alice": "admin", "bob": "admin", "carol": "read"}
        client.post(f"{page}/members/carol/remove")
        assert "carol" not in roles(team)
        client.post(
            page,
            {"fullname": "The team", "website": "example.org", "details": "", "private_by_default": "on"},
        )
        team.refresh_from_db()
        assert (team.fullname, team.website, team.private_by_default) == (
            "The team",
            "https://example.org",
            True,
        )

    def test_to_others_it_looks_missing(
        self, client: Client, team: Organization, bob: User, carol: User
    ) -> None:
        for person in (bob, carol):
            client.force_login(person)
            assert client.get("/settings/organizations/team").status_code == 404
            post = {"add": "1", "username": person.username, "role": "admin"}
            assert client.post("/settings/organizations/team", post).status_code == 404
        assert client.post("/settings/organizations/team/members/alice/remove").status_code == 404
        assert roles(team) == {"alice": "admin", "bob": "write"}

    def test_a_member_cannot_remove_another(self, client: Client, team: Organization, bob: User) -> None:
        client.force_login(bob)
        assert client.post("/settings/organizations/team/members/alice/remove").status_code == 403
        assert "alice" in roles(team)

    def test_a_member_leaves(self, client: Client, team: Organization, bob: User) -> None:
        client.force_login(bob)
        response = client.post("/settings/organizations/team/members/bob/remove")
        assert response["Location"] == "/settings/organizations"
        assert not Membership.objects.filter(user=bob).exists()

    def test_the_last_admin_stays_and_is_told(self, client: Client, team: Organization, alice: User) -> None:
        client.force_login(alice)
        page = client.post("/settings/organizations/team/members/alice/remove", follow=True)
        assert "keeps at least one admin" in page.text
        page = client.post("/settings/organizations/team", {"add": "1", "username": "alice", "role": "read"})
        assert "keeps at least one admin" in " ".join(page.context["member_form"].errors["role"])
        assert roles(team)["alice"] == "admin"

    def test_an_unknown_member_is_said(self, client: Client, team: Organization, alice: User) -> None:
        client.force_login(alice)
        page = client.post("/settings/organizations/team", {"add": "1", "username": "nobody", "role": "read"})
        assert "Nobody here is called nobody" in " ".join(page.context["member_form"].errors["username"])

    def test_strangers_sign_in_first(self, client: Client, team: Organization) -> None:
        assert client.get("/settings/organizations")["Location"].startswith("/login")
        assert client.get("/settings/organizations/team")["Location"].startswith("/login")


class TestPassword:
    def test_it_changes_and_other_browsers_are_signed_out(self, client: Client, alice: User) -> None:
        other = Client()
        client.force_login(alice)
        other.force_login(alice)
        assert client.get("/settings/password").status_code == 200
        data = {"old": "alice-secret-9", "new": "correct-horse-10"}
        assert client.post("/settings/password", data)["Location"] == "/settings/profile"
        assert client.get("/settings/profile").status_code == 200
        assert other.get("/settings/profile").status_code == 302
        alice.refresh_from_db()
        assert alice.check_password("correct-horse-10")

    @pytest.mark.parametrize(
        ("old", "new", "field"), [("wrong", "correct-horse-10", "old"), ("alice-secret-9", "short", "new")]
    )
    def test_what_is_wrong_is_said(self, client: Client, alice: User, old: str, new: str, field: str) -> None:
        client.force_login(alice)
        page = client.post("/settings/password", {"old": old, "new": new})
        assert list(page.context["form"].errors) == [field]
        alice.refresh_from_db()
        assert alice.check_password("alice-secret-9")

    def test_a_borrowed_session_cannot_guess_it(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        for _ in range(throttle.ONE_GUESSER.most):
            client.post("/settings/password", {"old": "wrong", "new": "correct-horse-10"})
        right = {"old": "alice-secret-9", "new": "correct-horse-10"}
        assert client.post("/settings/password", right).status_code == 429
