"""Workers' own credentials: made by an operator or by `serve`, kept as a hash."""

from __future__ import annotations

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
