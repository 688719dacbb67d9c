"""Clients as the hub sees them: they cut files into chunks, remember what they sent, and build on it."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from accounts.actor import Actor
from models_app.actions.uploads import store_lfs_object
from models_app.actions.xet import register_bucket_shard, register_shard, store_xorb
from models_app.models import Bucket, Repo
from models_app.storage.lfs import Pointer
from models_app.storage.xet.hashing import (
    chunk_hash,
    file_hash,
    hash_from_text,
    hash_to_text,
    verification_hash,
)
from tests.models_app.storage.xet_samples import make_xorb, recorded_shard

# All files of a test are made of a few pieces, so that they share chunks in every way there is.
PIECES = [np.random.default_rng(100 + number).bytes(200 + 37 * number) for number in range(10)]
# What the real client does (hf-wire 19.5).
MEMORY_DAYS = 21
_BOOKEND = b"\xff" * 32 + bytes(16)


def content_of(recipe: Sequence[int]) -> bytes:
    """The file made of these pieces."""
    return b"".join(PIECES[number] for number in recipe)


@dataclass
class Remembered:
    """Where the client believes a chunk to be, and since how many days."""

    xorb: str
    index: int
    days: float = 0


@dataclass
class Client:
    """One machine with the client's memory; `forgets` after so many days."""

    forgets: float = MEMORY_DAYS
    memory: dict[bytes, Remembered] = field(default_factory=dict)

    def pass_days(self, days: float) -> None:
        """Grow older, and forget."""
        for one in self.memory.values():
            one.days += days
        self.memory = {raw: one for raw, one in self.memory.items() if one.days <= self.forgets}

    def send_chunks(self, actor: Actor, chunks: Sequence[bytes]) -> None:
        """Upload one xorb of those of the chunks that the client does not remember."""
        new = [chunk for chunk in dict.fromkeys(chunks) if chunk_hash(chunk) not in self.memory]
        if new:
            name, body = make_xorb(new)
            store_xorb(actor, hash_hex=name, body=io.BytesIO(body), length=len(body))
            for index, chunk in enumerate(new):
                self.memory[chunk_hash(chunk)] = Remembered(name, index)

    def upload(self, actor: Actor, place: Repo | Bucket, chunks: Sequence[bytes]) -> tuple[str, str]:
        """The whole Xet road; the file's SHA-256 and Xet hash."""
        self.send_chunks(actor, chunks)
        sha256 = hashlib.sha256(b"".join(chunks)).hexdigest()
        shard = self._shard(chunks, sha256 if isinstance(place, Repo) else None)
        if isinstance(place, Repo):
            register_shard(actor, repo=place, body=io.BytesIO(shard), length=len(shard))
        else:
            register_bucket_shard(actor, bucket=place, body=io.BytesIO(shard), length=len(shard))
        return sha256, hash_to_text(file_hash([(chunk_hash(chunk), len(chunk)) for chunk in chunks]))

    def _shard(self, chunks: Sequence[bytes], sha256: str | None) -> bytes:
        """One file, a term for each run of neighbours in one xorb."""
        runs: list[tuple[str, int, list[bytes]]] = []
        for chunk in chunks:
            place = self.memory[chunk_hash(chunk)]
            last = runs[-1] if runs else None
            if last and last[0] == place.xorb and last[1] + len(last[2]) == place.index:
                last[2].append(chunk)
            else:
                runs.append((place.xorb, place.index, [chunk]))
        nodes = [(chunk_hash(chunk), len(chunk)) for chunk in chunks]
        flags = 1 << 31 | (1 << 30 if sha256 else 0)
        records = [recorded_shard()[:48], struct.pack("<32sII8x", file_hash(nodes), flags, len(runs))]
        for xorb, start, run in runs:
            size = sum(map(len, run))
            records.append(struct.pack("<32sIIII", hash_from_text(xorb), 0, size, start, start + len(run)))
        records += [struct.pack("<32s16x", verification_hash(map(chunk_hash, run))) for _, _, run in runs]
        if sha256:
            records.append(struct.pack("<32s16x", hash_from_text(sha256)))
        return b"".join([*records, _BOOKEND, _BOOKEND])


def upload_by_lfs(actor: Actor, repo: Repo, data: bytes) -> str:
    """The whole LFS road; the file's SHA-256."""
    sha256 = hashlib.sha256(data).hexdigest()
    store_lfs_object(actor, repo=repo, pointer=Pointer(sha256, len(data)), body=io.BytesIO(data))
    return sha256
