"""Which repos an actor may know of, as one query condition."""

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


def _private_part(actor: Actor) -> Q:
    """Private repos: the user must be in the namespace, and the token must reach the repo."""
    mine = Q(namespace_id__in=[pk for pk, level in actor.namespace_levels.items() if level >= Level.READ])
    if not actor.is_scoped or actor.token is None:
        return mine
    scopes = actor.token.scopes
    reached = Q(namespace__name__in=list(scopes.get("namespaces", {})))
    for key in scopes.get("repos", {}):
        repo_type, _, repo_id = key.partition(":")
        namespace, _, name = repo_id.partition("/")
        reached |= Q(repo_type=repo_type, namespace__name=namespace, name=name)
    return mine & reached
