"""What a credential may do at most."""

from __future__ import annotations

from accounts.actor import ANONYMOUS, Actor, Level
from accounts.models import Namespace, User
from accounts.people import make_organization, put_member
from accounts.tokens import mint_token


def test_anonymous_belongs_nowhere(alice: User) -> None:
    assert ANONYMOUS.is_anonymous
    assert ANONYMOUS.namespace_levels == {}


def test_people_rule_their_own_namespace_and_have_a_role_in_organizations(alice: User, bob: User) -> None:
    team = make_organization(name="team")
    put_member(team, bob, "write")
    own, shared = Namespace.objects.get(user=bob), Namespace.objects.get(organization=team)
    assert Actor(bob).namespace_levels == {own.pk: Level.ADMIN, shared.pk: Level.WRITE}
    for role, level in (("read", Level.READ), ("contributor", Level.READ), ("admin", Level.ADMIN)):
        put_member(team, bob, role)
        assert Actor(bob).namespace_levels[shared.pk] == level


def test_membership_is_read_once_for_a_request(alice: User, django_assert_num_queries: object) -> None:
    actor = Actor(alice)
    with django_assert_num_queries(2):  # type: ignore[operator]
        _ = actor.namespace_levels
        _ = actor.namespace_levels


def test_a_token_lowers_what_its_user_may(alice: User) -> None:
    own = Namespace.objects.get(user=alice)
    ceilings = {
        role: Actor(alice, mint_token(alice, name="t", role=role)[0]).repo_ceiling("model", "alice/net", own)
        for role in ("read", "write", "fineGrained")
    }
    assert ceilings == {"read": Level.READ, "write": Level.ADMIN, "fineGrained": Level.NONE}
    assert Actor(alice).repo_ceiling("model", "alice/net", own) == Level.ADMIN


def test_a_fine_grained_token_reaches_what_it_lists(alice: User) -> None:
    own = Namespace.objects.get(user=alice)
    scopes = {"repos": {"model:alice/net": "write", "dataset:alice/data": "read"}}
    actor = Actor(alice, mint_token(alice, name="t", role="fineGrained", scopes=scopes)[0])
    assert actor.is_scoped
    assert actor.repo_ceiling("model", "alice/net", own) == Level.WRITE
    assert actor.repo_ceiling("dataset", "alice/data", own) == Level.READ
    assert actor.repo_ceiling("dataset", "alice/net", own) == Level.NONE
    assert actor.repo_ceiling("model", "alice/other", own) == Level.NONE
    wide = mint_token(alice, name="t", role="fineGrained", scopes={"namespaces": {"alice": "write"}})[0]
    assert Actor(alice, wide).repo_ceiling("model", "alice/other", own) == Level.WRITE
