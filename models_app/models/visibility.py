"""Which repos, and which things of a whole namespace, an actor may know of, as one query condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from accounts.actor import Level

if TYPE_CHECKING:
    from accounts.actor import Actor


def visible_filter(actor: Actor) -> Q:
    """The list-side twin of `access.access_repo(..., content=False)`; a grid tests that they agree."""
    readable = Q(private=False)
    if actor.user is not None:
        readable |= _private_part(actor)
    if actor.user is not None and actor.user.is_staff and actor.token is None:
        return readable
    return readable & Q(disabled_at__isnull=True)


def visible_in_namespace(actor: Actor) -> Q:
    """Collections and buckets, which belong to a namespace as a whole: the twin of
    `access.namespace_level`."""
    if actor.user is None:
        return Q(private=False)
    mine = _mine(actor)
    if actor.is_scoped and actor.token is not None:
        mine &= Q(namespace__name__in=list(actor.token.scopes.get("namespaces", {})))
    return Q(private=False) | mine


def _mine(actor: Actor) -> Q:
    return Q(namespace_id__in=[pk for pk, level in actor.namespace_levels.items() if level >= Level.READ])


def _private_part(actor: Actor) -> Q:
    """Private repos: the user must be in the namespace, and the token must reach the repo."""
    mine = _mine(actor)
    if not actor.is_scoped or actor.token is None:
        return mine
    scopes = actor.token.scopes
    reached = Q(namespace__name__in=list(scopes.get("namespaces", {})))
    for key in scopes.get("repos", {}):
        repo_type, _, repo_id = key.partition(":")
        namespace, _, name = repo_id.partition("/")
        reached |= Q(repo_type=repo_type, namespace__name=namespace, name=name)
    return mine & reached
