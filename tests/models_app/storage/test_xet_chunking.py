from __future__ import annotations

import hashlib
from itertools import accumulate

import numpy as np
import pytest

from models_app.storage.xet.chunking import Chunker, boundaries
from models_app.storage.xet.gear import GEAR
from models_app.storage.xet.hashing import chunk_hash, hash_from_text
from models_app.storage.xet.shard import parse_shard
from models_app.storage.xet.xorb import XorbReader
from tests.models_app.storage.xet_samples import cut, recorded_shard, recorded_xorbs, sample_files


def _reference_cuts(data: bytes) -> list[int]:
    """The rule written out byte by byte."""
    gear, hash_, start, cuts = [int(word) for word in GEAR], 0, 0, []
    for at, byte in enumerate(data):
        hash_ = ((hash_ << 1) + gear[byte]) & (2**64 - 1)
        length = at + 1 - start
        if (length >= 8192 and hash_ >> 48 == 0) or length == 131_072:
            cuts.append(at + 1)
            start = at + 1
    return cuts if start == len(data) else [*cuts, len(data)]


def _cuts(data: bytes, step: int) -> list[int]:
    chunker = Chunker()
    chunks = [c for at in range(0, len(data), step) for c in chunker.feed(data[at : at + step])]
    chunks += chunker.finish()
    assert b"".join(chunks) == data
    return list(accumulate(map(len, chunks)))


def test_files_are_cut_where_the_real_client_cut_them() -> None:
    tables = {}
    for name, body in recorded_xorbs().items():
        reader = XorbReader()
        reader.feed(body)
        tables[hash_from_text(name)] = [chunk.hash for chunk in reader.chunks]
    theirs = {
        file.sha256: [raw for t in file.terms for raw in tables[t.xorb][t.chunk_start : t.chunk_end]]
        for file in parse_shard(recorded_shard())
    }
    for data in sample_files().values():
        assert [chunk_hash(chunk) for chunk in cut(data)] == theirs[hashlib.sha256(data).hexdigest()]


@pytest.mark.parametrize("step", [4096, 100_003, 1024**2, 3_000_000])
def test_the_vectorised_cut_is_the_cut_byte_by_byte_whatever_the_pieces(step: int) -> None:
    rng = np.random.default_rng(3)
    # A long run of one byte never asks for a cut: the longest chunk must be forced there.
    data = rng.bytes(600_000) + bytes(500_000) + rng.bytes(400_000)
    assert _cuts(data, step) == _reference_cuts(data)


def test_chunks_keep_their_bounds() -> None:
    chunks = cut(np.random.default_rng(4).bytes(3_000_000))
    assert all(8192 <= len(chunk) <= 131_072 for chunk in chunks[:-1])
    assert [len(chunk) for chunk in cut(bytes(131_072 * 3))] == [131_072] * 3
    assert cut(b"") == []
    assert cut(b"x") == [b"x"]


def test_an_insertion_moves_the_cuts_after_it_and_changes_no_chunk_but_its_own() -> None:
    data = np.random.default_rng(5).bytes(4_000_000)
    before = {chunk_hash(chunk) for chunk in cut(data)}
    after = {chunk_hash(chunk) for chunk in cut(data[:2_000_000] + b"inserted" + data[2_000_000:])}
    assert len(after - before) <= 3


def test_boundaries_of_nothing_are_none() -> None:
    assert boundaries(b"") == []
