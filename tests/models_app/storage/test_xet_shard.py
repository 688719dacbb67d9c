from __future__ import annotations

import hashlib
import struct

import pytest

from models_app.storage.xet.hashing import file_hash, hash_from_text, hash_to_text, verification_hash
from models_app.storage.xet.shard import ShardError, parse_shard
from models_app.storage.xet.xorb import XorbReader
from tests.models_app.storage.xet_samples import (
    make_shard,
    make_xorb,
    recorded_shard,
    recorded_xorbs,
    sample_files,
)

CHUNKS = [b"a" * 9000, b"b" * 9000]
XORB, _ = make_xorb(CHUNKS)
SHA256 = hashlib.sha256(b"".join(CHUNKS)).hexdigest()


def test_a_recorded_shard_names_the_files_that_were_uploaded_and_every_hash_in_it_is_true() -> None:
    tables = {}
    for name, body in recorded_xorbs().items():
        reader = XorbReader()
        reader.feed(body)
        tables[hash_from_text(name)] = [(chunk.hash, chunk.length) for chunk in reader.chunks]
    files = parse_shard(recorded_shard())
    contents = {hashlib.sha256(data).hexdigest(): data for data in sample_files().values()}
    assert {file.sha256 for file in files} == set(contents)
    for file in files:
        assert file.size == len(contents[file.sha256])
        nodes = []
        for term in file.terms:
            chunks = tables[term.xorb][term.chunk_start : term.chunk_end]
            assert verification_hash(raw for raw, _ in chunks) == term.verification
            assert sum(length for _, length in chunks) == term.length
            nodes += chunks
        assert file_hash(nodes) == file.file_hash


def test_hash_strings_read_every_eight_bytes_backwards() -> None:
    raw = bytes(range(32))
    text = "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
    assert hash_to_text(raw) == text
    assert hash_from_text(text) == raw
    for wrong in (text.upper(), text[:-1], text + "0", "../" + text[3:], text[:-1] + "\n"):
        with pytest.raises(ValueError, match="not a Xet hash"):
            hash_from_text(wrong)


def test_what_this_file_builds_is_a_shard() -> None:
    (file,) = parse_shard(make_shard(CHUNKS, XORB, SHA256))
    assert (file.sha256, file.size, len(file.terms)) == (SHA256, 18_000, 1)


@pytest.mark.parametrize(
    ("shard", "sentence"),
    [
        (b"", "middle of a record"),
        (b"not a shard" * 10, "not a shard"),
        (recorded_shard()[:32] + struct.pack("<QQ", 3, 0) + recorded_shard()[48:], "version 2"),
        (make_shard(CHUNKS, XORB, SHA256, flags=1 << 30), "without verification entries"),
        (make_shard(CHUNKS, XORB, SHA256, flags=1 << 31), "without its SHA-256"),
        (make_shard(CHUNKS, XORB, SHA256, start=5, stop=5), "out of bounds"),
        (make_shard(CHUNKS, XORB, SHA256, start=0, stop=8193), "out of bounds"),
        (make_shard(CHUNKS, XORB, SHA256)[:-48], "middle of a record"),
        (make_shard(CHUNKS, XORB, SHA256)[:-20], "middle of a record"),
    ],
)
def test_a_malformed_shard_is_refused_in_one_sentence(shard: bytes, sentence: str) -> None:
    with pytest.raises(ShardError, match=sentence):
        parse_shard(shard)


def test_a_count_beyond_the_shards_end_is_refused_at_once() -> None:
    shard = bytearray(make_shard(CHUNKS, XORB, SHA256))
    shard[48 + 36 : 48 + 40] = struct.pack("<I", 2**32 - 1)
    with pytest.raises(ShardError, match="more than the shard holds"):
        parse_shard(bytes(shard))
    in_xorb_section = make_shard(CHUNKS, XORB, SHA256)[:-48] + struct.pack(
        "<32sIIII", bytes(32), 0, 2**31, 0, 0
    )
    with pytest.raises(ShardError, match="more than the shard holds"):
        parse_shard(in_xorb_section)


@pytest.mark.parametrize("at", range(48, 400, 29))
def test_cut_anywhere_a_recorded_shard_is_refused(at: int) -> None:
    with pytest.raises(ShardError):
        parse_shard(recorded_shard()[:at])
