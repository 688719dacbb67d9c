"""From conversations to tokens, and which of them the assistant says: only these are learnt."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from training.errors import UserError
from training.language.reading import Chat
from training.language.scribe import Scribe

ENCODED_AT_ONCE = 512


@dataclass(frozen=True)
class Tokens:
    """Examples one after the other. `ids` int32 [total]; `learn` bool [total], True on the tokens to be
    predicted; example i is `starts[i] : starts[i + 1]`, `starts` int64 [n + 1].
    """

    ids: Tensor
    learn: Tensor
    starts: Tensor

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Tensor:
        return self.starts.diff()


@dataclass(frozen=True)
class Cut:
    """What `max_tokens` cost: examples shortened, and those of which no answer was left."""

    shortened: int
    dropped: int


def encode(
    scribe: Scribe, chats: Iterable[Chat], max_tokens: int, check: Callable[[], None] = lambda: None
) -> tuple[Tokens, Cut]:
    """All rows as tokens, those beyond `max_tokens` cut at their end; rows left without an answer go.

    Raises `UserError` `data:too-long` if none is left.
    """
    ids: list[Tensor] = []
    learn: list[Tensor] = []
    shortened = dropped = 0
    for row, mask in _rows(scribe, chats, check):
        if len(row) > max_tokens:
            shortened += 1
            row, mask = row[:max_tokens], mask[:max_tokens]
        if not any(mask):
            dropped += 1
            continue
        ids.append(torch.tensor(row, dtype=torch.int32))
        learn.append(torch.tensor(mask, dtype=torch.bool))
    if not ids:
        text = f"No example has a word to learn within {max_tokens} tokens; raise dataset.max_tokens."
        raise UserError("data:too-long", text)
    starts = torch.tensor([0, *itertools.accumulate(len(row) for row in ids)])
    return Tokens(torch.cat(ids), torch.cat(learn), starts), Cut(shortened, dropped)


def _rows(
    scribe: Scribe, chats: Iterable[Chat], check: Callable[[], None]
) -> Iterator[tuple[list[int], list[bool]]]:
    texts = ((bool(chat.messages), *pair) for chat in chats for pair in scribe.written(chat))
    while chunk := list(itertools.islice(texts, ENCODED_AT_ONCE)):
        check()
        found = scribe.tokenizer(
            [text for _, text, _ in chunk], add_special_tokens=False, return_offsets_mapping=True
        )
        for (is_chat, _, spans), ids, offsets in zip(
            chunk, found["input_ids"], found["offset_mapping"], strict=True
        ):
            yield _marked(scribe, list(ids), offsets, spans, is_chat)


def _marked(
    scribe: Scribe,
    ids: list[int],
    offsets: list[tuple[int, int]],
    spans: list[tuple[int, int]],
    is_chat: bool,
) -> tuple[list[int], list[bool]]:
    """Tokens that begin inside an answer, up to the one that ends it."""
    mask = [False] * len(ids)
    place = 0
    for begin, end in spans:
        while place < len(ids) and offsets[place][0] < begin:
            place += 1
        first = place
        while place < len(ids) and offsets[place][0] < end:
            place += 1
        stop = next((at for at in range(place - 1, first - 1, -1) if ids[at] in scribe.stops), None)
        for at in range(first, place if stop is None else stop + 1):
            mask[at] = True
    begin_id = scribe.tokenizer.bos_token_id
    if not is_chat and begin_id is not None and ids[:1] != [begin_id]:
        ids, mask = [begin_id, *ids], [False, *mask]
    if mask and mask[-1] and ids[-1] not in scribe.stops:
        # Without an end an answer would never stop.
        ids, mask = [*ids, scribe.tokenizer.eos_token_id], [*mask, True]
    if mask:
        mask[0] = False  # nothing comes before it that could predict it
    return ids, mask
