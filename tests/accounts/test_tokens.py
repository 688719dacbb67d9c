"""Access tokens: found while they live, kept as a hash."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AccessToken, User
from accounts.tokens import find_token, living_tokens, mint_token, revoke_token, still_valid


def test_a_token_is_found_by_its_text_and_kept_as_a_hash(alice: User) -> None:
    token, text = mint_token(alice, name="laptop", role="write")
    assert re.fullmatch(r"hf_[A-Za-z]{34}", text)
    found = find_token(text)
    assert found == token
    assert found.user == alice
    row = AccessToken.objects.values().get(pk=token.pk)
    assert row["hash"] == hashlib.sha256(text.encode()).hexdigest()
    assert text not in str(row)
    assert row["prefix"] == text[:7]


def test_two_tokens_never_share_a_text(alice: User) -> None:
    assert mint_token(alice, name="a", role="read")[1] != mint_token(alice, name="a", role="read")[1]


def test_unknown_texts_are_nobody(alice: User) -> None:
    _, text = mint_token(alice, name="laptop", role="read")
    for other in ("", "hf_", text[:-1], text.upper(), text + "x", "x" * 5000, "hf_" + "é" * 10):
        assert find_token(other) is None


@pytest.mark.parametrize("what", ["expired", "revoked", "suspended", "inactive"])
def test_a_dead_token_is_nobody(alice: User, what: str) -> None:
    token, text = mint_token(alice, name="laptop", role="read")
    assert still_valid(token)
    if what == "expired":
        AccessToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif what == "revoked":
        revoke_token(token)
    else:
        User.objects.update(is_suspended=what == "suspended", is_active=what != "inactive")
    assert find_token(text) is None
    assert not still_valid(token)
    assert not living_tokens().exists()


def test_a_token_with_time_left_lives(alice: User) -> None:
    _, text = mint_token(alice, name="a", role="read", expires_at=timezone.now() + timedelta(minutes=1))
    assert find_token(text) is not None


def test_a_session_needs_no_token_to_be_valid() -> None:
    assert still_valid(None)


def test_revoking_twice_keeps_the_first_time(alice: User) -> None:
    token, _ = mint_token(alice, name="a", role="read")
    revoke_token(token)
    first = token.revoked_at
    revoke_token(token)
    assert token.revoked_at == first is not None


def test_the_time_of_use_is_written_at_most_once_a_minute(
    alice: User, django_assert_num_queries: object
) -> None:
    token, text = mint_token(alice, name="a", role="read")
    find_token(text)
    token.refresh_from_db()
    first = token.last_used_at
    assert first is not None
    with django_assert_num_queries(1):  # type: ignore[operator]
        find_token(text)
    AccessToken.objects.update(last_used_at=first - timedelta(minutes=2))
    find_token(text)
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert token.last_used_at >= first


@pytest.mark.parametrize("text", ["secret", "hf_", "hf_a b", "hf_" + "a" * 198, "api_org_aaaaaaaa", "hf_é"])
def test_a_chosen_text_must_look_like_a_token(alice: User, text: str) -> None:
    with pytest.raises(ValueError, match="A token is 'hf_'"):
        mint_token(alice, name="a", role="read", text=text)
    assert not AccessToken.objects.exists()


def test_an_unknown_role_is_refused(alice: User) -> None:
    with pytest.raises(ValueError, match="one of read, write, fineGrained"):
        mint_token(alice, name="a", role="admin")
