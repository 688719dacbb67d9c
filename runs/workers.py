"""Workers' own credentials and what they tell of themselves; the token is kept as a hash, good for claiming
only."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from django.db.models import Q
from django.utils import timezone

from accounts.models import Namespace
from accounts.tokens import hash_text, new_text
from runs.models import Tier, Worker, WorkerState

WORKER_TOKEN_PREFIX = "tyw_"  # noqa: S105


def enroll_worker(
    name: str,
    *,
    flavors: list[str],
    text: str | None = None,
    tier: str | None = None,
    owner: Namespace | None = None,
) -> tuple[Worker, str]:
    """The worker of this name with a fresh token (or the given text); an earlier token stops working.

    `tier` and `owner` of a new worker are the hub's own and trusted; None leaves an old one's as they are.
    """
    text = text or new_text(WORKER_TOKEN_PREFIX)
    given: dict[str, Any] = {"token_hash": hash_text(text), "flavors": flavors}
    given |= {} if tier is None else {"tier": Tier(tier)}
    given |= {} if owner is None else {"owner": owner}
    worker, _ = Worker.objects.update_or_create(name=name, defaults=given)
    return worker, text


def find_worker(text: str | None) -> Worker | None:
    """The enabled worker with this token, or None; none of a person who is suspended, either."""
    if not text or len(text) > 200:
        return None
    wanted = hash_text(text)
    worker = Worker.objects.filter(_lives(), token_hash=wanted).first()
    # Found by the hash of the secret, so timing tells nothing of it; compared once more to be plain about it.
    return worker if worker is not None and hmac.compare_digest(worker.token_hash, wanted) else None


def takes_work(worker: Worker) -> Q:
    """Of workers: this one, as long as it may take runs. For a last look inside the claim's own UPDATE, by
    `Exists(Worker.objects.filter(takes_work(worker)))`."""
    return _lives() & Q(pk=worker.pk, state=WorkerState.ACTIVE, tier=worker.tier)


def note_machine(
    worker: Worker, *, versions: Mapping[str, str], hardware: Mapping[str, Any], doing: str = ""
) -> None:
    """Keep what the worker says of itself, and that it lives. Empty `versions` and `hardware` say nothing."""
    fresh: dict[str, Any] = {"last_seen_at": timezone.now(), "doing": doing}
    fresh |= {"versions": dict(versions)} if versions else {}
    fresh |= {"hardware": dict(hardware)} if hardware else {}
    Worker.objects.filter(pk=worker.pk).update(**fresh)


def _lives() -> Q:
    """The owner of a machine that is suspended has none that works."""
    standing = Q(owner__user__is_active=True, owner__user__is_suspended=False)
    return Q(is_enabled=True) & (Q(owner=None) | Q(owner__user=None) | standing)
