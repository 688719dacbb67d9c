"""Texts tokenised once and kept flat, cut into batches as long as their longest text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.device import step_seed

CHUNK = 1000
# Batches whose texts are of about one length are drawn from pools of so many batches.
POOL = 50
# The target of what must not count: special tokens, and every part of a word but the first.
IGNORED = -100

Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Flat:
    """n sequences behind each other: row i is `ids[starts[i]:starts[i + 1]]`, int32.

    `types` tells first and second text apart (uint8, None where there is only one). `tags` holds the target
    of every token, `IGNORED` where it has none (None where the sequence as a whole has a class). `cut`:
    how many sequences were too long; `lost_words`: how many words have no token left.
    """

    ids: np.ndarray
    starts: np.ndarray
    types: np.ndarray | None = None
    tags: np.ndarray | None = None
    cut: int = 0
    lost_words: int = 0

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for part in (self.ids, self.starts, self.types, self.tags):
            digest.update(b"-" if part is None else part.tobytes())
        return digest.hexdigest()


def tokenize_texts(
    tokenizer: Any, texts: Sequence[str], seconds: Sequence[str] | None, max_length: int
) -> Flat:
    """Texts, or pairs of them, with the tokenizer's special tokens, cut to `max_length` tokens."""
    ids: list[list[int]] = []
    types: list[list[int]] = []
    cut = 0
    for start in range(0, len(texts), CHUNK):
        part = slice(start, start + CHUNK)
        pair = list(seconds[part]) if seconds is not None else None
        found = tokenizer(list(texts[part]), pair, truncation=True, max_length=max_length)
        ids += found["input_ids"]
        types += found.get("token_type_ids", []) if pair is not None else []
        cut += sum(bool(item.overflowing) for item in found.encodings)
    flat = Flat(*_flatten(ids, np.int32), cut=cut)
    if types:
        return Flat(flat.ids, flat.starts, _flatten(types, np.uint8)[0], cut=cut)
    return flat


def tokenize_words(
    tokenizer: Any, words: Sequence[Sequence[str]], tags: Sequence[Sequence[int]], max_length: int
) -> Flat:
    """Lists of words; the first token of each word carries its tag, all others `IGNORED`."""
    ids: list[list[int]] = []
    targets: list[list[int]] = []
    cut = lost = 0
    for start in range(0, len(words), CHUNK):
        part = slice(start, start + CHUNK)
        rows = [list(row) for row in words[part]]
        found = tokenizer(rows, is_split_into_words=True, truncation=True, max_length=max_length)
        ids += found["input_ids"]
        cut += sum(bool(item.overflowing) for item in found.encodings)
        for index, row in enumerate(tags[part]):
            aligned = _first_tokens(found.word_ids(index), row)
            lost += len(row) - sum(target != IGNORED for target in aligned)
            targets.append(aligned)
    flat_ids, starts = _flatten(ids, np.int32)
    return Flat(flat_ids, starts, tags=_flatten(targets, np.int32)[0], cut=cut, lost_words=lost)


def _first_tokens(word_ids: list[int | None], tags: Sequence[int]) -> list[int]:
    found, last = [], None
    for word in word_ids:
        found.append(IGNORED if word is None or word == last else tags[word])
        last = word if word is not None else last
    return found


def _flatten(rows: list[list[int]], dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    starts = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=starts[1:])
    flat = np.fromiter((item for row in rows for item in row), dtype=dtype, count=int(starts[-1]))
    return flat, starts


