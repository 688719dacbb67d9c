"""Files past the page cache hold the same bytes, also where there is no such road."""

from __future__ import annotations

import errno
import io
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models_app.storage.streams import BodyCutShort, ahead
from models_app.storage.xet import direct
from models_app.storage.xet.direct import BLOCK_BYTES, DirectWriter, reading

SLAB = direct._SLAB_BYTES
SIZES = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, SLAB - 1, SLAB, SLAB + 1, 3 * SLAB + 12_345]


def write(file: DirectWriter, content: bytes) -> None:
    for _ in file.take(io.BytesIO(content), len(content)):
        pass


def _refuses(call: Callable[..., int]) -> Callable[..., int]:
    """The call as on a file system that opens files for direct use and then does not mean it."""

    def refusing(fd: int, *words: Any) -> int:
        import fcntl

        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no")
        return call(fd, *words)

    return refusing


class Dripping:
    """A body that comes in pieces of any size."""

    def __init__(self, content: bytes, numbers: random.Random) -> None:
        self._file, self._numbers = io.BytesIO(content), numbers

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, self._numbers.choice([100, 7_000, 70_000, SLAB, 2 * SLAB])))


@pytest.fixture(params=["direct", "refused late", "refused at once"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "refused late":
        monkeypatch.setattr(os, "pwrite", _refuses(os.pwrite))
        monkeypatch.setattr(os, "preadv", _refuses(os.preadv))
    elif request.param == "refused at once":
        real = os.open

        def refusing(path: str, flags: int, *words: Any) -> int:
            if flags & os.O_DIRECT:
                raise OSError(errno.EINVAL, "no")
            return real(path, flags, *words)

        monkeypatch.setattr(os, "open", refusing)
    return str(request.param)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_is_read(tmp_path: Path, road: str, size: int) -> None:
    numbers = random.Random(size)
    content, path, at = numbers.randbytes(size), tmp_path / "x", 0
    path.touch()
    with DirectWriter(path) as file:
        for piece in file.take(Dripping(content, numbers), size):
            assert piece == content[at : at + len(piece)]
            at += len(piece)
    assert path.read_bytes() == content
    with reading(path) as read:
        for _ in range(20):
            start, length = numbers.randint(0, size), numbers.randint(1, SLAB // 2)
            assert read(start, length) == content[start : start + length]
        assert read(size, 10) == b""
        assert content.startswith(read(0, 10 * SLAB))


def test_a_fault_halfway_leaves_the_file_to_whoever_made_it(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()

    def fails() -> None:
        with DirectWriter(path) as file:
            for _ in file.take(io.BytesIO(b"x" * (SLAB + 10)), SLAB + 20):
                pass

    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(BodyCutShort, match="1048586 of 1048596"):
        fails()
    assert path.stat().st_size == SLAB
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*words: Any) -> int:
        raise OSError(errno.ENOSPC, "full")

    (tmp_path / "x").touch()
    monkeypatch.setattr(os, "pwrite", full)

    def writes() -> None:
        with DirectWriter(tmp_path / "x") as file:
            write(file, b"x")

    with pytest.raises(OSError, match="full"):
        writes()


def test_buffers_are_used_again(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    for _ in range(3):
        with DirectWriter(tmp_path / "x") as file:
            write(file, b"x")
    idle = len(direct._slabs._idle)
    with DirectWriter(tmp_path / "x", direct=False) as file:
        assert len(direct._slabs._idle) == idle - 2
        write(file, b"y")
    assert len(direct._slabs._idle) == idle
    assert (tmp_path / "x").read_bytes() == b"y"


def test_a_piece_stays_as_it_is_while_the_next_is_looked_at(tmp_path: Path) -> None:
    content, path = random.Random(1).randbytes(5 * SLAB + 5), tmp_path / "x"
    path.touch()
    with DirectWriter(path) as file:
        last, at = memoryview(b""), 0
        for piece in file.take(io.BytesIO(content), len(content)):
            assert content[at - len(last) : at] == last
            last, at = piece, at + len(piece)
    assert path.read_bytes() == content


def test_reading_back_and_forth_holds_few_buffers(tmp_path: Path) -> None:
    content, path = random.Random(0).randbytes(9 * SLAB + 5), tmp_path / "x"
    path.write_bytes(content)
    before = len(direct._slabs._idle)
    with reading(path, 8 * SLAB) as read:
        for start in (8 * SLAB, 5 * SLAB - 7, 3 * SLAB + 1, 0, 9 * SLAB - 3, SLAB // 2):
            found = read(start, SLAB)
            assert found
            assert content.startswith(found, start)
    assert len(direct._slabs._idle) <= before + direct._AHEAD


def test_a_disk_that_cannot_be_read_says_so_and_nothing_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*words: Any) -> int:
        raise OSError(errno.EIO, "broken")

    (tmp_path / "x").write_bytes(b"x" * 3 * SLAB)
    monkeypatch.setattr(os, "preadv", broken)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="broken"), reading(tmp_path / "x") as read:
        read(0, 10)
    assert len(os.listdir("/proc/self/fd")) == before


def test_pieces_made_ahead_are_the_same_and_so_are_their_faults() -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b"a", b"", b"c")
        raise ZeroDivisionError

    taken: list[bytes] = []
    with pytest.raises(ZeroDivisionError):
        taken.extend(ahead(pieces()))
    assert taken == [b"a", b"", b"c"]
    assert list(ahead(iter([]))) == []
    for piece in ahead(iter([b"x"] * 100)):
        assert piece == b"x"
        break  # a client that goes away
