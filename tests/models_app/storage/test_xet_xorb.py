from __future__ import annotations

import lz4.frame
import numpy as np
import pytest

from models_app.storage.xet import xorb
from models_app.storage.xet.hashing import hash_from_text, hash_to_text
from models_app.storage.xet.xorb import XorbError, XorbReader, decode_chunk, encode_chunk, parse_header
from tests.models_app.storage.xet_samples import make_xorb, recorded_xorbs


def _read(body: bytes, name: str, step: int = 10_000) -> XorbReader:
    reader = XorbReader()
    for start in range(0, len(body), step):
        reader.feed(body[start : start + step])
    reader.finish(hash_from_text(name))
    return reader


def _header(stored: int, scheme: int, length: int, version: int = 0) -> bytes:
    return bytes([version]) + stored.to_bytes(3, "little") + bytes([scheme]) + length.to_bytes(3, "little")


@pytest.mark.parametrize("step", [1, 7, 4096, 1024**2])
def test_a_recorded_xorb_is_read_whole_in_pieces_of_any_size(step: int) -> None:
    for name, body in recorded_xorbs().items():
        reader = _read(body, name, step)
        assert reader.content_end == len(body)
        assert sum(chunk.stored for chunk in reader.chunks) == len(body)
        # The sample was made so that the client used each of its three ways to store a chunk.
        assert {body[chunk.offset + 4] for chunk in reader.chunks} == {0, 1, 2}


def test_an_old_clients_footer_is_passed_over() -> None:
    name, body = make_xorb([b"abc" * 5000, b"xyz" * 5000])
    reader = _read(body + b"XETBLOB\x01" + bytes(200), name)
    assert reader.content_end == len(body)
    assert len(reader.chunks) == 2


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 1000, 65_537])
def test_what_is_encoded_is_decoded_in_every_scheme(length: int) -> None:
    rng = np.random.default_rng(length)
    for content in (
        rng.integers(0, 256, length, dtype=np.uint8).tobytes(),
        bytes(length),
        np.sort(rng.normal(size=length)).astype("<f4").tobytes()[:length],
    ):
        encoded = encode_chunk(content)
        header = parse_header(encoded)
        assert header.stored == len(encoded) - 8
        assert bytes(decode_chunk(header, encoded[8:])) == content
        assert len(encoded) <= 8 + length


def test_weights_are_grouped_and_noise_is_stored_as_it_is() -> None:
    rng = np.random.default_rng(0)
    weights = np.sort(rng.normal(size=16_000)).astype("<f4").tobytes()
    assert encode_chunk(weights)[4] == xorb.GROUPED_LZ4
    assert encode_chunk(rng.bytes(64_000))[4] == xorb.PLAIN
    assert encode_chunk(b"the same again " * 4000)[4] == xorb.LZ4


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (_header(3, 0, 3, version=1), "version 1"),
        (_header(3, 9, 3), "scheme 9"),
        (_header(3, 0, 0), "out of bounds"),
        (_header(0, 0, 3), "out of bounds"),
        (_header(3, 1, 128 * 1024 + 1), "out of bounds"),
        (_header(2**24 - 1, 1, 1000), "out of bounds"),
    ],
)
def test_a_header_out_of_bounds_is_refused_before_its_payload_is_read(header: bytes, sentence: str) -> None:
    with pytest.raises(XorbError, match=sentence):
        XorbReader().feed(header)


def test_a_bomb_is_refused_without_being_unpacked() -> None:
    bomb = lz4.frame.compress(bytes(30_000_000), store_size=False)
    assert len(bomb) < 128 * 1024
    with pytest.raises(XorbError, match="cut short or followed"):
        XorbReader().feed(_header(len(bomb), 1, 1000) + bomb)


def test_a_frame_that_lies_about_its_size_is_refused() -> None:
    frame = bytearray(lz4.frame.compress(b"a" * 1000, store_size=True))
    frame[6:14] = (2**62).to_bytes(8, "little")
    with pytest.raises(XorbError):
        XorbReader().feed(_header(len(frame), 1, 1000) + bytes(frame))


@pytest.mark.parametrize("scheme", [1, 2])
def test_garbage_in_a_frame_is_refused(scheme: int) -> None:
    with pytest.raises(XorbError, match="LZ4"):
        XorbReader().feed(_header(10, scheme, 20) + b"0123456789")


def test_a_plain_chunk_must_have_its_announced_length() -> None:
    with pytest.raises(XorbError, match="announced as 4 bytes holds 3"):
        XorbReader().feed(_header(3, 0, 4) + b"abc")


def test_a_cut_body_an_empty_one_and_a_false_name_are_refused() -> None:
    name, body = make_xorb([b"abc" * 5000, b"x" * 9000])
    with pytest.raises(XorbError, match="middle of a chunk"):
        _read(body[:-1], name)
    with pytest.raises(XorbError, match="no chunks"):
        _read(b"", name)
    with pytest.raises(XorbError, match="do not add up"):
        _read(body, hash_to_text(bytes(32)))


def test_one_flipped_bit_is_noticed() -> None:
    name, body = make_xorb([np.random.default_rng(1).bytes(20_000)])
    with pytest.raises(XorbError):
        _read(body[:-5] + bytes([body[-5] ^ 1]) + body[-4:], name)


def test_no_xorb_has_more_chunks_than_the_protocol_allows() -> None:
    reader = XorbReader()
    with pytest.raises(XorbError, match="more than 8192"):
        reader.feed((_header(1, 0, 1) + b"a") * 8193)


def test_the_table_of_a_xorb_survives_packing() -> None:
    nodes = [(bytes([n]) * 32, n + 1) for n in range(5)]
    assert list(xorb.unpack_table(xorb.pack_table(nodes))) == nodes
