"""Names that look like one that is here, and text with signs that nobody sees."""

from __future__ import annotations

import importlib

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.test import Client

from accounts import actions
from accounts.actor import Actor
from accounts.lookalikes import has_unseen, plain_text, skeleton
from accounts.models import Namespace, Organization, User
from accounts.people import check_new_name, make_organization, make_user

FORM = {"email": "", "password": "a-long-passphrase-7"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice", "ALICE"),
        ("alice", "al1ce"),
        ("alice", "a1ice"),
        ("bill", "b1ll"),
        ("google", "g00gle"),
        ("modern", "modem"),
        ("wave", "vvave"),
        ("open-lab", "open_lab"),
        ("open.lab", "openlab"),
    ],
)
def test_what_looks_alike_has_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"), [("alice", "alicia"), ("bob", "rob"), ("lab1", "lab2"), ("nova", "mova")]
)
def test_what_does_not_look_alike_is_told_apart(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@pytest.mark.parametrize("name", ["al1ce", "a-lice", "ALlCE", "a.l.i.c.e"])
def test_a_lookalike_of_somebody_here_is_refused_in_one_sentence(alice: User, name: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        make_user(name=name)
    assert refusal.value.messages == [f"The name {name!r} looks too much like 'alice', which is taken."]
    with pytest.raises(ValidationError):
        make_organization(name=name)
    assert not User.objects.filter(username=name).exists()
    assert not Organization.objects.exists()


@pytest.mark.parametrize("name", ["adm1n", "l0gin", "mode1s", "data_sets"])
def test_a_lookalike_of_the_hubs_own_words_is_refused(db: None, name: str) -> None:
    with pytest.raises(ValidationError):
        check_new_name(name)


@pytest.mark.parametrize("name", ["аlice", "ali‍ce", "alıce", "a😀lice", "al\u202eice", "ａlice"])
def test_letters_of_other_alphabets_and_emoji_make_no_name(alice: User, name: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        check_new_name(name)
    assert refusal.value.error_list[0].code == "grammar"


def test_who_is_here_keeps_a_name_that_looks_like_another(alice: User) -> None:
    other = User.objects.create_user("al1ce")
    Namespace.objects.create(name="al1ce", user=other)
    assert actions.change_profile(Actor(other), fullname="Al", bio="", email="").fullname == "Al"
    with pytest.raises(ValidationError):
        check_new_name("aIice")


def test_names_from_before_get_their_skeletons(alice: User, bob: User) -> None:
    Namespace.objects.update(skeleton="")
    migration = importlib.import_module("accounts.migrations.0006_skeletons")
    migration.fill(apps, None)
    assert set(Namespace.objects.values_list("name", "skeleton")) == {("alice", "allce"), ("bob", "bob")}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Ann \t Lee\n", "Ann Lee"),
        ("Al\u200bice", "Alice"),
        ("\u202eecila", "ecila"),
        ("\u2066Ann\u2069", "Ann"),
        ("A\u2800n\u3164n", "Ann"),
        ("李\u3000明", "李 明"),
        ("Ann 👩‍💻", "Ann 👩‍💻"),
        ("❤️ nets", "❤️ nets"),
        ("x‍y", "xy"),
        ("Z\u0337\u0322\u0327\u0328\u031b", "Z\u0337\u0322\u0327"),
        ("", ""),
    ],
)
def test_text_is_kept_as_everybody_sees_it(typed: str, kept: str) -> None:
    assert plain_text(typed) == kept
    assert not has_unseen(plain_text(typed))


def test_profiles_and_organizations_lose_what_nobody_sees(alice: User) -> None:
    user = actions.change_profile(Actor(alice), fullname="Ali\u202ece\u200b 😀", bio="a\u2066b", email="")
    assert (user.fullname, user.bio) == ("Alice 😀", "ab")
    group = actions.create_organization(Actor(alice), name="lab", fullname="L\u200bab")
    assert group.fullname == "Lab"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("alice", "is taken"),
        ("al1ce", "looks too much like &#x27;alice&#x27;"),
        ("a😀lice", "ASCII letters"),
        ("login", "reserved"),
    ],
)
def test_the_sign_up_page_says_so_and_keeps_what_was_typed(
    client: Client, alice: User, name: str, words: str
) -> None:
    response = client.post("/join", FORM | {"username": name, "email": "new@example.org"})
    assert words in response.text
    assert response.text.count('class="problem"') == 1
    assert f'value="{name}"' in response.text
    assert 'value="new@example.org"' in response.text
    assert User.objects.count() == 1


def test_the_organization_form_says_so_too(client: Client, alice: User, bob: User) -> None:
    client.force_login(alice, backend="accounts.backends.AccountBackend")
    response = client.post("/settings/organizations", {"name": "b0b", "fullname": "Bobs"})
    assert "looks too much like &#x27;bob&#x27;" in response.text
    assert 'value="Bobs"' in response.text
    assert not Organization.objects.exists()
