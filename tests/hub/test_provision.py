"""`manage.py provision`: what operators and outside test suites start a hub with."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AccessToken, Membership, Namespace, Organization, User
from accounts.tokens import find_token, revoke_token
from runs.models import Worker
from runs.workers import find_worker

pytestmark = pytest.mark.django_db
TOKEN, OTHER = "hf_" + "a" * 34, "hf_" + "b" * 34


def provision(*words: str) -> list[str]:
    """The lines it printed."""
    out = StringIO()
    call_command("provision", *words, stdout=out)
    return out.getvalue().splitlines()


def test_it_makes_what_the_flags_say() -> None:
    said = provision(
        *(
            "--user",
            "alice",
            "--password",
            "secret-of-9",
            "--email",
            "a@example.org",
            "--token",
            TOKEN,
            "--staff",
        ),
        *("--user", "bob", "--token", OTHER, "--token-role", "read", "--fullname", "Bob B."),
        *("--org", "team", "--private-by-default", "--member", "alice:admin", "--member", "bob:write"),
    )
    alice, bob = User.objects.get(username="alice"), User.objects.get(username="bob")
    assert (alice.is_staff, alice.is_superuser, alice.email) == (True, True, "a@example.org")
    assert alice.check_password("secret-of-9")
    assert (bob.is_staff, bob.has_usable_password(), bob.fullname) == (False, False, "Bob B.")
    found = find_token(TOKEN), find_token(OTHER)
    assert [(token.user, token.role) for token in found if token] == [(alice, "write"), (bob, "read")]
    team = Organization.objects.get(namespace__name="team")
    assert team.private_by_default
    assert dict(team.memberships.values_list("user__username", "role")) == {"alice": "admin", "bob": "write"}
    assert said == [
        "user alice: made",
        "token hf_aaaa… of alice: write, made",
        "user bob: made (no password: no browser login)",
        "token hf_bbbb… of bob: read, made",
        "organization team: made",
        "member alice of team: admin, added",
        "member bob of team: write, added",
    ]


def test_repeating_it_changes_nothing() -> None:
    words = (
        *("--user", "alice", "--password", "secret-of-9", "--token", TOKEN, "--staff"),
        *("--org", "team", "--private-by-default", "--member", "alice:admin", "--worker", "gpu1"),
    )
    provision(*words)
    before = [list(model.objects.values()) for model in (User, Namespace, AccessToken, Membership, Worker)]
    assert all(line.endswith("there already") for line in provision(*words))
    after = [list(model.objects.values()) for model in (User, Namespace, AccessToken, Membership, Worker)]
    assert after == before


def test_what_differs_is_brought_to_what_the_flags_say() -> None:
    provision("--user", "alice", "--token", TOKEN, "--org", "team", "--member", "alice:read")
    said = provision(
        *(
            "--user",
            "Alice",
            "--password",
            "new-secret-9",
            "--staff",
            "--token",
            TOKEN,
            "--token-role",
            "read",
        ),
        *("--org", "TEAM", "--private-by-default", "--fullname", "The team", "--member", "ALICE:admin"),
    )
    assert said == [
        "user alice: changed staff, password",
        "token hf_aaaa… of alice: read, changed",
        "organization team: changed fullname, private by default",
        "member alice of TEAM: admin, changed",
    ]
    assert User.objects.get().check_password("new-secret-9")
    assert Membership.objects.get().role == "admin"


def test_flags_left_out_take_nothing_away() -> None:
    provision("--user", "alice", "--password", "secret-of-9", "--email", "a@example.org", "--staff")
    provision("--user", "alice")
    alice = User.objects.get()
    assert (alice.is_staff, alice.email, alice.check_password("secret-of-9")) == (True, "a@example.org", True)


def test_a_user_may_have_several_tokens() -> None:
    provision("--user", "alice", "--token", TOKEN, "--token-role", "read", "--token", OTHER)
    assert dict(AccessToken.objects.values_list("prefix", "role")) == {"hf_aaaa": "read", "hf_bbbb": "write"}


def test_no_secret_is_ever_printed() -> None:
    said = "\n".join(provision("--user", "alice", "--password", "secret-of-9", "--token", TOKEN))
    assert TOKEN not in said
    assert "secret-of-9" not in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Nothing to do: give at least one --user, --org or --worker."),
        (["--user", "api"], "The name 'api' is reserved by the hub."),
        (["--user", "a b"], "ASCII"),
        (["--org", "first"], "'first' is a user, not an organization."),
        (["--user", "new-one", "--token", TOKEN], "belongs to first"),
        (["--user", "new-one", "--token", "secret"], "A token is 'hf_'"),
        (["--org", "new-org", "--member", "nobody:read"], "No user 'nobody': put --user nobody before"),
        (["--org", "new-org", "--member", "first:owner"], "A role is one of"),
        (["--worker", "w", "--token", "hf_wrongkind"], "A worker's token is 'tyw_'"),
        (["--staff", "--user", "x1"], "--staff: belongs to no"),
        (["--user", "x1", "--member", "first:read"], "--member: belongs to no"),
        (["--org", "x1", "--token", OTHER], "--token: belongs to no"),
        (["--user", "x1", "--token-role", "read"], "comes after the --token"),
        (["--user", "x1", "--token", OTHER, "--token-role", "admin"], "invalid choice"),
    ],
)
def test_a_refusal_is_one_sentence_and_makes_nothing(words: list[str], sentence: str) -> None:
    provision("--user", "first", "--token", TOKEN)
    with pytest.raises(CommandError, match=re.escape(sentence)):
        provision(*(["--user", "before", *words] if words and words[0] != "--staff" else words))
    assert list(User.objects.values_list("username", flat=True)) == ["first"]
    assert not Organization.objects.exclude(namespace__name="forum").exists()


def test_a_revoked_token_is_not_brought_back() -> None:
    provision("--user", "alice", "--token", TOKEN)
    revoke_token(AccessToken.objects.get())
    with pytest.raises(CommandError, match="was revoked"):
        provision("--user", "alice", "--token", TOKEN)
    assert find_token(TOKEN) is None


class TestWorkers:
    def test_its_token_is_shown_once_and_works(self) -> None:
        (line,) = provision("--worker", "gpu1", "--flavor", "gpu-small", "--flavor", "gpu-large")
        text = line.partition("HUB_WORKER_TOKEN=")[2].split()[0]
        worker = find_worker(text)
        assert worker is not None
        assert (worker.name, worker.flavors) == ("gpu1", ["gpu-small", "gpu-large"])
        assert provision("--worker", "gpu1") == ["worker gpu1: there already"]

    def test_a_chosen_token_replaces_the_old_one(self) -> None:
        text = "tyw_" + "c" * 34
        (line,) = provision("--worker", "gpu1")
        assert provision("--worker", "gpu1", "--token", text) == ["worker gpu1: new token"]
        assert find_worker(line.partition("HUB_WORKER_TOKEN=")[2].split()[0]) is None
        assert find_worker(text) is not None

    def test_flavors_change_without_touching_the_token(self) -> None:
        provision("--worker", "gpu1")
        before = Worker.objects.get().token_hash
        assert provision("--worker", "gpu1", "--flavor", "gpu-small") == ["worker gpu1: changed flavors"]
        assert Worker.objects.get().token_hash == before


def test_a_worker_is_somebodys_and_takes_what_its_tier_lets_it() -> None:
    said = provision("--user", "alice", "--worker", "alice/box", "--owner", "alice", "--flavor", "gpu-small")
    assert said[1].startswith("worker alice/box: made, HUB_WORKER_TOKEN=tyw_")
    worker = Worker.objects.select_related("owner").get()
    assert (worker.owner.name, worker.tier, worker.flavors) == ("alice", "owner", ["gpu-small"])
    assert provision("--worker", "alice/box") == ["worker alice/box: there already"]
    assert provision("--worker", "alice/box", "--tier", "community") == ["worker alice/box: changed tier"]
    provision("--worker", "alice/box", "--token", "tyw_" + "a" * 34)  # a new token changes nothing else
    worker.refresh_from_db()
    assert (worker.owner.name, worker.tier, worker.flavors) == ("alice", "community", ["gpu-small"])
    assert find_worker("tyw_" + "a" * 34) == worker


def test_a_worker_of_nobody_is_the_hubs_own() -> None:
    provision("--worker", "gpu1")
    worker = Worker.objects.get()
    assert (worker.owner, worker.tier) == (None, "trusted")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--worker", "x", "--owner", "nobody"), "Nobody is called 'nobody'"),
        (("--worker", "x", "--tier", "owner"), "takes its owner's runs only, and has no --owner"),
        (("--user", "alice", "--tier", "owner"), "belongs to no --user, --org or --worker"),
        (("--worker", "x", "--fullname", "X"), "belongs to no --user, --org or --worker"),
    ],
)
def test_a_worker_that_makes_no_sense_is_not_made(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        provision(*words)
    assert not Worker.objects.exists()
