"""What a worker and the process of a run say to each other: JSON objects, one a line, bounded both ways.

The child's events: `ready` (`network`: `cut` or `open`), `stage`, `log`, `report`, `checkpoint` (`step`,
`folder`), `measured` (`evaluation`), `trace`, and last `end` with its `outcome`. The worker says `job` first,
then what is wanted: `cancel`, `interrupt`, or the `proof` of what was measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

MAX_LINE_BYTES = 1024**2


class BadLine(Exception):
    """Not a JSON object on a line of its own, or one longer than anybody has a reason to send."""


class Lines:
    """Cuts a stream into lines."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self.limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that `data` completes, without their ends. Raises BadLine for one over the limit."""
        self._rest += data
        *whole, rest = self._rest.split(b"\n")
        self._rest = bytearray(rest)
        for line in whole:
            yield bytes(line)
        if len(self._rest) > self.limit:
            raise BadLine(f"a line of more than {self.limit} bytes")


def encode(message: dict[str, Any]) -> bytes:
    """One line; numbers that JSON has no word for are refused with ValueError."""
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The object on a line. Raises BadLine."""
    if len(line) > MAX_LINE_BYTES:
        raise BadLine(f"a line of {len(line)} bytes")
    try:
        message = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadLine(f"no JSON: {line[:80]!r}") from None
    if not isinstance(message, dict):
        raise BadLine(f"no object: {line[:80]!r}")
    return message


def _no_constant(name: str) -> float:
    raise ValueError(name)
