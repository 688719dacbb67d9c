"""Readers of what strangers send: any bytes at all end in their own refusal, in little memory, soon."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import lz4.frame
import pyarrow as pa
import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from models_app.api.bodies import read_ndjson
from models_app.api.errors import WireError
from models_app.content.cards import parse_card, validate_card
from models_app.content.evals import parse_benchmark, parse_results
from models_app.content.filetypes import LfsRules, with_tracked
from models_app.content.gitpatterns import is_ignored
from models_app.content.parquet_preview import preview_parquet
from models_app.content.previews import preview_tables
from models_app.content.safetensors import BadSafetensors, count_parameters
from models_app.content.yaml_text import BadYaml, load_plain_yaml
from models_app.storage.githttp import BadPackRequest, gunzip
from models_app.storage.lfs import parse_pointer
from models_app.storage.xet.hashing import hash_from_text
from models_app.storage.xet.shard import ShardError, parse_shard
from models_app.storage.xet.xorb import MAX_CHUNKS, XorbError, XorbReader, encode_chunk
from tests.fuzz.mutations import damaged, fuzzed
from tests.models_app.storage.xet_samples import make_shard, make_xorb, recorded_shard, recorded_xorbs

MIB = 1024**2
CHUNKS = [b"x" * 9000, bytes(range(256)) * 40, b"0123" * 3000]
NAME, XORB = make_xorb(CHUNKS)
XORBS = [XORB, *recorded_xorbs().values()]
SHARDS = [make_shard(CHUNKS, NAME, hashlib.sha256(b"".join(CHUNKS)).hexdigest()), recorded_shard()]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12\n"


@contextmanager
def memory_under(limit: int) -> Iterator[None]:
    """Fail when Python's own allocations pass the limit at any time inside."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak / MIB:.1f} MiB"


# --- xorbs


@fuzzed
@given(damaged(XORBS), st.lists(st.integers(1, 70_000), max_size=5))
def test_a_xorb_in_any_state_is_read_or_refused(body: bytes, cuts: list[int]) -> None:
    reader, at = XorbReader(), 0
    try:
        for length in [*cuts, len(body)]:
            reader.feed(body[at : at + length])
            at += length
        reader.finish(hash_from_text(NAME))
    except XorbError as error:
        assert len(error.message) < 300  # noqa: PT017
    assert len(reader.chunks) <= MAX_CHUNKS
    assert sum(chunk.stored for chunk in reader.chunks) <= len(body)


def _framed(content: bytes, announced: int, scheme: int = 1) -> bytes:
    payload = lz4.frame.compress(content, store_size=False)
    head = b"\0" + len(payload).to_bytes(3, "little") + bytes([scheme]) + announced.to_bytes(3, "little")
    return head + payload


@pytest.mark.parametrize("scheme", [1, 2])
@pytest.mark.parametrize("announced", [1, 131_072])
def test_a_chunk_that_unpacks_to_more_than_it_says_is_not_unpacked(scheme: int, announced: int) -> None:
    bomb = _framed(bytes(30 * MIB), announced, scheme)
    assert len(bomb) < 135_000
    with memory_under(3 * MIB), pytest.raises(XorbError):
        XorbReader().feed(bomb)


def test_a_xorb_of_chunks_that_shrink_well_stays_small_in_memory() -> None:
    chunk = encode_chunk(bytes(131_072))
    reader = XorbReader()
    with memory_under(12 * MIB):
        for _ in range(MAX_CHUNKS):
            reader.feed(chunk)
        with pytest.raises(XorbError, match="more than"):
            reader.feed(chunk)


# --- shards, pointers


@fuzzed
@given(damaged(SHARDS) | st.binary(max_size=500).map(lambda tail: SHARDS[0][:48] + tail), st.booleans())
def test_a_shard_in_any_state_is_read_or_refused(body: bytes, named: bool) -> None:
    try:
        for file in parse_shard(body, named=named):
            assert file.size >= 0
    except ShardError as error:
        assert len(error.message) < 300  # noqa: PT017


def test_a_shard_that_announces_billions_of_records_costs_nothing() -> None:
    for flags, count in ((1 << 31 | 1 << 30, 2**32 - 1), (1 << 31, 2**31), (0, 2**32 - 1)):
        record = struct.pack("<32sII8x", b"f" * 32, flags, count)
        with memory_under(MIB), pytest.raises(ShardError):
            parse_shard(SHARDS[0][:48] + record + bytes(480))


@fuzzed
@given(damaged([POINTER, POINTER.replace(b"git-lfs", b"hawser")]) | st.binary(max_size=2000))
def test_any_bytes_are_a_pointer_or_none(data: bytes) -> None:
    pointer = parse_pointer(data)
    if pointer is not None:
        assert len(pointer.sha256) == 64
        assert 0 <= pointer.size < 10**18


# --- bodies


def _request(body: bytes, length: int | None = None) -> Any:
    request = RequestFactory().post("/", body, content_type="application/x-ndjson")
    if length is not None:
        request.META["CONTENT_LENGTH"] = str(length)
    return request


LINES = b'{"key":"header","value":{"summary":"x"}}\n{"key":"file","value":{"path":"a","content":"aGk="}}\n'


@fuzzed
@given(
    damaged([LINES, LINES * 20, b"[" * 3000 + b"\n", b'{"a":' * 2000, b"1" * 5000 + b"\n", b"\xff\xfe{}\n"])
)
def test_ndjson_in_any_state_is_read_or_refused(body: bytes) -> None:
    try:
        for value in read_ndjson(_request(body), 100_000, 4096):
            assert isinstance(value, dict)
    except WireError as error:
        assert error.status in (400, 413)  # noqa: PT017


