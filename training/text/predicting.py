"""What a finished net says of every text or word, the shortest first, in the order of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from training.reporting import Reporter
from training.text.batching import IGNORED, Flat, TextBatches, tokenize_words
from training.text.runs import Model

FORWARD_BATCH = 32


def in_length_order(batches: TextBatches, size: int = FORWARD_BATCH) -> Iterator[Tensor]:
    """All rows, the shortest first, so that little is padded."""
    yield from torch.from_numpy(np.argsort(batches.lengths, kind="stable").copy()).split(size)


def class_logits(model: Model, batches: TextBatches, device: torch.device, reporter: Reporter) -> Tensor:
    """fp32 logits [n, classes] on the CPU, in the order of the rows."""
    net = model.encoder.net.to(device).eval()
    found = torch.empty(len(batches), len(model.encoder.labels))
    with torch.inference_mode():
        for rows in in_length_order(batches):
            reporter.check()
            inputs, _ = batches.take(rows, device)
            found[rows] = net(**inputs).logits.float().cpu()
    return found


def word_logits(
    model: Model, words: Sequence[Sequence[str]], device: torch.device, reporter: Reporter
) -> tuple[list[dict[int, Tensor]], Flat]:
    """For every row the logits [classes] of its words by their place; words behind the cut are not there."""
    places = [list(range(len(row))) for row in words]
    flat = tokenize_words(model.tokenizer, words, places, model.max_tokens)
    batches = TextBatches(flat, model.tokenizer.pad_token_id)
    net = model.encoder.net.to(device).eval()
    found: list[dict[int, Tensor]] = [{} for _ in words]
    with torch.inference_mode():
        for rows in in_length_order(batches):
            reporter.check()
            inputs, targets = batches.take(rows, device)
            logits = net(**inputs).logits.float().cpu()
            for index, row in enumerate(rows.tolist()):
                here = targets[index].cpu()
                for place in (here != IGNORED).nonzero()[:, 0].tolist():
                    found[row][int(here[place])] = logits[index, place]
    return found, flat
