"""Freed memory stays in the process while a network runs: glibc would give it back after every layer."""

from __future__ import annotations

import ctypes
from typing import Any

# mallopt(3): the parameters' numbers in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEEP_BYTES = 2**31 - 1
# glibc before 2.35 refuses more than half a heap (32 MiB) here.
MMAP_BYTES = (2**30, 2**25)


def keep_freed_memory() -> None:
    """Let this process reuse what it frees; `give_back_memory` ends that for what is free by then.

    Activations come and go by the tens of megabytes; fetching each from the system anew cost half a second of
    five (page faults) on 256 images through ResNet-50. Where the C library is not glibc nothing happens.
    """
    libc = _glibc()
    if libc is not None and any(libc.mallopt(M_MMAP_THRESHOLD, size) for size in MMAP_BYTES):
        libc.mallopt(M_TRIM_THRESHOLD, KEEP_BYTES)


def give_back_memory() -> None:
    """Hand free memory back to the system: a worker between two runs needs none."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> Any:
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    return libc if hasattr(libc, "gnu_get_libc_version") and hasattr(libc, "mallopt") else None
