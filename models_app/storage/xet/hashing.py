"""The keyed BLAKE3 hashes of Xet: chunks, Merkle roots of xorbs and files, and their text form.

A hash is 32 raw bytes everywhere in this project; only URLs, JSON and Merkle nodes use the text form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from blake3 import blake3

HASH_BYTES = 32

_CHUNK_KEY = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
_NODE_KEY = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
_VERIFICATION_KEY = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")
_FILE_KEY = bytes(32)

_HASH_TEXT = re.compile(r"[0-9a-f]{64}")
_SMALLEST_GROUP, _LARGEST_GROUP, _MEAN_BRANCHING = 2, 9, 4

# A node of the Merkle tree: hash and number of content bytes below it.
Node = tuple[bytes, int]


def hash_to_text(raw: bytes) -> str:
    """Four little-endian words of 16 hex digits each: every group of eight bytes reads backwards."""
    return b"".join(raw[at : at + 8][::-1] for at in (0, 8, 16, 24)).hex()


def hash_from_text(text: str) -> bytes:
    """The 32 bytes of a hash string; raises ValueError unless it is 64 lower-case hex digits."""
    if not _HASH_TEXT.fullmatch(text):
        raise ValueError(f"not a Xet hash: {text[:80]!r}")
    swapped = bytes.fromhex(text)
    return b"".join(swapped[at : at + 8][::-1] for at in (0, 8, 16, 24))


def chunk_hash(data: bytes | memoryview) -> bytes:
    """The name of a chunk: BLAKE3 of its uncompressed bytes."""
    return blake3(data, key=_CHUNK_KEY).digest()


def verification_hash(chunk_hashes: Iterable[bytes]) -> bytes:
    """What a shard's term must carry: only a holder of the chunks knows their hashes."""
    return blake3(b"".join(chunk_hashes), key=_VERIFICATION_KEY).digest()


def xorb_hash(chunks: Sequence[Node]) -> bytes:
    """The Merkle root over (chunk hash, uncompressed length) pairs; 32 zero bytes for no chunks."""
    if not chunks:
        return bytes(HASH_BYTES)
    nodes = list(chunks)
    while len(nodes) > 1:
        nodes = _level_up(nodes)
    return nodes[0][0]


def file_hash(chunks: Sequence[Node]) -> bytes:
    """The Xet name of a file: its Merkle root, keyed once more; 32 zero bytes for the empty file."""
    if not chunks:
        return bytes(HASH_BYTES)
    return blake3(xorb_hash(chunks), key=_FILE_KEY).digest()


def _level_up(nodes: list[Node]) -> list[Node]:
    parents = []
    start = 0
    while start < len(nodes):
        stop = _group_end(nodes, start)
        parents.append(_join(nodes[start:stop]))
        start = stop
    return parents


def _group_end(nodes: list[Node], start: int) -> int:
    """A group closes at the third or later node whose last word divides by four, or when it is full."""
    last = min(start + _LARGEST_GROUP, len(nodes))
    for at in range(start + _SMALLEST_GROUP, last):
        # The last word is little-endian, so its lowest byte decides divisibility.
        if nodes[at][0][24] % _MEAN_BRANCHING == 0:
            return at + 1
    return last


def _join(group: list[Node]) -> Node:
    text = "".join(f"{hash_to_text(raw)} : {size}\n" for raw, size in group)
    return blake3(text.encode(), key=_NODE_KEY).digest(), sum(size for _, size in group)
