"""The look-up shard read back by the format's own rules (footer, search tables), independently of its
writer."""

from __future__ import annotations

import struct

from blake3 import blake3

from models_app.storage.xet.lookup import LookupXorb, keyed, lookup_shard

KEY = bytes(range(32))
XORBS = [
    LookupXorb(
        bytes([number]) * 32, [(blake3(bytes([number, at])).digest(), 1000 + at) for at in range(count)]
    )
    for number, count in ((9, 3), (2, 1), (5, 4))
]


def _footer(shard: bytes) -> dict[str, int | bytes]:
    names = [
        "version",
        "files_at",
        "xorbs_at",
        "files_table_at",
        "files_table",
        "xorbs_table_at",
        "xorbs_table",
        "chunks_table_at",
        "chunks_table",
    ]
    values: dict[str, int | bytes] = dict(
        zip(names, struct.unpack_from("<9Q", shard, len(shard) - 200), strict=True)
    )
    values["key"] = shard[-128:-96]
    values["made"], values["expires"] = struct.unpack("<2Q", shard[-96:-80])
    values["footer_at"] = struct.unpack("<Q", shard[-8:])[0]
    return values


def _find(shard: bytes, keyed_hash: bytes) -> tuple[bytes, int, int]:
    """Xorb hash, number and length of a chunk, by the search table."""
    footer = _footer(shard)
    word = int.from_bytes(keyed_hash[:8], "little")
    table = list(struct.iter_unpack("<QII", shard[int(footer["chunks_table_at"]) : int(footer["footer_at"])]))
    assert table == sorted(table)
    ((_, xorb_index, number),) = [row for row in table if row[0] == word]
    at = int(footer["xorbs_at"]) + 48 * xorb_index
    raw, _offset, length, *_ = struct.unpack_from("<32sIIII", shard, at + 48 * (1 + number))
    assert raw == keyed_hash
    return shard[at : at + 32], number, length


def test_every_chunk_is_found_by_its_keyed_hash() -> None:
    xorbs = [LookupXorb(x.hash, [(keyed(raw, KEY), length) for raw, length in x.chunks]) for x in XORBS]
    shard = lookup_shard(xorbs, key=KEY, made_at=100, expires_at=200)
    for xorb in XORBS:
        for number, (raw, length) in enumerate(xorb.chunks):
            assert _find(shard, blake3(raw, key=KEY).digest()) == (xorb.hash, number, length)
            assert raw not in shard


def test_the_frame_of_the_shard() -> None:
    shard = lookup_shard(XORBS, key=KEY, made_at=100, expires_at=200)
    assert shard[:15] == b"HFRepoMetaData\0"
    assert struct.unpack_from("<QQ", shard, 32) == (2, 200)
    footer = _footer(shard)
    assert (footer["version"], footer["key"], footer["made"], footer["expires"]) == (1, KEY, 100, 200)
    assert (footer["files_table"], footer["xorbs_table"], footer["chunks_table"]) == (0, 3, 8)
    assert footer["footer_at"] == len(shard) - 200
    assert shard[48:80] == shard[int(footer["files_table_at"]) - 48 :][:32] == b"\xff" * 32
    places = struct.unpack_from("<QIQIQI", shard, int(footer["xorbs_table_at"]))
    assert places[0::2] == tuple(sorted(places[0::2]))
    assert places[1::2] == (0, 2, 7)
