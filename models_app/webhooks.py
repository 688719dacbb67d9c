"""The gate of webhooks: everybody reaches their own, and a webhook hears what its owner may know."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.actor import Actor, Level
from accounts.models import Namespace, TokenRole, User
from models_app import access
from models_app.models import Bucket, Repo, Webhook


def own_webhooks(actor: Actor) -> QuerySet[Webhook]:
    """The actor's webhooks, oldest first; LoginRequired, or Forbidden for a token that lists its repos."""
    if actor.user is None:
        raise access.LoginRequired("Invalid username or password.")
    if actor.is_scoped:
        raise access.Forbidden("This fine-grained token does not allow managing webhooks.")
    return Webhook.objects.filter(owner=actor.user).prefetch_related("watched").order_by("pk")


def check_may_manage(actor: Actor) -> User:
    """The person whose webhooks the actor may change; raises like `own_webhooks`, and for read tokens."""
    own_webhooks(actor)
    if actor.token is not None and actor.token.role != TokenRole.WRITE:
        raise access.Forbidden("You must use a write token to change webhooks; this is a read token.")
    assert actor.user is not None
    return actor.user


def access_webhook(actor: Actor, key: str) -> Webhook:
    """One of the actor's webhooks by its id; another's and a missing one are both NotThere."""
    found = own_webhooks(actor).filter(key=key).first() if key.isalnum() and key.isascii() else None
    if found is None:
        raise access.NotThere("There is no such webhook.")
    return found


def may_hear(
    owner: User, *, repo: Repo | None, bucket: Bucket | None, namespace: Namespace | None, private: bool
) -> bool:
    """Whether the owner of a webhook may know now of what a message tells.

    `private` and `namespace` are asked only of what is gone: a repo's or a bucket's own row knows better.
    """
    if not owner.is_active or owner.is_suspended:
        return False
    actor = Actor(owner)
    if repo is not None:
        try:
            access.check_repo(actor, repo, content=False)
        except access.Refusal:
            return False
        return True
    if not (bucket.private if bucket is not None else private):
        return True
    return namespace is not None and actor.namespace_levels.get(namespace.pk, Level.NONE) >= Level.READ


def locked_webhook(webhook: Webhook) -> Webhook:
    """The fresh row, locked until the transaction ends; NotThere when it was deleted meanwhile."""
    row = Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
    if row is None:
        raise access.NotThere("There is no such webhook.")
    return row
