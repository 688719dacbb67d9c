"""The one gate: a grid of actors × repos, and the agreement of lists with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from accounts.actor import ANONYMOUS, Actor, Level
from accounts.models import User
from models_app.access import (
    Forbidden,
    LoginRequired,
    NotThere,
    Refusal,
    RepoDisabled,
    RepoGated,
    RepoNotFound,
    access_namespace,
    access_repo,
    effective_level,
)
from models_app.collections import access_collection
from models_app.models import AccessRequest, AccessStatus, Collection, Repo
from tests.models_app.people import by_token, organization, repo_of, session

Actors = dict[str, Callable[[], Actor]]


@pytest.fixture
def repos(alice: User, bob: User, carol: User) -> dict[str, Repo]:
    """One repo of every kind that the gate tells apart."""
    organization("team", admin=alice, write=bob)
    organization("lab", read=bob, contributor=carol)
    made = {
        "alice public": repo_of(alice, "open"),
        "alice private": repo_of(alice, "shut", private=True),
        "alice dataset": repo_of(alice, "shut", repo_type="dataset", private=True),
        "alice gated": repo_of(alice, "gate", gated="manual"),
        "alice disabled": repo_of(alice, "off", disabled_at=timezone.now()),
        "team public": repo_of(alice, "open", namespace="team"),
        "team private": repo_of(alice, "shut", namespace="team", private=True),
        "carol private": repo_of(carol, "shut", private=True),
    }
    lab = repo_of(alice, "tmp", private=True)
    lab.namespace = organization("lab2", read=bob)
    lab.save()
    return {**made, "lab private": lab}


@pytest.fixture
def actors(alice: User, bob: User, carol: User, mod: User) -> Actors:
    """Everybody who may come, by every kind of credential."""
    people = {"alice": alice, "bob": bob, "carol": carol, "mod": mod}
    made: Actors = {"anonymous": lambda: ANONYMOUS}
    for name, user in people.items():
        made[f"{name} session"] = lambda user=user: session(user)
        for role in ("read", "write"):
            made[f"{name} {role}"] = lambda user=user, role=role: by_token(user, role)
        made[f"{name} bare"] = lambda user=user: by_token(user, "fineGrained")
        made[f"{name} repo"] = lambda user=user: by_token(
            user, "fineGrained", repos={"model:alice/shut": "read", "model:team/shut": "write"}
        )
        made[f"{name} space"] = lambda user=user: by_token(
            user, "fineGrained", namespaces={"team": "write", "alice": "read"}
        )
    return made


def outcome(actor: Actor, repo: Repo, need: Level = Level.READ, *, content: bool = True) -> str:
    try:
        access_repo(actor, repo.repo_type, repo.repo_id, need, content=content)
    except Refusal as refusal:
        return type(refusal).__name__
    return "ok"


def test_lists_and_the_gate_agree_for_everybody(actors: Actors, repos: dict[str, Repo]) -> None:
    """The whole grid: listed exactly when the gate lets the actor know of the repo."""
    disagreements = []
    for who, make in actors.items():
        actor = make()
        listed = set(Repo.objects.visible_to(actor).values_list("pk", flat=True))
        for what, repo in repos.items():
            known = outcome(make(), repo, content=False) == "ok"
            if known != (repo.pk in listed):
                disagreements.append((who, what, known))
    assert len(actors) == 25
    assert disagreements == []


@pytest.mark.parametrize(
    ("who", "what", "need", "expected"),
    [
        ("anonymous", "alice public", Level.READ, "ok"),
        ("anonymous", "alice public", Level.WRITE, "LoginRequired"),
        ("anonymous", "alice private", Level.READ, "RepoNotFound"),
        ("anonymous", "alice gated", Level.READ, "RepoGated"),
        ("anonymous", "alice disabled", Level.READ, "RepoDisabled"),
        ("carol write", "alice private", Level.READ, "RepoNotFound"),
        ("carol write", "alice public", Level.WRITE, "Forbidden"),
        ("carol write", "alice gated", Level.READ, "RepoGated"),
        ("alice write", "alice private", Level.ADMIN, "ok"),
        ("alice write", "alice gated", Level.READ, "ok"),
        ("alice write", "alice disabled", Level.READ, "RepoDisabled"),
        ("mod session", "alice disabled", Level.READ, "ok"),
        ("mod write", "alice disabled", Level.READ, "RepoDisabled"),
        ("mod session", "alice private", Level.READ, "RepoNotFound"),
        ("alice read", "alice private", Level.READ, "ok"),
        ("alice read", "alice private", Level.WRITE, "Forbidden"),
        ("bob write", "team private", Level.WRITE, "ok"),
        ("bob write", "team private", Level.ADMIN, "Forbidden"),
        ("bob session", "lab private", Level.READ, "ok"),
        ("bob session", "lab private", Level.WRITE, "Forbidden"),
        ("alice bare", "alice private", Level.READ, "RepoNotFound"),
        ("alice bare", "alice public", Level.READ, "ok"),
        ("alice bare", "alice gated", Level.READ, "RepoGated"),
        ("alice repo", "alice private", Level.READ, "ok"),
        ("alice repo", "alice private", Level.WRITE, "Forbidden"),
        ("alice repo", "alice dataset", Level.READ, "RepoNotFound"),
        ("alice repo", "team private", Level.WRITE, "ok"),
        ("alice repo", "team private", Level.ADMIN, "Forbidden"),
        ("carol repo", "team private", Level.READ, "RepoNotFound"),
        ("alice space", "team private", Level.WRITE, "ok"),
        ("alice space", "alice dataset", Level.READ, "ok"),
        ("alice space", "alice private", Level.WRITE, "Forbidden"),
        ("bob space", "alice private", Level.READ, "RepoNotFound"),
    ],
)
def test_who_may_do_what(
    actors: Actors, repos: dict[str, Repo], who: str, what: str, need: Level, expected: str
) -> None:
    assert outcome(actors[who](), repos[what], need) == expected


def test_a_missing_and_a_private_repo_are_refused_in_the_same_words(
    repos: dict[str, Repo], carol: User
) -> None:
    words = []
    for repo_id in ("alice/shut", "alice/nowhere", "nobody/nowhere", "alice", ""):
        with pytest.raises(RepoNotFound) as refusal:
            access_repo(by_token(carol), "model", repo_id)
        words.append(refusal.value.message)
    assert len(set(words)) == 1


def test_ids_are_found_in_any_case(repos: dict[str, Repo]) -> None:
    assert access_repo(ANONYMOUS, "model", "ALICE/Open") == repos["alice public"]


def test_what_is_known_of_a_gated_repo_is_known_to_all(repos: dict[str, Repo]) -> None:
    assert outcome(ANONYMOUS, repos["alice gated"], content=False) == "ok"
    with pytest.raises(RepoGated, match=r"model alice/gate is restricted\. .* Please log in\."):
        access_repo(ANONYMOUS, "model", "alice/gate")


def test_a_disabled_repo_says_the_words_the_client_knows(repos: dict[str, Repo]) -> None:
    with pytest.raises(RepoDisabled) as refusal:
        access_repo(ANONYMOUS, "model", "alice/off")
    assert refusal.value.message == "Access to this resource is disabled."


def test_an_organization_role_ends_with_the_membership(alice: User, bob: User) -> None:
    namespace = organization("team", admin=alice, write=bob)
    repo = repo_of(alice, "shut", namespace="team", private=True)
    assert effective_level(by_token(bob), repo) == Level.WRITE
    namespace.organization.memberships.filter(user=bob).delete()
    assert effective_level(by_token(bob), repo) == Level.NONE


def test_where_somebody_may_create(alice: User, bob: User, carol: User) -> None:
    organization("team", admin=alice, write=bob, read=carol)
    assert access_namespace(by_token(alice), None).name == "alice"
    assert access_namespace(by_token(bob), "TEAM").name == "team"
    for actor, name in [
        (by_token(carol), "team"),
        (by_token(carol), "alice"),
        (by_token(carol), "nobody"),
        (by_token(alice, "read"), "alice"),
        (by_token(alice, "fineGrained"), "alice"),
        (by_token(alice, "fineGrained", namespaces={"alice": "read"}), "alice"),
    ]:
        with pytest.raises(Forbidden):
            access_namespace(actor, name)
    assert access_namespace(by_token(alice, "fineGrained", namespaces={"alice": "write"}), "alice")
    with pytest.raises(LoginRequired):
        access_namespace(ANONYMOUS, None)


@pytest.mark.parametrize(
    ("who", "status", "expected"),
    [
        ("carol write", "accepted", "ok"),
        ("carol read", "accepted", "ok"),
        ("carol session", "accepted", "ok"),
        ("carol bare", "accepted", "RepoGated"),
        ("carol repo", "accepted", "RepoGated"),
        ("carol space", "accepted", "ok"),
        ("carol write", "pending", "RepoGated"),
        ("carol write", "rejected", "RepoGated"),
        ("bob write", "accepted", "RepoGated"),
        ("anonymous", "accepted", "RepoGated"),
        ("mod write", "accepted", "RepoGated"),
        ("mod session", "rejected", "ok"),
    ],
)
def test_who_was_let_in_reads_until_it_is_taken_back(
    actors: Actors, repos: dict[str, Repo], carol: User, who: str, status: str, expected: str
) -> None:
    request = AccessRequest.objects.create(repo=repos["alice gated"], user=carol, status=status)
    assert outcome(actors[who](), repos["alice gated"]) == expected
    request.delete()
    assert outcome(actors[who](), repos["alice gated"]) == ("ok" if who == "mod session" else "RepoGated")


def test_being_let_in_opens_neither_private_nor_disabled_repos(
    actors: Actors, repos: dict[str, Repo], carol: User
) -> None:
    for name in ("alice private", "alice disabled"):
        Repo.objects.filter(pk=repos[name].pk).update(gated="manual")
        AccessRequest.objects.create(repo=repos[name], user=carol, status=AccessStatus.ACCEPTED)
    assert outcome(actors["carol write"](), repos["alice private"]) == "RepoNotFound"
    assert outcome(actors["carol write"](), repos["alice disabled"]) == "RepoDisabled"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("", "not in the authorized list. Visit http://testserver/alice/gate to ask for access"),
        ("pending", "Your request to access model alice/gate is awaiting a review"),
        ("rejected", "Your request to access model alice/gate has been rejected"),
    ],
)
def test_the_gate_says_how_things_stand(
    repos: dict[str, Repo], carol: User, status: str, message: str
) -> None:
    if status:
        AccessRequest.objects.create(repo=repos["alice gated"], user=carol, status=status)
    with pytest.raises(RepoGated, match=message):
        access_repo(by_token(carol), "model", "alice/gate")


def test_lists_of_collections_and_their_gate_agree_for_everybody(
    actors: Actors, repos: dict[str, Repo]
) -> None:
    """The whole grid again, for what belongs to a namespace as a whole."""
    spaces = {repo.namespace for repo in repos.values()}
    made = [
        Collection.objects.create(namespace=space, title=f"{space} {private}", private=private)
        for space in spaces
        for private in (True, False)
    ]
    disagreements = []
    for who, make in actors.items():
        listed = set(Collection.objects.visible_to(make()).values_list("pk", flat=True))
        for collection in made:
            namespace, slug = collection.slug.split("/")
            try:
                known = access_collection(make(), namespace, slug) == collection
            except NotThere:
                known = False
            if known != (collection.pk in listed):
                disagreements.append((who, str(collection), known))
    assert len(made) >= 8
    assert disagreements == []
