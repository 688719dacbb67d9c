"""An encoder-decoder foretells a target's words, writes texts of its own, and is measured by both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.device import pick_device, reproducible
from training.language.causal import SEQ2SEQ, quiet
from training.language.measuring import likelihood
from training.language.pairs import PairRows, encode_pairs, read_pairs
from training.language.published import base_of, load_net
from training.language.scoring import word_sums
from training.language.scribe import load_tokenizer
from training.measures.chrf import row_counts, score
from training.measures.intervals import bootstrap
from training.measures.rouge import row_scores
from training.measures.text import summary
from training.recipe import PairData, Recipe
from training.reporting import Reporter
from training.tasks.base import Measured

WRITTEN_AT_ONCE = 16


class ScoredPairs(nn.Module):
    """A batch of `PairRows` to three sums a row [B], fp32: `nll` in nats, `hits` and `words`, as `Scored`."""

    def __init__(self, net: nn.Module, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.net = net
        self.label_smoothing = label_smoothing

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        targets = inputs["labels"]
        before = self.net.prepare_decoder_input_ids_from_labels(labels=targets)  # type: ignore[operator]
        logits = self.net(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            decoder_input_ids=before,
            use_cache=False,
        ).logits.float()
        return word_sums(logits, targets, self.label_smoothing if self.training else 0.0)


def load_translator(model_dir: Path) -> tuple[Any, Any]:
    """A published model in eval mode and fp32, and its tokenizer."""
    net = load_net(model_dir, base_of(model_dir), SEQ2SEQ)
    return net.to(pick_device()).eval(), load_tokenizer(model_dir)


def write(
    net: Any,
    tokenizer: Any,
    sources: Sequence[str],
    data: PairData,
    check: Callable[[], None] = lambda: None,
) -> list[str]:
    """What the model makes of each source (prefix included), greedily, at most `max_target_tokens` tokens."""
    from transformers import GenerationConfig

    device = next(net.parameters()).device
    how = GenerationConfig(
        max_new_tokens=data.max_target_tokens,
        do_sample=False,
        num_beams=1,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        decoder_start_token_id=net.config.decoder_start_token_id,
    )
    order = sorted(range(len(sources)), key=lambda row: (len(sources[row]), row))
    found = [""] * len(sources)
    for start in range(0, len(order), WRITTEN_AT_ONCE):
        check()
        chosen = order[start : start + WRITTEN_AT_ONCE]
        inputs = tokenizer(
            [sources[row] for row in chosen],
            padding=True,
            truncation=True,
            max_length=data.max_tokens,
            return_tensors="pt",
        ).to(device)
        names = ("input_ids", "attention_mask")
        with torch.inference_mode(), quiet():
            given = net.generate(**{name: inputs[name] for name in names}, generation_config=how)
        for row, text in zip(chosen, tokenizer.batch_decode(given, skip_special_tokens=True), strict=True):
            found[row] = text.strip()
    return found


def evaluate_pairs(
    model_dir: Path, data_dir: Path, split: str, metric: str, *, recipe: Recipe, reporter: Reporter
) -> Measured:
    """Likelihood of the targets, and BLEU, chrF (0 to 100), ROUGE and token F1 (0 to 1) of greedy texts.

    `value` is `metric` over the whole split, its interval from rows drawn with replacement.
    """
    data = recipe.dataset
    assert isinstance(data, PairData)
    pairs = read_pairs(data_dir, split, data, check=reporter.check)
    net, tokenizer = load_translator(model_dir)
    with reproducible(0, True):
        sums = _score(net, encode_pairs(tokenizer, pairs, data)[0], reporter)
        texts = write(net, tokenizer, pairs.sources, data, reporter.check)
    found = likelihood(sums) | summary(texts, [[target] for target in pairs.targets])
    lo, hi = _interval(metric, texts, pairs.targets)
    return Measured(len(pairs), metric, found[metric], lo, hi, found)


def _score(net: Any, rows: PairRows, reporter: Reporter) -> Tensor:
    """nll, hits and words of every row, fp64 [n, 3] on the CPU."""
    learner, found = ScoredPairs(net).eval(), []
    device = next(net.parameters()).device
    with torch.inference_mode():
        for part in torch.arange(len(rows)).split(WRITTEN_AT_ONCE):
            reporter.check()
            sums = learner(rows.take(part, device)[0])
            found.append(torch.stack([sums["nll"], sums["hits"], sums["words"]], 1).double().cpu())
    return torch.cat(found)


def _interval(metric: str, texts: list[str], targets: list[str]) -> tuple[float, float]:
    """95 % bootstrap interval over rows, of pooled n-gram counts for chrF."""
    references = [[target] for target in targets]
    if metric == "chrf":
        counts = row_counts(texts, references)
        found = bootstrap(lambda rows: score(rows.sum(0)), counts, method="percentile")
    else:
        found = bootstrap(np.mean, row_scores(texts, references)[:, 2], method="percentile")
    return found.lo, found.hi
