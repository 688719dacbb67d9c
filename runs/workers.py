"""Workers' own credentials: made by an operator or by `serve`, kept as a hash, good for claiming only."""

from __future__ import annotations

import hmac

from accounts.tokens import hash_text, new_text
from runs.models import Worker

WORKER_TOKEN_PREFIX = "tyw_"  # noqa: S105


def enroll_worker(name: str, *, flavors: list[str], text: str | None = None) -> tuple[Worker, str]:
    """The worker of this name with a fresh token (or the given text); an earlier token stops working."""
    text = text or new_text(WORKER_TOKEN_PREFIX)
    worker, _ = Worker.objects.update_or_create(
        name=name, defaults={"token_hash": hash_text(text), "flavors": flavors}
    )
    return worker, text


def find_worker(text: str | None) -> Worker | None:
    """The enabled worker with this token, or None."""
    if not text or len(text) > 200:
        return None
    wanted = hash_text(text)
    worker = Worker.objects.filter(token_hash=wanted, is_enabled=True).first()
    # Found by the hash of the secret, so timing tells nothing of it; compared once more to be plain about it.
    return worker if worker is not None and hmac.compare_digest(worker.token_hash, wanted) else None
