"""The verbs on accounts, with their refusals."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.test import override_settings

from accounts import actions
from accounts.actor import ANONYMOUS, Actor
from accounts.models import AccessToken, Membership, Namespace, Organization, User
from accounts.people import NameTaken, make_organization, make_user, put_member
from accounts.tokens import find_token, mint_token

pytestmark = pytest.mark.django_db
SECRET = "correct-horse-9"


@pytest.fixture
def team(alice: User, bob: User) -> Organization:
    """alice is its only admin, bob writes."""
    made = actions.create_organization(Actor(alice), name="team", fullname="The team")
    put_member(made, bob, "write")
    return made


class TestSignUp:
    def test_it_makes_a_user_with_a_namespace(self) -> None:
        user = actions.sign_up(ANONYMOUS, username="dora", password=SECRET, email="dora@example.org")
        assert user.check_password(SECRET)
        assert Namespace.objects.get(name="dora").user == user
        assert not user.is_staff

    @pytest.mark.parametrize("name", ["Alice", "TEAM"])
    def test_a_name_taken_in_any_case_is_refused_and_nothing_is_made(
        self, team: Organization, name: str
    ) -> None:
        before = User.objects.count()
        with pytest.raises(NameTaken, match="is taken"):
            actions.sign_up(ANONYMOUS, username=name, password=SECRET)
        assert User.objects.count() == before

    @pytest.mark.parametrize("password", ["short", "password", "12345678", "dora-dora"])
    def test_a_weak_password_is_refused(self, password: str) -> None:
        with pytest.raises(ValidationError):
            actions.sign_up(ANONYMOUS, username="dora-dora", password=password)
        assert not User.objects.exists()

    def test_no_writer_waits_while_a_password_is_hashed(
        self, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Hashing takes long on purpose; on SQLite every transaction keeps all other writers out."""
        depth: list[int] = []
        outside = len(connection.savepoint_ids)
        encode = MD5PasswordHasher.encode

        def watched(hasher: MD5PasswordHasher, *args: object) -> str:
            depth.append(len(connection.savepoint_ids))
            return encode(hasher, *args)

        monkeypatch.setattr(MD5PasswordHasher, "encode", watched)
        user = actions.sign_up(ANONYMOUS, username="dora", password=SECRET)
        actions.change_password(Actor(user), old=SECRET, new=SECRET + "x")
        assert depth
        assert set(depth) == {outside}

    @override_settings(HUB_REGISTRATION="closed")
    def test_where_registration_is_closed_only_staff_makes_accounts(self, mod: User) -> None:
        with pytest.raises(PermissionDenied, match="closed"):
            actions.sign_up(ANONYMOUS, username="dora", password=SECRET)
        assert actions.sign_up(Actor(mod), username="dora", password=SECRET).username == "dora"


class TestOrganizations:
    def test_the_creator_is_its_admin(self, team: Organization, alice: User) -> None:
        assert Membership.objects.get(organization=team, user=alice).role == "admin"
        assert team.namespace.name == "team"

    def test_anonymous_and_tokens_create_none(self, alice: User) -> None:
        token, _ = mint_token(alice, name="t", role="write")
        for actor in (ANONYMOUS, Actor(alice, token)):
            with pytest.raises(PermissionDenied):
                actions.create_organization(actor, name="gang")
        assert not Namespace.objects.filter(name="gang").exists()

    def test_an_admin_sets_roles(self, team: Organization, alice: User, bob: User, carol: User) -> None:
        actions.set_member(Actor(alice), organization=team, user=carol, role="read")
        actions.set_member(Actor(alice), organization=team, user=bob, role="admin")
        assert dict(team.memberships.values_list("user__username", "role")) == {
            "alice": "admin",
            "bob": "admin",
            "carol": "read",
        }

    def test_others_do_not(self, team: Organization, bob: User, carol: User) -> None:
        for actor in (Actor(bob), Actor(carol), ANONYMOUS):
            with pytest.raises(PermissionDenied):
                actions.set_member(actor, organization=team, user=carol, role="admin")
            with pytest.raises(PermissionDenied):
                actions.remove_member(actor, organization=team, user=User.objects.get(username="alice"))

    def test_the_last_admin_stays(self, team: Organization, alice: User) -> None:
        for change in (
            lambda: actions.set_member(Actor(alice), organization=team, user=alice, role="read"),
            lambda: actions.remove_member(Actor(alice), organization=team, user=alice),
        ):
            with pytest.raises(ValidationError, match="at least one admin"):
                change()

    def test_members_leave_by_themselves(self, team: Organization, bob: User) -> None:
        actions.remove_member(Actor(bob), organization=team, user=bob)
        assert not Membership.objects.filter(user=bob).exists()

    def test_an_unknown_role_is_refused(self, team: Organization, alice: User, bob: User) -> None:
        with pytest.raises(ValidationError, match="one of read"):
            actions.set_member(Actor(alice), organization=team, user=bob, role="owner")


