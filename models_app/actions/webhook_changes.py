"""Webhooks come, change and go. `webhook` arguments come from the gate `models_app.webhooks`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.actor import Actor
from models_app.actions.refusals import InvalidInput
from models_app.actions.webhook_payloads import DOMAINS, USUAL_DOMAINS
from models_app.actions.webhooks import is_spent, wake
from models_app.models import Event, EventTag, WatchedItem, WatchType, Webhook, WebhookDelivery
from models_app.outgoing import TargetRefused, check_target
from models_app.webhooks import check_may_manage, locked_webhook

MAX_WEBHOOKS = 100
MAX_WATCHED = 100
MAX_SECRET_CHARACTERS = 200
_WATCHED_NAME = re.compile(r"[\w.-]{1,96}(?:/[\w.-]{1,96})?", re.ASCII)


def create_webhook(
    actor: Actor, *, url: str, watched: Any, domains: Any = None, secret: str | None = None
) -> Webhook:
    """A new webhook of the actor's; InvalidInput says what of it makes no sense."""
    owner = check_may_manage(actor)
    items = _checked_watched(watched)
    if not items:
        raise InvalidInput("'watched' must name at least one user, org, model, dataset, space or bucket.")
    with transaction.atomic():
        if Webhook.objects.filter(owner=owner).count() >= MAX_WEBHOOKS:
            raise InvalidInput(f"You have {MAX_WEBHOOKS} webhooks: delete one first.")
        made = Webhook.objects.create(
            owner=owner,
            url=_checked_url(url),
            secret=_checked_secret(secret or ""),
            domains=_checked_domains(list(USUAL_DOMAINS) if domains is None else domains),
        )
        _watch(made, items)
        _record(actor, made, "create")
    return made


def update_webhook(
    actor: Actor,
    *,
    webhook: Webhook,
    url: str | None = None,
    watched: Any = None,
    domains: Any = None,
    secret: str | None = None,
) -> Webhook:
    """Change what is given. An empty `watched` changes nothing: the stock client sends it unasked.

    Raises InvalidInput.
    """
    check_may_manage(actor)
    items = _checked_watched(watched or [])
    with transaction.atomic():
        row = locked_webhook(webhook)
        if url is not None:
            row.url = _checked_url(url)
        if secret is not None:
            row.secret = _checked_secret(secret)
        if domains is not None:
            row.domains = _checked_domains(domains)
        row.save(update_fields=["url", "secret", "domains"])
        if items:
            row.watched.all().delete()
            _watch(row, items)
        _record(actor, row, "update")
    return row


def set_disabled(actor: Actor, *, webhook: Webhook, disabled: bool) -> Webhook:
    """Stop a webhook, or let it go on; what happened in between is not made up for."""
    check_may_manage(actor)
    with transaction.atomic():
        row = locked_webhook(webhook)
        row.disabled = disabled
        row.save(update_fields=["disabled"])
        _record(actor, row, "disable" if disabled else "enable")
    return row


def delete_webhook(actor: Actor, *, webhook: Webhook) -> None:
    """Remove a webhook and the record of its deliveries."""
    check_may_manage(actor)
    with transaction.atomic():
        _record(actor, webhook, "delete")
        webhook.delete()


def redeliver(actor: Actor, *, delivery: WebhookDelivery) -> WebhookDelivery:
    """Send an earlier message again, to the webhook as it is now; the gate is asked again as well."""
    check_may_manage(actor)
    with transaction.atomic():
        if is_spent(delivery.webhook):
            raise InvalidInput("This webhook has sent all it may within a day: wait a while.")
        again = WebhookDelivery.objects.create(
            webhook=delivery.webhook,
            repo=delivery.repo,
            bucket=delivery.bucket,
            namespace=delivery.namespace,
            private=delivery.private,
            payload=delivery.payload,
        )
        transaction.on_commit(wake)
    return again


# --- what may be set


def _checked_url(url: str) -> str:
    try:
        check_target(url, private_allowed=settings.HUB_WEBHOOKS_PRIVATE_TARGETS)
    except TargetRefused as error:
        raise InvalidInput(str(error)) from None
    return url


def _checked_secret(secret: str) -> str:
    if len(secret) > MAX_SECRET_CHARACTERS or not secret.isascii() or not secret.isprintable():
        raise InvalidInput(f"The secret may hold {MAX_SECRET_CHARACTERS} printable ASCII characters at most.")
    return secret


def _checked_domains(domains: Any) -> list[str]:
    known = isinstance(domains, Sequence) and domains and all(one in DOMAINS for one in domains)
    if not known or isinstance(domains, str):
        raise InvalidInput(f"'domains' must be a list of some of {', '.join(DOMAINS)}.")
    return [name for name in DOMAINS if name in domains]


def _checked_watched(watched: Any) -> list[tuple[str, str]]:
    if not isinstance(watched, list) or len(watched) > MAX_WATCHED:
        raise InvalidInput(f"'watched' must be a list of at most {MAX_WATCHED} items.")
    return list(dict.fromkeys(_checked_item(item) for item in watched))


def _checked_item(item: Any) -> tuple[str, str]:
    kind, name = (item.get("type"), item.get("name")) if isinstance(item, Mapping) else (None, None)
    if kind not in WatchType.values:
        raise InvalidInput(f"The type of a watched item is one of {', '.join(WatchType.values)}.")
    if not isinstance(name, str) or not _WATCHED_NAME.fullmatch(name):
        raise InvalidInput("The name of a watched item is that of a user, an org, or owner/name.")
    return str(kind), name


def _watch(webhook: Webhook, items: Sequence[tuple[str, str]]) -> None:
    rows = [WatchedItem(webhook=webhook, type=kind, name=name) for kind, name in items]
    WatchedItem.objects.bulk_create(rows)


def _record(actor: Actor, webhook: Webhook, verb: str) -> None:
    # Not by `record_event`: a webhook hears nothing of webhooks.
    data = {"webhook": webhook.key, "verb": verb}
    Event.objects.create(actor=actor.user, tag=EventTag.WEBHOOK_CHANGE, data=data)
