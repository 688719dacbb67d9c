"""What hf-xet 1.8.0 sent for `sample_files()`, recorded once; and uploads built here, right and wrong."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from models_app.storage.xet.chunking import Chunker
from models_app.storage.xet.hashing import (
    chunk_hash,
    file_hash,
    hash_from_text,
    hash_to_text,
    verification_hash,
    xorb_hash,
)
from models_app.storage.xet.xorb import encode_chunk

RECORDED = Path(__file__).parent / "fixtures" / "xet"


def sample_files() -> dict[str, bytes]:
    """One file for each way the client stores a chunk: as it is, LZ4, grouped LZ4."""
    rng = np.random.default_rng(7)
    return {
        "noise.bin": rng.integers(0, 256, 90_001, dtype=np.uint8).tobytes(),
        "weights.bin": np.sort(rng.normal(size=40_000)).astype("<f4").tobytes() + b"tail",
        "text.txt": "".join(f"line {number}\n" for number in range(25_000)).encode(),
        "tiny.bin": b"\x01\x02\x03",
    }


def recorded_xorbs() -> dict[str, bytes]:
    """Xorb bodies by hash string."""
    return {path.stem: path.read_bytes() for path in RECORDED.glob("*.xorb")}


def recorded_shard() -> bytes:
    """The body of the one shard."""
    return (RECORDED / "upload.shard").read_bytes()


def cut(data: bytes) -> list[bytes]:
    """The chunks of a file."""
    chunker = Chunker()
    return [*chunker.feed(data), *chunker.finish()]


def make_xorb(chunks: list[bytes]) -> tuple[str, bytes]:
    """Hash string and body."""
    nodes = [(chunk_hash(chunk), len(chunk)) for chunk in chunks]
    return hash_to_text(xorb_hash(nodes)), b"".join(encode_chunk(chunk) for chunk in chunks)


def make_shard(
    chunks: list[bytes],
    xorb: str,
    sha256: str,
    *,
    start: int = 0,
    stop: int | None = None,
    flags: int = 0b11 << 30,
    file: bytes | None = None,
    verification: bytes | None = None,
    length: int | None = None,
) -> bytes:
    """A shard of one file with one term over all `chunks`; the keywords tell it lies."""
    nodes = [(chunk_hash(chunk), len(chunk)) for chunk in chunks]
    proof = verification or verification_hash(raw for raw, _ in nodes)
    stop = start + len(chunks) if stop is None else stop
    length = sum(map(len, chunks)) if length is None else length
    records = [
        recorded_shard()[:48],
        struct.pack("<32sII8x", file or file_hash(nodes), flags, 1),
        struct.pack("<32sIIII", hash_from_text(xorb), 0, length, start, stop),
    ]
    if flags & 1 << 31:
        records.append(struct.pack("<32s16x", proof))
    if flags & 1 << 30:
        records.append(struct.pack("<32s16x", hash_from_text(sha256)))
    return _closed(records)


def make_long_shard(parts: list[tuple[list[bytes], str]], sha256: str) -> bytes:
    """A shard of one file with a term for each part: chunks, and the xorb that is made of them."""
    nodes = [[(chunk_hash(chunk), len(chunk)) for chunk in chunks] for chunks, _ in parts]
    whole = file_hash([node for part in nodes for node in part])
    records = [recorded_shard()[:48], struct.pack("<32sII8x", whole, 0b11 << 30, len(parts))]
    for chunks, xorb in parts:
        length = sum(map(len, chunks))
        records.append(struct.pack("<32sIIII", hash_from_text(xorb), 0, length, 0, len(chunks)))
    records += [struct.pack("<32s16x", verification_hash(raw for raw, _ in part)) for part in nodes]
    records.append(struct.pack("<32s16x", hash_from_text(sha256)))
    return _closed(records)


def _closed(records: list[bytes]) -> bytes:
    bookend = b"\xff" * 32 + bytes(16)
    return b"".join([*records, bookend, bookend])
