"""Message ids and sentences for failures that are not the user's."""

from __future__ import annotations

import errno
from http import HTTPStatus

from training.errors import EngineError

OUR_FAULT = "Something failed on the worker's side; this is our fault, not your recipe's. Its log says what."
NO_MEMORY = "The worker ran out of memory. Choose a smaller batch size or image size, or a larger flavor."
HUB_FULL = "The hub's disk is full, so the result could not be published. Please tell its operator."
DISK_FULL = "The worker's disk is full. Please tell the operator of this hub, and submit the run again."

ALLOCATION = ("can't allocate memory", "CUDA out of memory", "ALLOC_FAILED")


def fault_message(error: BaseException) -> tuple[str, str]:
    """Message id and sentence; what we know nothing of is told without our insides."""
    if isinstance(error, EngineError):
        return error.message_id, error.message
    if is_out_of_memory(error):
        return "worker:out-of-memory", NO_MEMORY
    if getattr(getattr(error, "response", None), "status_code", None) == HTTPStatus.INSUFFICIENT_STORAGE:
        return "hub:disk-full", HUB_FULL
    if is_disk_full(error):
        return "worker:disk-full", DISK_FULL
    return "worker:failed", OUR_FAULT


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this machine has no memory left; torch's allocators say it in words."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in ALLOCATION)


def is_disk_full(error: BaseException) -> bool:
    """Whether this machine has no room left; writers of native code say it in words."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "No space left on device" in str(error)
