"""Proof that a result was measured by a run of this hub; it travels in the result file as `verifyToken`."""

from __future__ import annotations

import uuid
from typing import Any, Protocol

from django.core import signing

_SALT = "eval-proof"
MAX_PROOF_CHARS = 4096


class _HasUuid(Protocol):
    uuid: uuid.UUID


class _MeasuredRun(Protocol):
    """What of a run goes into a proof: who measured, and for which repo."""

    uuid: uuid.UUID

    @property
    def target_repo(self) -> Any: ...


def sign_result(
    *,
    run: _MeasuredRun,
    dataset: str,
    revision: str,
    task_id: str,
    value: float,
    count: int | None,
    interval: tuple[float, float] | None = None,
) -> str:
    """A token naming the run, its target repo (by uuid, so that renames keep it) and exactly one number.

    `dataset` is the benchmark's repo id, `revision` its 40-hex commit, `count` how many examples were scored;
    `interval` the 95 % bounds of `value`, where the run measured them.
    """
    target: _HasUuid | None = run.target_repo
    claims = {
        "run": str(run.uuid),
        "repo": str(target.uuid) if target else "",
        "dataset": dataset,
        "revision": revision,
        "task_id": task_id,
        "value": float(value),
        "count": count,
        "interval": list(interval) if interval else None,
    }
    return signing.dumps(claims, salt=_SALT)


def read_proof(token: object) -> dict[str, Any] | None:
    """The claims, or None when this hub did not sign the token; never raises."""
    if not isinstance(token, str) or not 0 < len(token) <= MAX_PROOF_CHARS:
        return None
    try:
        claims = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return claims if isinstance(claims, dict) else None
