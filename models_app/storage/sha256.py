"""A SHA-256 that can be put down half-made and taken up by another process.

Python's hashlib computes the same by the same library, but keeps its state to itself. Here OpenSSL's own
functions are called (SHA256_Init, SHA256_Update, SHA256_Final of <openssl/sha.h>), whose state is a plain
structure. Where Python brings no OpenSSL that lets itself be called, `available()` says so.
"""

from __future__ import annotations

import ctypes
import hashlib
import struct
from functools import cache

import numpy as np

# SHA256_CTX: eight words of state, two of length, a block of sixteen, two counters.
STATE_BYTES = 4 * (8 + 2 + 16 + 2)
_LENGTH = struct.Struct("=32x2I")


class RunningSha256:
    """As `hashlib.sha256()`, and `state` can be kept and given to another one; RuntimeError unless
    `available()`, ValueError for a state that is none."""

    def __init__(self, state: bytes | None = None) -> None:
        library = _library()
        if library is None:
            raise RuntimeError("No OpenSSL whose SHA-256 can be put down and taken up.")
        if state is not None and len(state) != STATE_BYTES:
            raise ValueError(f"A half-made SHA-256 has {STATE_BYTES} bytes, not {len(state)}.")
        self._library = library
        self._context = ctypes.create_string_buffer(STATE_BYTES)
        if state is None:
            library.SHA256_Init(self._context)
        else:
            self._context.raw = state

    @property
    def state(self) -> bytes:
        """Everything there is to know of the bytes so far; it may hold the last 63 of them."""
        return self._context.raw

    @property
    def length(self) -> int:
        """How many bytes it has taken."""
        low, high = _LENGTH.unpack_from(self._context.raw)
        return int(high << 32 | low) // 8

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take more bytes; other threads run meanwhile."""
        view = np.frombuffer(data, np.uint8)
        self._library.SHA256_Update(self._context, view.ctypes.data, view.size)

    def hexdigest(self) -> str:
        """Of the bytes so far; more may follow."""
        digest = ctypes.create_string_buffer(hashlib.sha256().digest_size)
        self._library.SHA256_Final(digest, ctypes.create_string_buffer(self.state, STATE_BYTES))
        return digest.raw.hex()


def available() -> bool:
    """Whether a `RunningSha256` can be made here."""
    return _library() is not None


@cache
def _library() -> ctypes.CDLL | None:
    """Python's own OpenSSL, if its functions can be found and do what hashlib does."""
    try:
        import _hashlib

        library = ctypes.CDLL(_hashlib.__file__)
        for function in (library.SHA256_Init, library.SHA256_Update, library.SHA256_Final):
            function.restype = ctypes.c_int
        library.SHA256_Init.argtypes = [ctypes.c_char_p]
        library.SHA256_Update.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t]
        library.SHA256_Final.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    except (ImportError, AttributeError, OSError):  # built in statically, or an OpenSSL without them
        return None
    return library if _agrees(library) else None


def _agrees(library: ctypes.CDLL) -> bool:
    # Room to spare: a structure larger than the one we know shows in the check below, not in foreign memory.
    context, data = ctypes.create_string_buffer(4 * STATE_BYTES), bytes(range(200))
    library.SHA256_Init(context)
    library.SHA256_Update(context, data, 100)
    moved = ctypes.create_string_buffer(context.raw[:STATE_BYTES], 4 * STATE_BYTES)
    library.SHA256_Update(moved, data[100:], 100)
    digest = ctypes.create_string_buffer(32)
    library.SHA256_Final(digest, moved)
    return digest.raw == hashlib.sha256(data).digest()
