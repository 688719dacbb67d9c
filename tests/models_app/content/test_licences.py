"""What licences permit, and what a fine-tune may not loosen."""

from __future__ import annotations

import pytest

from models_app.content.licences import (
    LICENCES,
    PERMISSIONS,
    conflicts,
    licence_of,
    licences_allowing,
    permissions_of,
    permitted_by_all,
)
from models_app.content.vocabulary import LICENSES


def test_every_licence_of_the_vocabulary_has_a_row_and_no_other() -> None:
    assert set(LICENCES) == set(LICENSES)


def test_addresses_are_https_and_names_are_there() -> None:
    assert all(each.name for each in LICENCES.values())
    assert all(each.address.startswith("https://") for each in LICENCES.values() if each.address)
    unaddressed = {each.id for each in LICENCES.values() if not each.address}
    assert {"unknown", "other"} <= unaddressed


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("apache-2.0", {"commercial-use", "modification", "redistribution", "no-share-alike"}),
        ("cc0-1.0", set(PERMISSIONS)),
        ("cc-by-nc-sa-4.0", {"modification", "redistribution"}),
        ("cc-by-nd-4.0", {"commercial-use", "redistribution", "no-share-alike"}),
        ("agpl-3.0", {"commercial-use", "modification", "redistribution"}),
        ("llama3.1", {"commercial-use", "modification", "redistribution", "no-share-alike"}),
        ("other", set()),
        ("unknown", set()),
        ("", set()),
        ("my-own-licence", set()),
        ("  MIT ", {"commercial-use", "modification", "redistribution", "no-share-alike"}),
    ],
)
def test_permissions(licence: str, expected: set[str]) -> None:
    assert permissions_of(licence) == expected


def test_licences_allowing_several_things_at_once() -> None:
    free = licences_allowing("commercial-use", "modification")
    assert {"mit", "gpl-3.0", "gemma"} <= free
    assert not {"cc-by-nc-4.0", "cc-by-nd-4.0", "other", "unknown"} & free
    unbound = {"cc0-1.0", "pddl", "unlicense", "wtfpl"}
    assert licences_allowing(*PERMISSIONS) == unbound
    assert licences_allowing("world-peace") == frozenset()
    assert not {"other", "unknown"} & licences_allowing()


def test_the_strictest_of_a_line_counts() -> None:
    assert permitted_by_all(["mit", "cc-by-nc-4.0"]) == {"modification", "redistribution", "no-share-alike"}
    assert permitted_by_all(["mit", "unknown"]) == frozenset()


@pytest.mark.parametrize(
    ("child", "parent", "rules"),
    [
        ("mit", "apache-2.0", []),
        ("mit", "cc-by-nc-4.0", ["commercial-use"]),
        ("cc-by-nc-4.0", "mit", []),
        ("apache-2.0", "gpl-3.0", ["share-alike"]),
        ("agpl-3.0", "gpl-3.0", []),
        ("gpl-3.0", "agpl-3.0", ["share-alike"]),
        ("cc-by-sa-4.0", "cc-by-sa-3.0", []),
        ("apache-2.0", "llama3", ["use-restrictions"]),
        ("cc0-1.0", "mit", ["attribution"]),
        ("mit", "cc-by-nd-4.0", ["modification"]),
        ("", "cc-by-nd-4.0", ["modification"]),
        ("", "gpl-3.0", []),
        ("mit", "other", ["unknown"]),
        ("mit", "cc-by-nc-sa-4.0", ["commercial-use", "share-alike"]),
    ],
)
def test_what_a_fine_tune_loosens(child: str, parent: str, rules: list[str]) -> None:
    found = conflicts(child, {"lab/base": parent})
    assert [conflict.rule for conflict in found] == rules
    assert all(conflict.parent == "lab/base" for conflict in found)


def test_the_gravest_conflict_comes_first_over_several_parents() -> None:
    found = conflicts("mit", {"a/restricted": "gemma", "b/fixed": "cc-by-nd-4.0"})
    assert [(each.parent, each.rule) for each in found] == [
        ("b/fixed", "modification"),
        ("a/restricted", "use-restrictions"),
    ]


def test_a_licence_nobody_knows_keeps_its_name() -> None:
    assert licence_of("house-rules").name == "house-rules"
    assert not licence_of("house-rules").is_known
