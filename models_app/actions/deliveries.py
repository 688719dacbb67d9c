"""Messages on their way to webhooks. Every step is one UPDATE naming the attempt it expects (decision 0005).

At least once: a worker that dies after sending sends again when its lease has run out; `X-Webhook-Delivery`
is the same each time, so that a receiver can tell.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from models_app.models import DeliveryStatus, Webhook, WebhookDelivery
from models_app.outgoing import TIMEOUT_SECONDS, Outcome, post
from models_app.webhooks import may_hear

# One round: so many webhooks side by side, each with so many messages one after the other.
MAX_WEBHOOKS = 8
MAX_EACH = 8
KEPT = timedelta(days=7)
_LEASE = timedelta(seconds=TIMEOUT_SECONDS * MAX_EACH + 60)
_NOT_SENT = Outcome(None, "not sent")


@dataclass(frozen=True)
class _Letter:
    """A claimed message with all that sending needs, so that no thread asks the database."""

    delivery: WebhookDelivery
    url: str
    body: bytes
    headers: dict[str, str]


def deliver_due(now: datetime) -> int:
    """One round of what is due; how many messages were dealt with. Safe to run twice at once."""
    due = _due(now)
    letters = [letter for delivery in due if (letter := _claim(delivery, now)) is not None]
    if not letters:
        return len(due)
    piles: dict[int, list[_Letter]] = {}
    for letter in letters:
        piles.setdefault(letter.delivery.webhook_id, []).append(letter)
    with ThreadPoolExecutor(max_workers=len(piles)) as pool:
        outcomes = list(
            pool.map(_send_pile, piles.values(), [settings.HUB_WEBHOOKS_PRIVATE_TARGETS] * len(piles))
        )
    for pile, results in zip(piles.values(), outcomes, strict=True):
        for letter, outcome in zip(pile, results, strict=True):
            _settle(letter.delivery, outcome, timezone.now())
    return len(due)


def trim_deliveries(now: datetime) -> int:
    """Forget messages of more than a week ago; how many."""
    return WebhookDelivery.objects.filter(created_at__lt=now - KEPT).delete()[0]


def _due(now: datetime) -> list[WebhookDelivery]:
    """The oldest due messages of the webhooks that have waited longest."""
    waiting = WebhookDelivery.objects.filter(status=DeliveryStatus.PENDING, next_attempt_at__lte=now)
    hooks: dict[int, None] = {}
    for hook in waiting.order_by("next_attempt_at", "pk").values_list("webhook_id", flat=True)[:500]:
        hooks.setdefault(hook)
        if len(hooks) == MAX_WEBHOOKS:
            break
    rows = waiting.select_related("webhook__owner", "repo__namespace", "bucket", "namespace").order_by("pk")
    return [row for hook in hooks for row in rows.filter(webhook_id=hook)[:MAX_EACH]]


def _claim(delivery: WebhookDelivery, now: datetime) -> _Letter | None:
    """Take one message for this worker; None when another has it, or when it may not be sent any more."""
    hook = delivery.webhook
    reason = _why_not(delivery, hook)
    if reason:
        _update(delivery, status=DeliveryStatus.FAILED, error=reason)
        return None
    if not _update(delivery, attempts=F("attempts") + 1, next_attempt_at=now + _LEASE):
        return None
    delivery.attempts += 1
    return _Letter(delivery, hook.url, *_sealed(delivery, hook))


def _why_not(delivery: WebhookDelivery, hook: Webhook) -> str:
    if hook.disabled:
        return "The webhook was disabled."
    heard = may_hear(
        hook.owner,
        repo=delivery.repo,
        bucket=delivery.bucket,
        namespace=delivery.namespace,
        private=delivery.private,
    )
    return "" if heard else "Its owner may not know of this any more."


def _sealed(delivery: WebhookDelivery, hook: Webhook) -> tuple[bytes, dict[str, str]]:
    """Body and headers; the signature, ours, covers the body's bytes as they are sent."""
    body = json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Tuneyard-Webhooks/{settings.VERSION}",
        "X-Webhook-Delivery": str(delivery.uuid),
    }
    if hook.secret:
        digest = hmac.new(hook.secret.encode(), body, hashlib.sha256).hexdigest()
        headers |= {"X-Webhook-Secret": hook.secret, "X-Webhook-Signature": f"sha256={digest}"}
    return body, headers


def _send_pile(pile: Sequence[_Letter], private_allowed: bool) -> list[Outcome]:
    """Send one webhook's messages in order; after one that does not arrive, or 10 seconds, the rest wait."""
    began = time.monotonic()
    outcomes: list[Outcome] = []
    for letter in pile:
        slow = time.monotonic() - began > TIMEOUT_SECONDS
        if slow or (outcomes and not outcomes[-1].arrived):
            outcomes.append(_NOT_SENT)
        else:
            outcomes.append(post(letter.url, letter.body, letter.headers, private_allowed=private_allowed))
    return outcomes


def _settle(delivery: WebhookDelivery, outcome: Outcome, now: datetime) -> None:
    if outcome is _NOT_SENT:
        _update(delivery, attempts=F("attempts") - 1, next_attempt_at=now + timedelta(seconds=1))
        return
    answer: dict[str, Any] = {"response_status": outcome.status, "error": outcome.error[:300]}
    pauses = settings.HUB_WEBHOOKS_RETRIES
    if outcome.arrived:
        _update(delivery, status=DeliveryStatus.DELIVERED, **answer)
    elif outcome.final or delivery.attempts > len(pauses):
        _update(delivery, status=DeliveryStatus.FAILED, **answer)
    else:
        pause = timedelta(seconds=pauses[delivery.attempts - 1])
        _update(delivery, next_attempt_at=now + pause, **answer)


def _update(delivery: WebhookDelivery, **fields: Any) -> int:
    """Change the row unless somebody else has taken it further meanwhile."""
    same = WebhookDelivery.objects.filter(
        pk=delivery.pk, status=DeliveryStatus.PENDING, attempts=delivery.attempts
    )
    return same.update(**fields)
