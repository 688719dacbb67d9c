"""Which xorbs' tables name chunks that lie in a few given containers: searched by parts of hashes, in
bulk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

_ENTRY = np.dtype([("head", "<u8"), ("rest", "V24"), ("length", "<u4")])


class ChunkOwners:
    """Finds the containers of chunks by the first eight bytes of their hashes.

    Two chunks with the same eight bytes are both found: the answer may name a container too many, never one
    too few. Takes twelve bytes of memory a chunk.
    """

    def __init__(self, containers: Sequence[str], chunks: Iterable[tuple[str, bytes]]) -> None:
        numbers = {name: number for number, name in enumerate(containers)}
        heads, owners = bytearray(), bytearray()
        for name, raw in chunks:
            heads += raw[:8]
            owners += numbers[name].to_bytes(4, "little")
        unsorted = np.frombuffer(bytes(heads), "<u8")
        order = np.argsort(unsorted, kind="stable")
        self._heads = unsorted[order]
        self._owners = np.frombuffer(bytes(owners), "<u4")[order]
        self._containers = containers

    def named_by(self, table: bytes | memoryview) -> set[str]:
        """The containers that hold a chunk of this table (`xorb.pack_table`)."""
        asked = np.frombuffer(table, _ENTRY)["head"]
        first = np.searchsorted(self._heads, asked, side="left")
        stop = np.searchsorted(self._heads, asked, side="right")
        hits = first < stop
        found: set[int] = set()
        for start, end in set(zip(first[hits].tolist(), stop[hits].tolist(), strict=True)):
            found.update(self._owners[start:end].tolist())
        return {self._containers[number] for number in found}
