"""What a worker says of itself in a hello or a claim, bounded and checked."""

from __future__ import annotations

from typing import Any

from runs import payloads
from runs.reports import BadReport

MAX_BYTES = 2**53
MAX_CORES = 2**16
_NUMBERS = {"gpu_memory_bytes": MAX_BYTES, "memory_bytes": MAX_BYTES, "cores": MAX_CORES}


def read_versions(body: dict[str, Any]) -> dict[str, str]:
    """`versions`: at most 20 short texts by name. Raises BadReport."""
    given = list(payloads.mapping(body, "versions").items())[:20]
    return {str(name)[:40]: str(value)[:80] for name, value in given}


def read_hardware(body: dict[str, Any]) -> dict[str, Any]:
    """`hardware`: `{"gpu", "gpu_memory_bytes", "memory_bytes", "cores", "platform"}`, of which each may be
    missing or null; what else is said is passed over. Raises BadReport."""
    given = payloads.mapping(body, "hardware", 4096)
    texts = {name: payloads.text(given, name, 120) for name in ("gpu", "platform")}
    numbers = {name: _whole(given, name, most) for name, most in _NUMBERS.items()}
    return {name: value for name, value in {**texts, **numbers}.items() if value}


def _whole(given: dict[str, Any], name: str, most: int) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise BadReport(f"hardware.{name} must be a whole number from 0 to {most}.")
    return value
