from __future__ import annotations

import pytest

from models_app.storage.lfs import Pointer, format_pointer, is_lfs_oid, parse_pointer

OID = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
CANONICAL = f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize 12345\n".encode()


def test_a_pointer_is_written_exactly_as_git_lfs_writes_it_and_read_back() -> None:
    pointer = Pointer(OID, 12345)
    assert format_pointer(pointer) == CANONICAL
    assert parse_pointer(CANONICAL) == pointer


def test_extensions_and_windows_line_ends_are_read() -> None:
    text = CANONICAL.replace(b"oid", b"ext-0-foo sha256:" + OID.encode() + b"\noid").replace(b"\n", b"\r\n")
    assert parse_pointer(text) == Pointer(OID, 12345)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        CANONICAL.replace(b"sha256", b"sha1"),
        CANONICAL.replace(b"12345", b"-1"),
        CANONICAL.replace(OID.encode(), OID.upper().encode()),
        CANONICAL.replace(b"size 12345\n", b""),
        CANONICAL.replace(b"git-lfs.github.com", b"example.org"),
        CANONICAL + b"x" * 1024,
    ],
)
def test_anything_else_is_an_ordinary_file(data: bytes) -> None:
    assert parse_pointer(data) is None


def test_only_lower_case_sha256_hex_is_an_object_id() -> None:
    assert is_lfs_oid(OID)
    assert not is_lfs_oid(OID.upper())
    assert not is_lfs_oid(OID + "\n")
    assert not is_lfs_oid("../" + OID[3:])
