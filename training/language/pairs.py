"""Source and target texts of a split, as tokens and as batches for encoder-decoders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.errors import UserError
from training.language.batches import IGNORED
from training.language.reading import Columns, read_chats
from training.recipe import PairData

ENCODED_AT_ONCE = 512


@dataclass(frozen=True)
class Pairs:
    """Texts in file order; `sources` carry the task's prefix already."""

    sources: list[str]
    targets: list[str]

    def __len__(self) -> int:
        return len(self.sources)

    def chosen(self, rows: list[int]) -> Pairs:
        return Pairs([self.sources[row] for row in rows], [self.targets[row] for row in rows])


@dataclass(frozen=True)
class PairRows:
    """Tokens of sources, as the tokenizer frames them, and of targets, each with the token that ends it.

    A batch is {"input_ids", "attention_mask", "labels"}, int64 [B, L] and [B, T], filled up at the end, and
    the labels once more; −100 where a target is over.
    """

    sources: list[list[int]]
    targets: list[list[int]]
    pad: int

    def __len__(self) -> int:
        return len(self.sources)

    def take(
        self, rows: Tensor, device: torch.device, seed: int | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """`seed` draws nothing: text is not augmented."""
        chosen = rows.tolist()
        ids = _filled([self.sources[row] for row in chosen], self.pad)
        mask = _filled([[1] * len(self.sources[row]) for row in chosen], 0)
        labels = _filled([self.targets[row] for row in chosen], IGNORED)
        inputs = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        inputs = {name: item.to(device) for name, item in inputs.items()}
        return inputs, inputs["labels"]

    def fingerprint(self) -> str:
        return hashlib.sha256(repr((self.sources, self.targets)).encode()).hexdigest()


def read_pairs(
    data_dir: Path, split: str, data: PairData, *, check: Callable[[], None] = lambda: None
) -> Pairs:
    """Every row of `split`. Raises `UserError`: no such split or column, no text, empty targets (named)."""
    columns = Columns(prompt=data.source_column, answer=data.target_column)
    found = read_chats(data_dir, split, columns, check=check)
    for chat in found:
        if not chat.messages[0]["content"].strip():
            raise UserError("data:empty-source", f"{data.source_column!r} is empty {chat.where}.")
    prefix = with_prefix(data, "")
    return Pairs(
        [prefix + chat.messages[0]["content"] for chat in found],
        [chat.messages[1]["content"] for chat in found],
    )


def with_prefix(data: PairData, source: str) -> str:
    """The source as the model reads it: one space after the prefix, whether the recipe writes it or not."""
    return f"{data.prefix.rstrip()} {source}" if data.prefix else source


def held_out_pairs(pairs: Pairs, fraction: float, seed: int) -> tuple[Pairs, Pairs]:
    """(kept, held out) by source: what differs in case and space only stays on one side."""
    keys = [" ".join(source.lower().split()) for source in pairs.sources]
    names = sorted(set(keys))
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    out = {names[place] for place in order[: min(round(fraction * len(names)), len(names) - 1)]}
    rows: tuple[list[int], list[int]] = ([], [])
    for row, key in enumerate(keys):
        rows[key in out].append(row)
    return pairs.chosen(rows[0]), pairs.chosen(rows[1])


def encode_pairs(tokenizer: Any, pairs: Pairs, data: PairData) -> tuple[PairRows, int]:
    """Tokens, cut at `max_tokens` and `max_target_tokens`; and how many rows were cut."""
    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    if pad is None or end is None:
        raise UserError("model:tokenizer", "The base model's tokenizer has no padding token or no end token.")
    sources, cut = _encoded(tokenizer, pairs.sources, data.max_tokens, "text")
    targets, _ = _encoded(tokenizer, pairs.targets, data.max_target_tokens, "text_target")
    # Not every tokenizer ends a text by itself, but a model that never sees an end never stops.
    whole = [ids if ids[-1:] == [end] else [*ids, end] for ids in targets]
    cut |= {row for row, ids in enumerate(whole) if len(ids) > data.max_target_tokens}
    short = [
        ids if len(ids) <= data.max_target_tokens else [*ids[: data.max_target_tokens - 1], end]
        for ids in whole
    ]
    return PairRows(sources, short, pad), len(cut)


def _encoded(tokenizer: Any, texts: list[str], limit: int, kind: str) -> tuple[list[list[int]], set[int]]:
    """Tokens as the tokenizer frames them, sources cut as it cuts them; and the rows that were longer."""
    found: list[list[int]] = []
    for start in range(0, len(texts), ENCODED_AT_ONCE):
        found += tokenizer(**{kind: texts[start : start + ENCODED_AT_ONCE]})["input_ids"]
    cut = {row for row, ids in enumerate(found) if len(ids) > limit}
    if kind == "text":
        for row in cut:
            found[row] = tokenizer(texts[row], truncation=True, max_length=limit)["input_ids"]
    return [list(ids) for ids in found], cut


def _filled(rows: list[list[int]], value: int) -> Tensor:
    out = torch.full((len(rows), max(map(len, rows))), value, dtype=torch.long)
    for index, row in enumerate(rows):
        out[index, : len(row)] = torch.tensor(row)
    return out
