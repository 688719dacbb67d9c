"""Answers of a causal model: greedy, so that the same files give the same words; bounded in length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from training.language.causal import quiet
from training.language.reading import Message
from training.language.scribe import Scribe

ANSWERED_AT_ONCE = 16


def answers(
    net: nn.Module,
    scribe: Scribe,
    conversations: Sequence[Sequence[Message]],
    *,
    max_new_tokens: int,
    max_prompt_tokens: int,
    check: Callable[[], None] = lambda: None,
) -> list[str]:
    """What the model says next in each conversation, at most `max_new_tokens` tokens, greedily.

    Of a prompt longer than `max_prompt_tokens` the end is kept. Conversations of like length are answered
    together, filled up on the left; the mask keeps the filler out of sight.
    """
    prompts = [scribe.prompt_ids(messages)[-max_prompt_tokens:] for messages in conversations]
    order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), index))
    found = [""] * len(prompts)
    for start in range(0, len(order), ANSWERED_AT_ONCE):
        check()
        chosen = order[start : start + ANSWERED_AT_ONCE]
        for index, ids in zip(
            chosen, _greedy(net, scribe, [prompts[index] for index in chosen], max_new_tokens), strict=True
        ):
            found[index] = scribe.decode(ids)
    return found


def _greedy(net: nn.Module, scribe: Scribe, prompts: list[list[int]], limit: int) -> list[list[int]]:
    from transformers import GenerationConfig

    device = next(net.parameters()).device
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), scribe.pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, prompt in enumerate(prompts):
        ids[index, width - len(prompt) :] = torch.tensor(prompt)
        mask[index, width - len(prompt) :] = 1
    how = GenerationConfig(
        max_new_tokens=limit,
        do_sample=False,
        num_beams=1,
        eos_token_id=list(scribe.stops),
        pad_token_id=scribe.pad,
    )
    net.eval()
    with torch.inference_mode(), quiet():
        given = net.generate(  # type: ignore[operator]
            input_ids=ids.to(device), attention_mask=mask.to(device), generation_config=how
        )
    found: list[list[int]] = given[:, width:].tolist()
    return found
