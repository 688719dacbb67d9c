"""Prepared look-ups find what the querysets they stand for find."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from accounts.models import AccessToken, User
from accounts.prepared import Prepared
from accounts.tokens import mint_token

pytestmark = pytest.mark.django_db


def tokens_named(name: str, role: str) -> QuerySet[AccessToken]:
    return AccessToken.objects.filter(name=name, role=role).select_related("user", "login").order_by("-pk")


def test_rows_are_those_of_the_queryset_with_their_relations() -> None:
    by_name = Prepared(tokens_named, "name", "role")
    for name in ("ann", "ben"):
        user = User.objects.create_user(name, f"{name}@example.org", "secret-password")
        for role in ("read", "fineGrained"):
            mint_token(user, name="ci", role=role, scopes={"namespaces": {"ann": "write"}})
    for _ in range(2):  # compiled now, and used again
        for role in ("read", "fineGrained", "write"):
            expected = tokens_named("ci", role).first()
            with CaptureQueriesContext(connection) as queries:
                found = by_name.first("ci", role)
                assert found == expected
                if found is not None and expected is not None:
                    assert vars_of(found) == vars_of(expected)
                    assert vars_of(found.user) == vars_of(expected.user)
                    assert found.login is None
            assert len(queries) == 1
    assert by_name.first("CI", "read") is None
    assert by_name.all("ci", "read") == list(tokens_named("ci", "read"))
    assert by_name.all("CI", "read") == []


def vars_of(row: AccessToken | User) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_a_value_the_database_never_sees_is_refused_when_compiled() -> None:
    lowered = Prepared(lambda name: User.objects.filter(username=name.lower()), "Name")
    with pytest.raises(ValueError, match="does not pass on"):
        lowered.first("ann")


@pytest.mark.django_db(transaction=True)
def test_every_thread_asks_over_its_own_connection() -> None:
    by_name = Prepared(lambda name: User.objects.filter(username=name), "name")
    User.objects.create_user("ann", "ann@example.org", "secret-password")
    assert by_name.first("ann")
    found: list[User | None] = []

    def ask() -> None:
        found.append(by_name.first("ann"))
        connection.close()
        found.append(by_name.first("nobody"))
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert [user.username if user else None for user in found] == ["ann", None]
