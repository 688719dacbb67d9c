"""How well a causal model foretells the assistant's words: summed log-likelihoods, row by row."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.language.batches import IGNORED


def word_sums(logits: Tensor, targets: Tensor, label_smoothing: float) -> dict[str, Tensor]:
    """By row, over the words that count: `nll` in nats, `hits`, and `words`, all [B].

    logits [B, T, vocabulary] in fp32; targets [B, T], IGNORED where a word does not count.
    """
    known = targets != IGNORED
    losses = F.cross_entropy(
        logits.transpose(1, 2),
        targets,
        ignore_index=IGNORED,
        reduction="none",
        label_smoothing=label_smoothing,
    )
    with torch.no_grad():
        hits = ((logits.argmax(2) == targets) & known).sum(1).float()
    return {"nll": losses.sum(1), "hits": hits, "words": known.sum(1).float()}


class Scored(nn.Module):
    """A batch of `TokenRows` to three sums a row [B], fp32: `nll` in nats, `hits` (tokens that were the
    likeliest) and `words` (tokens to be foretold).

    Logits are computed where some row has such a token only: most of a small model's work is its vocabulary.
    Label smoothing counts while learning only.
    """

    def __init__(self, net: nn.Module, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.net = net
        self.label_smoothing = label_smoothing

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        labels = inputs["labels"]
        columns = (labels[:, 1:] != IGNORED).any(0).nonzero()[:, 0]
        logits = self.net(
            input_ids=inputs["input_ids"],
            position_ids=inputs["position_ids"],
            use_cache=False,
            logits_to_keep=columns,
        ).logits.float()
        targets = labels[:, columns + 1]
        return word_sums(logits, targets, self.label_smoothing if self.training else 0.0)