@dataclass(frozen=True)
class TextBatches:
    """`targets` [n] classes, or None where the sequences' own tags are the targets."""

    flat: Flat
    pad_id: int
    targets: Tensor | None = None

    def __len__(self) -> int:
        return len(self.flat)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of every row, for `length_order`."""
        return self.flat.lengths

    def take(self, rows: Tensor, device: torch.device, seed: int | None = None) -> tuple[Inputs, Tensor]:
        """input_ids, attention_mask [B, T] as long as the longest row, and targets [B] or [B, T].

        Nothing is drawn at random: `seed` is what other kinds of batches augment by.
        """
        where, flat = rows.numpy(), self.flat
        spans = [(int(flat.starts[row]), int(flat.starts[row + 1])) for row in where]
        width = max(stop - start for start, stop in spans)
        ids = torch.full((len(spans), width), self.pad_id, dtype=torch.long)
        mask = torch.zeros((len(spans), width), dtype=torch.long)
        types = torch.zeros((len(spans), width), dtype=torch.long) if flat.types is not None else None
        tags = torch.full((len(spans), width), IGNORED, dtype=torch.long) if self.targets is None else None
        for place, (start, stop) in enumerate(spans):
            size = stop - start
            ids[place, :size] = torch.from_numpy(flat.ids[start:stop])
            mask[place, :size] = 1
            if types is not None and flat.types is not None:
                types[place, :size] = torch.from_numpy(flat.types[start:stop])
            if tags is not None and flat.tags is not None:
                tags[place, :size] = torch.from_numpy(flat.tags[start:stop])
        inputs = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
        if types is not None:
            inputs["token_type_ids"] = types.to(device)
        targets = tags if self.targets is None else self.targets[rows]
        assert targets is not None
        return inputs, targets.to(device)

    def fingerprint(self) -> str:
        own = self.targets.numpy().tobytes() if self.targets is not None else b""
        return hashlib.sha256(self.flat.fingerprint().encode() + own).hexdigest()


class TokenFeatures:
    """Cached features of the tagged tokens, `table` [tagged, d] in the order of `flat`."""

    def __init__(self, table: Tensor, flat: Flat) -> None:
        assert flat.tags is not None
        counted = flat.tags != IGNORED
        self.table = table
        self.targets = torch.from_numpy(flat.tags[counted].astype(np.int64))
        self.starts = np.concatenate([[0], np.cumsum(counted)])[flat.starts]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, rows: Tensor, device: torch.device, seed: int | None = None) -> tuple[Tensor, Tensor]:
        """Features [B, W, d] and tags [B, W] of the rows' tagged tokens; what is padded is `IGNORED`."""
        spans = [(int(self.starts[row]), int(self.starts[row + 1])) for row in rows.numpy()]
        width = max(1, *(stop - start for start, stop in spans))
        features = torch.zeros(len(spans), width, self.table.shape[1])
        targets = torch.full((len(spans), width), IGNORED, dtype=torch.long)
        for place, (start, stop) in enumerate(spans):
            features[place, : stop - start] = self.table[start:stop]
            targets[place, : stop - start] = self.targets[start:stop]
        return features.to(device), targets.to(device)

    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.starts.tobytes())
        digest.update(self.table.numpy().data)
        digest.update(self.targets.numpy().data)
        return digest.hexdigest()


def length_order(lengths: np.ndarray, batch: int, seed: int, epoch: int) -> Tensor:
    """A permutation of the rows whose batches hold texts of about one length, the same for seed and epoch.

    Shuffled, cut into pools of 50 batches, each pool sorted by length, and the batches shuffled again: what
    meets whom still changes every epoch. A shorter last batch stays last.
    """
    generator = torch.Generator().manual_seed(step_seed(seed, -1 - epoch))
    order = torch.randperm(len(lengths), generator=generator)
    found = torch.from_numpy(np.ascontiguousarray(lengths))
    pools = [pool[torch.argsort(found[pool], stable=True)] for pool in order.split(POOL * batch)]
    batches = [piece for pool in pools for piece in pool.split(batch)]
    whole = [piece for piece in batches if len(piece) == batch]
    rest = [piece for piece in batches if len(piece) < batch]
    turns = torch.randperm(len(whole), generator=generator).tolist()
    return torch.cat([*(whole[turn] for turn in turns), *rest])
