"""Transfers by the stock client: again while what failed may pass."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from training.errors import UserError
from training.origin import MODEL_FILES, Pinned

log = logging.getLogger(__name__)

T = TypeVar("T")


def persist(work: Callable[[], T], *, pauses: Sequence[float] = (1, 2, 4, 8, 16, 32)) -> T:
    """Do a transfer with the stock client, again after each pause while what failed may pass (a restart)."""
    for pause in pauses:
        try:
            return work()
        except Exception as error:
            if not may_pass(error):
                raise
            log.warning("a transfer failed (%s); trying again in %g s", type(error).__name__, pause)
            time.sleep(pause)
    return work()


def may_pass(error: Exception) -> bool:
    """Whether a transfer's failure is of the network or of a hub that restarts, not an answer of the hub."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return (status >= 500 and status != HTTPStatus.INSUFFICIENT_STORAGE) or status in (408, 429)
    if isinstance(error, OSError):
        return error.errno not in (errno.ENOSPC, errno.EDQUOT)
    # The client's transport and hf-xet's native half have roots of their own.
    return isinstance(error, RuntimeError) or type(error).__module__.startswith("httpx")


def fetch(pinned: Pinned, repo_type: str, *, endpoint: str, token: str, cache_dir: Path) -> Path:
    """Download a repo at its commit with the stock client and return the folder.

    Of a model only what is read is fetched: never code, never pickles. Raises UserError when the hub refuses.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        folder = persist(
            lambda: snapshot_download(
                pinned.repo,
                repo_type=repo_type,
                revision=pinned.oid,
                endpoint=endpoint,
                token=token,
                cache_dir=cache_dir,
                allow_patterns=MODEL_FILES if repo_type == "model" else None,
            )
        )
    except (RepositoryNotFoundError, RevisionNotFoundError):
        text = f"The {repo_type} {pinned.repo} at {pinned.oid[:8]} can no longer be read."
        raise UserError("run:repo-unreadable", text) from None
    return Path(folder)
