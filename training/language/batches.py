"""Rows of tokens for the loop: one example each, or several packed so that none sees another."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from dataclasses import dataclass

import torch
from torch import Tensor

from training.language.encoding import Tokens

IGNORED = -100


@dataclass(frozen=True)
class TokenRows:
    """`rows[i]` names the examples of row i in order; `pad` fills rows up to the longest of a batch.

    A batch is {"input_ids", "position_ids", "labels"}, int64 [B, L] each, and the labels once more: the token
    itself where it is to be foretold and −100 elsewhere. Positions begin anew with every example of a row:
    from that transformers builds the mask under which an example sees itself only, and no other mask is
    needed, for the filler stands at the end, where a causal model never looks.
    """

    tokens: Tokens
    rows: list[list[int]]
    pad: int

    def __len__(self) -> int:
        return len(self.rows)

    def take(
        self, rows: Tensor, device: torch.device, seed: int | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """`seed` draws nothing: text is not augmented."""
        chosen = [self.rows[row] for row in rows.tolist()]
        starts = self.tokens.starts.tolist()
        width = max(sum(starts[item + 1] - starts[item] for item in row) for row in chosen)
        packed = any(len(row) > 1 for row in chosen)
        ids = torch.full((len(chosen), width), self.pad, dtype=torch.long)
        labels = torch.full_like(ids, IGNORED)
        # In a packed batch every filler is a text of its own, in a plain one it goes on counting.
        positions = torch.zeros_like(ids) if packed else torch.arange(width).repeat(len(chosen), 1)
        for index, row in enumerate(chosen):
            place = 0
            for item in row:
                begin, end = starts[item], starts[item + 1]
                stop = place + end - begin
                words = self.tokens.ids[begin:end].long()
                ids[index, place:stop] = words
                learn = self.tokens.learn[begin:end]
                labels[index, place:stop][learn] = words[learn]
                positions[index, place:stop] = torch.arange(end - begin)
                place = stop
        inputs = {"input_ids": ids, "position_ids": positions, "labels": labels}
        inputs = {name: item.to(device) for name, item in inputs.items()}
        return inputs, inputs["labels"]

    def fingerprint(self) -> str:
        digest = hashlib.sha256(repr(self.rows).encode())
        for tensor in (self.tokens.ids, self.tokens.learn, self.tokens.starts):
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()


def plain_rows(tokens: Tokens, pad: int) -> TokenRows:
    """One example a row."""
    return TokenRows(tokens, [[index] for index in range(len(tokens))], pad)


def packed_rows(tokens: Tokens, pad: int, max_tokens: int) -> TokenRows:
    """Examples put together into rows of at most `max_tokens`, by best fit from the longest down.

    Best-fit decreasing needs at most 11/9 of the fewest rows possible, plus one (Johnson et al., 1974).
    """
    lengths = tokens.lengths.tolist()
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    rows: list[list[int]] = []
    spaces: list[int] = []  # every space that some row has left, ascending
    having: dict[int, list[int]] = {}
    for index in order:
        at = bisect_left(spaces, lengths[index])
        if at == len(spaces):
            rows.append([])
            row, space = len(rows) - 1, max_tokens
        else:
            space = spaces[at]
            row = having[space].pop()
            if not having[space]:
                spaces.pop(at)
        rows[row].append(index)
        left = space - lengths[index]
        if not having.setdefault(left, []):
            insort(spaces, left)
        having[left].append(row)
    return TokenRows(tokens, rows, pad)
