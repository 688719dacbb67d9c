"""A weights file as the comparison of tensors reads it: bytes of any range, and the chunks they lie in."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import BinaryIO

from models_app.content.tensors import TensorFile, read_tensors
from models_app.files import git_store, large_file_of, open_large_file
from models_app.models import Chunk, FileTerm, LargeFile, Repo
from models_app.storage.errors import EntryNotFound
from models_app.storage.gitstore import Entry

MAX_HEADER = 16 * 1024**2
# A file of more chunks (some 13 GB) is compared without knowing which of them both sides share.
MAX_CHUNKS = 200_000


@dataclass
class Side:
    """One version of the file: its tensors, its bytes, and its chunks by where they begin."""

    found: TensorFile
    file: BinaryIO
    size: int
    chunks: dict[int, tuple[int, int]] = field(default_factory=dict)

    @cached_property
    def _starts(self) -> list[int]:
        return sorted(self.chunks)

    def within(self, start: int, stop: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """The chunks that hold bytes `start` to `stop`, in order."""
        place = max(0, bisect_right(self._starts, start) - 1)
        for at in islice(self._starts, place, None):
            if at >= stop:
                return
            chunk = self.chunks[at]
            if at + chunk[1] > start:
                yield at, chunk

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to `stop`."""
        self.file.seek(start)
        return self.file.read(stop - start)


@contextmanager
def opened_side(repo: Repo, entry: Entry) -> Iterator[Side]:
    """The file of this entry. Raises EntryNotFound where its content is not here, BadSafetensors where it is
    no sound file."""
    if entry.pointer is None:
        data = git_store(repo).blob(entry.oid)
        with io.BytesIO(data) as file:
            yield Side(read_tensors(file, len(data), MAX_HEADER), file, len(data))
        return
    large = large_file_of(repo, entry.pointer)
    if large is None:
        raise EntryNotFound(f"the content of {entry.path} is not stored here")
    with open_large_file(large) as file:
        yield Side(read_tensors(file, large.size, MAX_HEADER), file, large.size, _chunks(large))


def _chunks(large: LargeFile) -> dict[int, tuple[int, int]]:
    """{where it begins in the file: (the chunk's key, its length)}; empty where there are too many."""
    terms = list(
        FileTerm.objects.filter(file=large)
        .order_by("index")
        .values_list("xorb_id", "chunk_start", "chunk_end", "file_offset", "length")
    )
    if sum(stop - start for _, start, stop, _, _ in terms) > MAX_CHUNKS:
        return {}
    known: dict[str, dict[int, tuple[int, int]]] = {}
    wanted = {xorb for xorb, *_rest in terms}
    for xorb in wanted:
        rows = Chunk.objects.filter(xorb_id=xorb).values_list("position", "pk", "length")
        known[xorb] = {position: (pk, length) for position, pk, length in rows}
    found: dict[int, tuple[int, int]] = {}
    for xorb, start, stop, offset, length in terms:
        at = offset
        run: dict[int, tuple[int, int]] = {}
        for position in range(start, stop):
            pk, size = known[xorb].get(position, (0, 0))
            run[at] = (pk, size)
            at += size
        # A term whose chunks do not add up is left out: its bytes are read instead.
        if at - offset == length and all(pk for pk, _ in run.values()):
            found |= run
    return found
