"""Shorthand for the tests below: actors, organizations and repos made through the real actions."""

from __future__ import annotations

from typing import Any

from accounts.actor import Actor
from accounts.models import Namespace, User
from accounts.people import make_organization, put_member
from accounts.tokens import mint_token
from models_app.actions.repos import create_repo
from models_app.models import Repo


def session(user: User) -> Actor:
    """The user in a browser."""
    return Actor(User.objects.get(pk=user.pk))


def by_token(user: User, role: str = "write", **scopes: Any) -> Actor:
    """The user by a token of this role."""
    return Actor(User.objects.get(pk=user.pk), mint_token(user, name="test", role=role, scopes=scopes)[0])


def organization(name: str, private_by_default: bool = False, **members: User) -> Namespace:
    """An organization; `admin=alice, write=bob` are its members by role."""
    made = make_organization(name=name, private_by_default=private_by_default)
    for role, user in members.items():
        put_member(made, user, role)
    return Namespace.objects.get(organization=made)


def repo_of(user: User, name: str = "net", *, repo_type: str = "model", **fields: Any) -> Repo:
    """A repo in the user's own namespace (or `namespace=…`), with any row fields set afterwards."""
    made = create_repo(
        session(user), repo_type=repo_type, namespace=fields.pop("namespace", None), name=name, private=None
    )
    for field, value in fields.items():
        setattr(made, field, value)
    made.save()
    return made