def test_a_line_without_end_is_refused_early() -> None:
    request = _request(b"x" * (8 * MIB))
    with memory_under(2 * MIB), pytest.raises(WireError) as caught:
        list(read_ndjson(request, 64 * MIB, 100_000))
    assert caught.value.status == 413


@fuzzed
@given(damaged([gzip.compress(b"0032want " + b"a" * 40 + b"\n0000"), gzip.compress(bytes(100_000))]))
def test_a_zipped_request_in_any_state_is_read_or_refused(body: bytes) -> None:
    with suppress(BadPackRequest):
        assert len(gunzip(body, 50_000)) <= 50_000


def test_a_zipped_request_that_unpacks_to_more_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(64 * MIB))
    with memory_under(3 * MIB), pytest.raises(BadPackRequest):
        gunzip(bomb, MIB)


# --- cards and rules


CARD = b"""---
license: mit
tags: [a, &x b, *x]
base_model: alice/net
model-index: [{name: n, results: [{task: {type: t}, metrics: [{type: accuracy, value: 0.5}]}]}]
dataset_info: {features: [{name: label, dtype: {class_label: {names: {'0': cat}}}}], splits: []}
---
# Title

text
"""


@fuzzed
@given(damaged([CARD, CARD.replace(b"a", b"&a *b "), b"---\n" + b"- " * 3000 + b"\n---\n"]))
def test_a_card_in_any_state_is_read(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    json.dumps(parse_card(text).metadata)
    for kind in ("model", "dataset", "space"):
        errors, warnings = validate_card(text, kind)
        assert all(isinstance(message, str) for message in errors + warnings)


@fuzzed
@given(damaged([CARD[4:-20], b"a: [1, 2.5, 1e400, .nan, 0x1f, 2024-01-01]\n? {b: c}\n: !!str d\n"]))
def test_yaml_in_any_state_is_plain_or_refused(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with suppress(BadYaml):
        json.dumps(load_plain_yaml(text), allow_nan=False)
    parse_benchmark(text)
    parse_results(text)


def test_yaml_that_grows_by_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with memory_under(32 * MIB), pytest.raises(BadYaml):
        load_plain_yaml("\n".join(lines))


@fuzzed
@given(
    damaged(
        [
            b"*.bin filter=lfs diff=lfs merge=lfs -text\n",
            b'"a b" filter=lfs\n[a-\\]z]* -filter\n',
            b"**/*[!x]?\n",
        ]
    ),
    st.text(max_size=60),
)
def test_rules_in_any_state_answer(data: bytes, path: str) -> None:
    text = data.decode("utf-8", "replace")
    LfsRules(text).tracks(path or "a")
    is_ignored(path or "a", text)
    with_tracked(data, [path or "a"])


def test_patterns_made_to_backtrack_answer_at_once() -> None:
    text = "*a" * 200 + "b filter=lfs\n"
    assert not LfsRules(text).tracks("a" * 250)
    assert not is_ignored("/".join(["a" * 200] * 15), "**/" * 100 + "*a" * 50 + "b")


# --- headers and tables


def _safetensors(header: bytes, data: int = 16) -> bytes:
    return struct.pack("<Q", len(header)) + header + bytes(data)


TENSORS = _safetensors(
    json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
            "e": {"dtype": "I8", "shape": [0], "data_offsets": [16, 16]},
        }
    ).encode()
)


@fuzzed
@given(damaged([TENSORS, _safetensors(b"[" * 5000), _safetensors(b'{"a":' * 3000)]))
def test_a_weights_header_in_any_state_is_read_or_refused(data: bytes) -> None:
    try:
        counts = count_parameters(io.BytesIO(data), len(data))
        assert all(number >= 0 for number in counts.values())
    except BadSafetensors as error:
        assert len(str(error)) < 200  # noqa: PT017


def _parquet(table: pa.Table, **words: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(table, sink, **words)
    return sink.getvalue()


IMAGES = pa.table(
    {
        "image": [{"bytes": b"\x89PNG\r\n\x1a\n" + bytes(50), "path": "a.png"}] * 8,
        "label": pa.array([0, 1] * 4, pa.int64()),
    }
)
TABLES = [
    _parquet(IMAGES),
    _parquet(IMAGES, compression="zstd", row_group_size=2),
    _parquet(IMAGES.slice(0, 0)),
]


@fuzzed
@given(damaged(TABLES))
def test_a_table_in_any_state_is_looked_at_or_told_of(data: bytes) -> None:
    found = preview_parquet([("data/train-0.parquet", lambda: io.BytesIO(data))], {})
    assert found is None or json.dumps(found)


def _arrow_peak(look: Callable[[], object]) -> int:
    """Bytes that Arrow allocated at most while looking."""
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        look()
        return int(pool.max_memory())
    finally:
        pa.set_memory_pool(before)


@pytest.mark.parametrize("name", ["label", "image"])
def test_a_table_that_unpacks_to_much_is_not_unpacked(name: str) -> None:
    cells: list[Any] = ["x" * (96 * MIB)] if name == "label" else [{"bytes": bytes(96 * MIB), "path": ""}]
    data = _parquet(pa.table({name: cells}), compression="zstd", use_dictionary=False)
    assert len(data) < MIB

    def opener() -> BinaryIO:
        return io.BytesIO(data)

    peak = _arrow_peak(lambda: preview_parquet([("train.parquet", opener)], {}))
    assert peak < 48 * MIB, f"{peak / MIB:.0f} MiB"


@fuzzed
@given(
    damaged(
        [b"file_name,label\na.png,cat\nb.png,dog\n", b'file_name,label\n"a', b"\xef\xbb\xbffile_name\n\0\n"]
    )
)
def test_a_csv_in_any_state_is_looked_at(data: bytes) -> None:
    preview_tables([("metadata.csv", data)], ["a.png", "b.png"], lambda path: path)
