"""Git LFS pointer files: the small text that stands in git for a large file (git-lfs spec, docs/spec.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_POINTER_BYTES = 1024
_VERSION_LINES = (b"version https://git-lfs.github.com/spec/v1", b"version https://hawser.github.com/spec/v1")
_OID = re.compile(r"[0-9a-f]{64}")
_OID_LINE = re.compile(rb"oid sha256:([0-9a-f]{64})")
_SIZE_LINE = re.compile(rb"size (\d{1,18})")


@dataclass(frozen=True)
class Pointer:
    """`sha256` names the content in 64 lower-case hex digits, `size` its length in bytes."""

    sha256: str
    size: int


def is_lfs_oid(text: str) -> bool:
    """True for 64 lower-case hex digits: the only object ids that may become paths or queries."""
    return _OID.fullmatch(text) is not None


def format_pointer(pointer: Pointer) -> bytes:
    """The canonical pointer text, byte-identical to what git-lfs and the public hub write."""
    version = _VERSION_LINES[0].decode()
    return f"{version}\noid sha256:{pointer.sha256}\nsize {pointer.size}\n".encode()


def parse_pointer(data: bytes) -> Pointer | None:
    """The pointer in `data`, or None when `data` is an ordinary file.

    Lines after `version` are `key value` in any order; unknown keys (extensions) are allowed.
    """
    if len(data) >= MAX_POINTER_BYTES or not data.startswith(b"version "):
        return None
    version, *lines = data.rstrip(b"\n").split(b"\n")
    if version.rstrip(b"\r") not in _VERSION_LINES:
        return None
    sha256 = size = None
    for line in lines:
        line = line.rstrip(b"\r")
        if match := _OID_LINE.fullmatch(line):
            sha256 = match[1].decode()
        elif match := _SIZE_LINE.fullmatch(line):
            size = int(match[1])
    return None if sha256 is None or size is None else Pointer(sha256, size)
