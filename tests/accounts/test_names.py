"""What a namespace may be called."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.urls import get_resolver

from accounts.names import RESERVED, validate_namespace_name


@pytest.mark.parametrize(
    "name", ["alice", "Al", "a1", "42", "a.b", "a-b_c.d", "x" * 42, "mod", "team", "demo"]
)
def test_good_names_pass(name: str) -> None:
    validate_namespace_name(name)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("", "2 to 42"),
        ("a", "2 to 42"),
        ("x" * 43, "2 to 42"),
        ("-a", "first and last"),
        ("a.", "first and last"),
        ("a b", "ASCII"),
        ("a/b", "ASCII"),
        ("ünal", "ASCII"),
        ("ab\n", "ASCII"),
        ("a--b", "--"),
        ("a..b", ".."),
        ("a.git", ".git"),
        ("a.GIT", ".git"),
        ("api", "reserved"),
        ("Datasets", "reserved"),
        ("settings", "reserved"),
    ],
)
def test_bad_names_are_refused_in_one_sentence(name: str, word: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        validate_namespace_name(name)
    assert len(refusal.value.messages) == 1
    assert word in refusal.value.messages[0]


def test_the_first_segment_of_every_route_is_reserved() -> None:
    heads = set()
    for pattern in _flat(get_resolver().url_patterns):
        head = pattern.lstrip("^").split("/")[0]
        if head.isidentifier():
            heads.add(head.lower())
    assert heads
    assert heads - RESERVED == set()


def _flat(patterns: list[object], prefix: str = "") -> list[str]:
    found: list[str] = []
    for one in patterns:
        text = prefix + str(one.pattern)  # type: ignore[attr-defined]
        found += _flat(one.url_patterns, text) if hasattr(one, "url_patterns") else [text]
    return found
