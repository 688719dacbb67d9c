"""Which repos, buckets and collections an actor may know of, as one query condition each.

They are the list-side twins of the gates; grids test that they agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from accounts.actor import Level

if TYPE_CHECKING:
    from accounts.actor import Actor


def visible_filter(actor: Actor) -> Q:
    """Repos: the twin of `access.access_repo(..., content=False)`."""
    readable = Q(private=False)
    if actor.user is not None:
        readable |= _mine(actor) & _listed(actor)
    if actor.user is not None and actor.user.is_staff and actor.token is None:
        return readable
    return readable & Q(disabled_at__isnull=True)


def visible_buckets_filter(actor: Actor) -> Q:
    """Buckets: the twin of `buckets.access_bucket`."""
    public = Q(private=False)
    return public if actor.user is None else public | _mine(actor) & _listed(actor, only="bucket")


def visible_collections_filter(actor: Actor) -> Q:
    """Collections, which a token reaches by their namespace: the twin of `collections.access_collection`."""
    public = Q(private=False)
    if actor.user is None:
        return public
    return public | _mine(actor) & (_listed_namespaces(actor) if actor.is_scoped else Q())


def _mine(actor: Actor) -> Q:
    return Q(namespace_id__in=[pk for pk, level in actor.namespace_levels.items() if level >= Level.READ])


def _listed_namespaces(actor: Actor) -> Q:
    scopes = actor.token.scopes if actor.token else {}
    return Q(namespace__name__in=list(scopes.get("namespaces", {})))


def _listed(actor: Actor, only: str = "") -> Q:
    """What the token reaches, where it lists that: whole namespaces, and what it names (`only` of one kind,
    where the rows have no `repo_type`)."""
    if not actor.is_scoped or actor.token is None:
        return Q()
    reached = _listed_namespaces(actor)
    for key in actor.token.scopes.get("repos", {}):
        kind, _, repo_id = key.partition(":")
        namespace, _, name = repo_id.partition("/")
        named = Q(namespace__name=namespace, name=name)
        if not only:
            reached |= named & Q(repo_type=kind)
        elif kind == only:
            reached |= named
    return reached
