"""Memory that is freed is reused, until it is given back."""

from __future__ import annotations

import resource
import sys

import pytest

from training.allocator import _glibc, give_back_memory, keep_freed_memory

MEGABYTE = 2**20


def _faults_of_reuse(rounds: int = 20) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        block = bytearray(16 * MEGABYTE)
        block[::4096] = b"x" * len(block[::4096])
        del block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(_glibc() is None, reason=f"{sys.platform} has no glibc, whose allocator this steers")
def test_freed_memory_is_reused() -> None:
    keep_freed_memory()
    _faults_of_reuse(2)
    assert _faults_of_reuse() < 20 * 16 * MEGABYTE // 4096 // 4
    give_back_memory()


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.allocator._glibc", lambda: None)
    keep_freed_memory()
    give_back_memory()
