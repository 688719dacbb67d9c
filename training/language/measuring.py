"""Measure a language model on a split: perplexity of the answers, and its own answers against them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.device import pick_device, reproducible
from training.language.answers import answers
from training.language.batches import plain_rows
from training.language.encoding import encode
from training.language.published import load_published
from training.language.reading import Chat, Message, read_chats
from training.language.runs import chat_data, columns_of
from training.language.scoring import Scored
from training.language.scribe import Scribe
from training.measures.intervals import bootstrap
from training.measures.text import chrf, exact_match, perplexity, token_f1
from training.recipe import Recipe
from training.reporting import Reporter
from training.tasks.base import Measured

SCORED_AT_ONCE = 16


def evaluate_answers(
    model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
) -> Measured:
    """Every answer's likelihood, and the greedy answer to every different prompt against all its references.

    `value` is the mean token F1 over prompts with a bootstrap interval; for plain text, which answers
    nothing, the perplexity with one over rows. Raises `UserError` for unusable files, and what
    `reporter.check` raises.
    """
    data = chat_data(recipe)
    chats = read_chats(data_dir, split, columns_of(data), check=reporter.check)
    net, scribe = load_published(model_dir)
    net.to(pick_device())
    with reproducible(0, True):
        sums = score(net, scribe, chats, data.max_tokens, reporter)
        prompts = by_prompt(chats)
        said = answers(
            net,
            scribe,
            [messages for messages, _ in prompts],
            max_new_tokens=data.max_new_tokens,
            max_prompt_tokens=data.max_tokens,
            check=reporter.check,
        )
    found = likelihood(sums)
    if not prompts:
        lo, hi = _interval(sums[:, 0], sums[:, 2])
        value = found["perplexity"]
        return Measured(len(sums), "perplexity", value, math.exp(lo), math.exp(hi), found)
    references = [wanted for _, wanted in prompts]
    found |= {
        "exact_match": exact_match(said, references),
        "token_f1": token_f1(said, references),
        "chrf": chrf(said, references),
    }
    each = torch.tensor([token_f1([text], [own]) for text, own in zip(said, references, strict=True)])
    lo, hi = _interval(each, torch.ones(len(each)))
    return Measured(len(prompts), "token_f1", found["token_f1"], lo, hi, found)


def score(net: Any, scribe: Scribe, chats: Sequence[Chat], max_tokens: int, reporter: Reporter) -> Tensor:
    """nll, hits and words of every example, fp64 [n, 3] on the CPU."""
    tokens, _ = encode(scribe, chats, max_tokens, reporter.check)
    rows = plain_rows(tokens, scribe.pad)
    learner = Scored(net).eval()
    device = next(net.parameters()).device
    order = tokens.lengths.argsort(stable=True)
    found = torch.zeros(len(rows), 3, dtype=torch.float64)
    with torch.inference_mode():
        for part in order.split(SCORED_AT_ONCE):
            reporter.check()
            inputs, _ = rows.take(part, device)
            sums = learner(inputs)
            found[part] = torch.stack([sums["nll"], sums["hits"], sums["words"]], 1).double().cpu()
    return found


def likelihood(sums: Tensor) -> dict[str, float]:
    """loss (nats a token), perplexity and token_accuracy of sums [n, 3]: over all tokens, not over rows."""
    nll, hits, words = (float(item) for item in sums.double().sum(0))
    return {
        "loss": nll / words,
        "perplexity": perplexity(nll, int(words)),
        "token_accuracy": hits / words,
    }


def by_prompt(chats: Iterable[Chat]) -> list[tuple[list[Message], list[str]]]:
    """Every different prompt of a last answer with all the answers that the split gives to it, in order."""
    found: dict[str, tuple[list[Message], list[str]]] = {}
    for chat in chats:
        turns = [place for place, item in enumerate(chat.messages) if item["role"] == "assistant"]
        if turns:
            messages = list(chat.messages[: turns[-1]])
            own = found.setdefault(repr(messages), (messages, []))
            own[1].append(chat.messages[turns[-1]]["content"])
    return list(found.values())


def _interval(tops: Tensor, bottoms: Tensor) -> tuple[float, float]:
    """95 % bootstrap interval of Σ tops / Σ bottoms, rows drawn with replacement."""

    def ratio(over: Any, under: Any) -> Any:
        return over.sum(-1) / under.sum(-1)

    found = bootstrap(
        ratio, tops.double().numpy(), bottoms.double().numpy(), method="percentile", batched=True
    )
    return found.lo, found.hi
