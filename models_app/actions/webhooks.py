"""What webhooks hear of events: a row a message, written with the event, sent by `actions.deliveries`."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import current_app
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from models_app.actions.webhook_payloads import Notice, is_told, notice, subject_of
from models_app.actions.webhook_things import Subject
from models_app.models import (
    DeliveryStatus,
    Event,
    EventTag,
    WatchedItem,
    WatchType,
    Webhook,
    WebhookDelivery,
)
from models_app.webhooks import may_hear

log = logging.getLogger(__name__)

DELIVER = "models_app.tasks.deliver_webhooks"
PAYLOAD_VERSION = 3
# The public hub's own limit of triggers, a webhook and a day.
MAX_A_DAY = 1000
# The payload's `repo.type` knows no kernels; buckets are told of only to those who name one.
_BY_OWNER = (WatchType.MODEL, WatchType.DATASET, WatchType.SPACE)


def announce(event: Event) -> None:
    """Write a message for each webhook that listens and may hear; call inside the event's transaction.

    What a webhook's owner may know is asked here and again when it is sent.
    """
    subject = subject_of(event) if is_told(event) else None
    if subject is None:
        return
    if subject.private and event.tag in (EventTag.REPO_DELETE, EventTag.BUCKET_DELETE):
        _close(subject)
    hooks = list(_listening(subject))
    if not hooks:
        return
    told = notice(event, subject)
    made = [
        _delivery(hook, subject, told)
        for hook in hooks
        if told.domain in hook.domains and _may_be_sent(hook, subject)
    ]
    if made:
        WebhookDelivery.objects.bulk_create(made)
        transaction.on_commit(wake)


def _close(subject: Subject) -> None:
    """What waits to be sent of a private thing about to go stays among those who could see it."""
    waiting = WebhookDelivery.objects.filter(status=DeliveryStatus.PENDING, namespace=subject.namespace)
    if subject.repo is not None:
        waiting.filter(repo=subject.repo).update(private=True)
    elif subject.bucket is not None:
        waiting.filter(bucket=subject.bucket).update(private=True)


def wake() -> None:
    """Tell the hub's worker; a broker that cannot be reached costs time only, beat asks too."""
    try:
        current_app.send_task(DELIVER, queue="hub", retry=False)
    except Exception:  # any transport, any failure: the rows stay and are found
        log.warning("webhooks: the wake-up could not be sent; the next round delivers", exc_info=True)


def _listening(subject: Subject) -> QuerySet[Webhook]:
    wanted = Q(type=subject.type, name__lower__in=subject.names)
    if subject.type in _BY_OWNER:
        owners = {name.partition("/")[0] for name in subject.names}
        wanted |= Q(type__in=[WatchType.USER, WatchType.ORG], name__lower__in=owners)
    hooks = Webhook.objects.filter(
        disabled=False, pk__in=WatchedItem.objects.filter(wanted).values("webhook")
    )
    return hooks.select_related("owner").order_by("pk")


def _may_be_sent(hook: Webhook, subject: Subject) -> bool:
    heard = may_hear(
        hook.owner,
        repo=subject.repo,
        bucket=subject.bucket,
        namespace=subject.namespace,
        private=subject.private,
    )
    return heard and not is_spent(hook)


def is_spent(hook: Webhook) -> bool:
    """Whether a webhook has had its messages of a day."""
    return hook.deliveries.filter(created_at__gt=timezone.now() - timedelta(days=1)).count() >= MAX_A_DAY


def _delivery(hook: Webhook, subject: Subject, told: Notice) -> WebhookDelivery:
    return WebhookDelivery(
        webhook=hook,
        repo=subject.repo,
        bucket=subject.bucket,
        namespace=subject.namespace,
        private=subject.private,
        payload={**told.payload, "webhook": {"id": hook.key, "version": PAYLOAD_VERSION}},
    )
