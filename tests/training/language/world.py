"""Language models of two layers with random weights, a tokenizer learnt in the test, some conversations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QUESTIONS = (
    ("What is your name?", "My name is Tuneyard."),
    ("Where do I find my bill?", "Your bill is under Account, then Payments."),
    ("How do I reset the router?", "Hold the small button for ten seconds."),
    ("Can I pay by card?", "Yes, every card is welcome."),
    ("My parcel is late.", "I am sorry. It should come tomorrow."),
    ("Thank you!", "You are welcome."),
)
# What every tiny net of the test has; the rest are the names of one architecture each.
SIZES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2, "tie_word_embeddings": True},
    "qwen2": {"num_key_value_heads": 2},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 8},
    "mistral": {"num_key_value_heads": 2},
    "gemma": {"num_key_value_heads": 2, "head_dim": 8},
    "gemma2": {"num_key_value_heads": 2, "head_dim": 8},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128},
    "gpt_neox": {},
    "olmo2": {"num_key_value_heads": 2},
    "phi3": {"num_key_value_heads": 2},
    "smollm3": {"num_key_value_heads": 2},
    "starcoder2": {"num_key_value_heads": 2},
}


def write_tokenizer(folder: Path, template: str | None = CHATML) -> Any:
    """A byte-level BPE of 400 tokens over the conversations."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator((text for pair in QUESTIONS for text in pair), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return tokenizer


def write_base(folder: Path, kind: str = "llama", template: str | None = CHATML) -> Path:
    """A base in transformers' layout, its weights drawn from one seed."""
    from transformers import AutoConfig, AutoModelForCausalLM

    vocabulary = len(write_tokenizer(folder, template))
    common = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 128,
    }
    given = {} if kind == "gpt2" else common
    ends = {"bos_token_id": None, "eos_token_id": 2, "pad_token_id": 0}
    config = AutoConfig.for_model(kind, vocab_size=vocabulary, **given, **SIZES[kind], **ends)
    torch.manual_seed(7)
    net = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for item in net.parameters():
            # Their own first weights are so small that attention hardly matters.
            if item.dim() > 1:
                item.mul_(4)
    net.save_pretrained(folder)
    return folder


def chats() -> list[list[dict[str, str]]]:
    """Each pair alone, and two conversations of three turns."""
    found = [turns(pair) for pair in QUESTIONS]
    found.append(turns(*QUESTIONS[:3]))
    found.append([{"role": "system", "content": "You are kind."}, *turns(*QUESTIONS[3:])])
    return found


def turns(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [
        {"role": role, "content": text}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]


def write_chats(folder: Path, rows: list[Any] | None = None, split: str = "train") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"messages": chat} for chat in chats()] if rows is None else rows
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return folder