class TestTokens:
    def test_a_person_makes_and_ends_tokens(self, alice: User) -> None:
        token, text = actions.create_token(Actor(alice), name="laptop", role="write")
        assert find_token(text) == token
        actions.end_token(Actor(alice), token=token)
        assert find_token(text) is None

    def test_a_token_makes_no_tokens(self, alice: User) -> None:
        token, _ = mint_token(alice, name="t", role="write")
        with pytest.raises(PermissionDenied):
            actions.create_token(Actor(alice, token), name="more", role="write")

    def test_only_its_owner_or_staff_ends_a_token(self, alice: User, bob: User, mod: User) -> None:
        token, text = mint_token(alice, name="t", role="write")
        with pytest.raises(PermissionDenied):
            actions.end_token(Actor(bob), token=token)
        assert find_token(text)
        actions.end_token(Actor(mod), token=token)
        assert not find_token(text)

    def test_a_fine_grained_token_names_repos(self, alice: User) -> None:
        with pytest.raises(ValidationError, match="at least one repo"):
            actions.create_token(Actor(alice), name="t", role="fineGrained")

    def test_there_is_an_end_to_them(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(actions, "MAX_TOKENS", 2)
        mint_token(alice, name="of a run", role="fineGrained", scopes={"run": "x"})
        for _ in range(2):
            actions.create_token(Actor(alice), name="t", role="read")
        with pytest.raises(ValidationError, match="revoke one first"):
            actions.create_token(Actor(alice), name="t", role="read")
        actions.end_token(Actor(alice), token=AccessToken.objects.get(pk=AccessToken.objects.latest("pk").pk))
        actions.create_token(Actor(alice), name="t", role="read")


class TestModeration:
    def test_staff_suspends_and_restores(self, alice: User, mod: User) -> None:
        _, text = mint_token(alice, name="t", role="read")
        actions.suspend(Actor(mod), user=alice)
        assert find_token(text) is None
        actions.restore(Actor(mod), user=alice)
        assert find_token(text) is not None

    def test_others_do_not(self, alice: User, bob: User, mod: User) -> None:
        token, _ = mint_token(mod, name="t", role="write")
        for actor in (Actor(bob), ANONYMOUS, Actor(mod, token)):
            with pytest.raises(PermissionDenied):
                actions.suspend(actor, user=alice)
            with pytest.raises(PermissionDenied):
                actions.restore(actor, user=alice)
        with pytest.raises(ValidationError, match="yourself"):
            actions.suspend(Actor(mod), user=mod)


def test_a_changed_address_is_unverified_again(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(email_verified=True)
    alice.refresh_from_db()
    actions.change_profile(Actor(alice), fullname="Alice A.", bio="", email=alice.email)
    alice.refresh_from_db()
    assert (alice.fullname, alice.email_verified) == ("Alice A.", True)
    actions.change_profile(Actor(alice), fullname="", bio="", email="new@example.org")
    alice.refresh_from_db()
    assert (alice.email, alice.email_verified) == ("new@example.org", False)


def test_names_are_one_space_for_people_and_groups() -> None:
    make_user(name="same")
    with pytest.raises(NameTaken):
        make_organization(name="Same")
    assert not Organization.objects.exists()
