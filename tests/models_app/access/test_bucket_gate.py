"""The gate of buckets, and the agreement of lists with it."""

from __future__ import annotations

import pytest

from accounts.actor import ANONYMOUS, Actor, Level
from accounts.models import User
from models_app.access import Forbidden, LoginRequired, Refusal, RepoNotFound
from models_app.actions.buckets import create_bucket
from models_app.buckets import access_bucket, visible_buckets
from models_app.models import Bucket
from tests.models_app.people import by_token, organization, session


@pytest.fixture
def buckets(alice: User, bob: User, carol: User) -> list[Bucket]:
    organization("team", admin=alice, write=bob)
    return [
        create_bucket(session(alice), namespace=namespace, name=name, private=private)
        for namespace in ("alice", "team")
        for name, private in (("open", False), ("shut", True), ("other", True))
    ]


@pytest.fixture
def actors(alice: User, bob: User, carol: User) -> dict[str, Actor]:
    people = {"alice": alice, "bob": bob, "carol": carol}
    made = {"anonymous": ANONYMOUS}
    for name, user in people.items():
        made[name] = session(user)
        made[f"{name} by read token"] = by_token(user, "read")
        made[f"{name} by write token"] = by_token(user, "write")
        listed = {"bucket:alice/shut": "read", "bucket:team/shut": "write", "model:alice/other": "write"}
        made[f"{name} by listed token"] = by_token(user, "fineGrained", repos=listed)
        made[f"{name} by namespace token"] = by_token(user, "fineGrained", namespaces={"team": "write"})
    return made


def passes(actor: Actor, bucket: Bucket, need: Level = Level.READ) -> bool:
    try:
        return access_bucket(actor, bucket.bucket_id, need) == bucket
    except Refusal:
        return False


def test_lists_show_exactly_what_the_gate_lets_in(buckets: list[Bucket], actors: dict[str, Actor]) -> None:
    for name, actor in actors.items():
        listed = set(visible_buckets(actor))
        assert listed == {bucket for bucket in buckets if passes(actor, bucket)}, name


def test_what_tokens_and_roles_allow(buckets: list[Bucket], actors: dict[str, Actor]) -> None:
    def writable(name: str, need: Level = Level.WRITE) -> list[str]:
        return [bucket.bucket_id for bucket in buckets if passes(actors[name], bucket, need)]

    team = ["team/open", "team/shut", "team/other"]
    assert writable("alice", Level.ADMIN) == [bucket.bucket_id for bucket in buckets]
    assert writable("bob") == writable("bob by write token") == team
    assert writable("bob", Level.ADMIN) == []
    assert writable("alice by listed token") == ["team/shut"]
    assert writable("bob by namespace token") == team
    assert writable("alice by read token") == writable("carol") == writable("anonymous") == []


def test_refusals_say_no_more_than_they_may(buckets: list[Bucket], actors: dict[str, Actor]) -> None:
    words = set()
    for bucket_id in ("alice/shut", "alice/nothing", "nobody/nothing", "alice/\0", "alice", ""):
        with pytest.raises(RepoNotFound) as refusal:
            access_bucket(actors["carol"], bucket_id)
        words.add(refusal.value.message)
    assert len(words) == 1
    with pytest.raises(Forbidden, match="write access to bucket alice/open"):
        access_bucket(actors["carol"], "alice/open", Level.WRITE)
    with pytest.raises(LoginRequired):
        access_bucket(ANONYMOUS, "alice/open", Level.WRITE)
    assert access_bucket(actors["carol"], "ALICE/Open").bucket_id == "alice/open"
