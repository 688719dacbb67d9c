from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from models_app.storage.streams import BodyCutShort, read_pieces
from models_app.storage.xet.assemble import PIECE_BYTES, Term, assemble, open_assembled
from models_app.storage.xet.store import XorbStore, copy_ranges
from models_app.storage.xet.xorb import XorbError
from tests.models_app.storage.xet_samples import cut, make_xorb


@pytest.fixture
def store(tmp_path: Path) -> XorbStore:
    return XorbStore(tmp_path / "xorbs", tmp_path / "tmp")


def _keep(store: XorbStore, body: bytes, name: str) -> None:
    with store.incoming() as incoming:
        incoming.write(body)
        store.sync(incoming)
        store.keep(incoming, name)


def _stored_file(store: XorbStore, data: bytes, parts: int) -> list[Term]:
    """`data` in `parts` xorbs, one term each."""
    chunks = cut(data)
    size = -(-len(chunks) // parts)
    terms, offset = [], 0
    for at in range(0, len(chunks), size):
        group = chunks[at : at + size]
        name, body = make_xorb(group)
        _keep(store, body, name)
        length = sum(map(len, group))
        terms.append(Term(name, 0, len(body), offset, length))
        offset += length
    return terms


@pytest.fixture
def data() -> bytes:
    rng = np.random.default_rng(11)
    return rng.bytes(1_500_000) + np.sort(rng.normal(size=400_000)).astype("<f4").tobytes() + b"end" * 100_001


@pytest.mark.parametrize("parts", [1, 4, 50])
def test_a_file_comes_back_whole_and_by_any_range_in_pieces_of_bounded_size(
    store: XorbStore, data: bytes, parts: int
) -> None:
    terms = _stored_file(store, data, parts)
    rng = np.random.default_rng(parts)
    ranges = [(0, len(data)), (0, 1), (len(data) - 1, len(data)), (5, 5)]
    ranges += [tuple(sorted(map(int, rng.integers(0, len(data), 2)))) for _ in range(25)]
    for start, stop in ranges:
        pieces = list(assemble(store, terms, start, stop))
        assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)
        assert b"".join(pieces) == data[start:stop]


def test_an_assembled_file_is_seekable_like_any_other(store: XorbStore, data: bytes) -> None:
    plain = io.BytesIO(data)
    with open_assembled(store, _stored_file(store, data, 3), len(data)) as file:
        for whence, offset, count in [
            (0, 0, 8),
            (1, 5, 100),
            (2, -10, 20),
            (0, 1_499_990, 500_000),
            (2, 5, 4),
        ]:
            assert file.seek(offset, whence) == plain.seek(offset, whence)
            assert file.read(count) == plain.read(count)
            assert file.tell() == plain.tell()
        file.seek(0)
        assert file.read() == data
        with pytest.raises(ValueError, match="cannot seek"):
            file.seek(-len(data) - 1, os.SEEK_CUR)


def test_terms_that_end_early_and_damaged_containers_are_noticed(store: XorbStore, data: bytes) -> None:
    terms = _stored_file(store, data, 2)
    with pytest.raises(XorbError, match="ends at byte"):
        list(assemble(store, terms[:1], 0, len(data)))
    path = store.path(terms[1].container)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(XorbError):
        list(assemble(store, terms, 0, len(data)))
    store.delete(terms[1].container)
    with pytest.raises(FileNotFoundError):
        list(assemble(store, terms, 0, len(data)))


def test_an_incoming_file_is_gone_unless_it_was_kept(store: XorbStore) -> None:
    def fail_while_writing() -> None:
        with store.incoming() as incoming:
            incoming.write(b"half")
            raise RuntimeError("client hung up")

    with pytest.raises(RuntimeError):
        fail_while_writing()
    assert list(store.temporary.iterdir()) == []
    name, body = make_xorb([b"abc" * 4000])
    _keep(store, body, name)
    assert list(store.temporary.iterdir()) == []
    assert store.path(name).read_bytes() == body


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(store: XorbStore) -> None:
    store.temporary.mkdir()
    left, young, other = (store.temporary / name for name in ("xorb-left", "xorb-young", "other"))
    for path in (left, young, other):
        path.write_bytes(b"half")
    for path in (left, other):
        os.utime(path, (0, 0))
    with store.incoming():
        pass
    assert {path.name for path in store.temporary.iterdir()} == {"xorb-young", "other"}


def test_only_hashes_become_paths(store: XorbStore) -> None:
    for name in ("../../etc/passwd", "", "A" * 64, "0" * 63):
        with pytest.raises(ValueError):
            store.path(name)


def test_the_generation_stays_until_the_store_is_wiped(
    store: XorbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.generation()
    monkeypatch.setattr("models_app.storage.xet.store.time.time", lambda: first + 1000.0)
    assert store.generation() == first
    (store.root / "generation").unlink()
    assert store.generation() == first + 1000
    assert [path.name for path in store.root.iterdir()] == ["generation"]


def test_ranges_are_copied_in_order_and_a_short_source_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(100)))
    with (tmp_path / "a").open("rb") as source, (tmp_path / "b").open("wb") as target:
        copy_ranges(source, target, [(10, 20), (50, 51)])
        with pytest.raises(OSError, match="too early"):
            copy_ranges(source, target, [(90, 200)])
    assert (tmp_path / "b").read_bytes()[:11] == bytes(range(10, 20)) + bytes([50])


class _Broken(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError


@pytest.mark.parametrize("body", [io.BytesIO(b"12345"), _Broken()])
def test_a_body_that_ends_early_is_never_taken_for_whole(body: BinaryIO) -> None:
    with pytest.raises(BodyCutShort, match="of 6 bytes"):
        list(read_pieces(body, 6))


def test_no_more_is_read_than_was_announced() -> None:
    body = io.BytesIO(b"x" * 3_000_000)
    assert b"".join(read_pieces(body, 2_500_000)) == b"x" * 2_500_000
    assert body.tell() == 2_500_000
