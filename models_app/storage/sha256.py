"""A SHA-256 that can be put down half-made and taken up by another process.

hashlib keeps its state to itself; `rehashes` gives it away (RustCrypto's, BSD). It comes ready-made for Linux
only: elsewhere `available()` says so.
"""

from __future__ import annotations

import struct

_LENGTH = struct.Struct("<Q")
# Eight words of state, a counter, a block that is not full.
_STATE_BYTES = 32 + 8 + 64
STATE_BYTES = _LENGTH.size + _STATE_BYTES


class RunningSha256:
    """As `hashlib.sha256()`, and `state` can be kept and given to another one; ImportError unless
    `available()`, ValueError for a state that is none."""

    def __init__(self, state: bytes | None = None) -> None:
        from rehashes import PySha256

        if state is not None and len(state) != STATE_BYTES:
            raise ValueError(f"{len(state)} bytes are no state")
        self.length: int = 0 if state is None else _LENGTH.unpack_from(state)[0]
        self._digest = PySha256() if state is None else PySha256.deserialize(state[_LENGTH.size :])

    @property
    def state(self) -> bytes:
        """Everything there is to know of the `length` bytes so far; it may hold the last 63 of them."""
        return _LENGTH.pack(self.length) + bytes(self._digest.serialize())

    def update(self, data: bytes | memoryview) -> None:
        """Take more bytes; other threads run meanwhile."""
        self._digest.update(bytes(data))
        self.length += len(data)

    def hexdigest(self) -> str:
        """Of the bytes so far; more may follow."""
        return str(self._digest.finalize())


def available() -> bool:
    """Whether a `RunningSha256` can be made here."""
    try:
        import rehashes  # noqa: F401 (whether it is there)
    except ImportError:
        return False
    return True
