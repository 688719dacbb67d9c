"""Weights change their names and their layout, never what they compute."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.assets.encoders import MATRICES, named_tensors
from bench.assets.onnxfile import read_tensors
from bench.assets.smollm import halves_apart, tensor_name, write_config, write_tokenizer

CHAT = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _block(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _onnx(tensors: dict[str, np.ndarray]) -> bytes:
    kinds = {"float32": 1, "int8": 3}
    graph = b""
    for name, values in tensors.items():
        dims = b"".join(_varint(1 << 3) + _varint(side) for side in values.shape)
        kind = _varint(2 << 3) + _varint(kinds[str(values.dtype)])
        graph += _block(5, dims + kind + _block(8, name.encode()) + _block(9, values.tobytes()))
    return _varint(1 << 3) + _varint(8) + _block(2, b"made by hand") + _block(7, graph)


def test_tensors_of_an_onnx_file_keep_name_shape_and_values() -> None:
    tensors = {"a": np.arange(300, dtype=np.float32).reshape(2, 150), "b": np.array([-1, 2], np.int8)}
    found = read_tensors(_onnx(tensors))
    assert found.keys() == tensors.keys()
    assert all(
        (found[name] == tensors[name]).all() and found[name].dtype == tensors[name].dtype for name in tensors
    )


def test_packed_dims_and_floats_are_read_too() -> None:
    floats = struct.pack("<2f", 1.5, -2.5)
    tensor = (
        _block(1, _varint(1) + _varint(2))
        + _varint(2 << 3)
        + _varint(1)
        + _block(4, floats)
        + _block(8, b"w")
    )
    assert read_tensors(_block(7, _block(5, tensor)))["w"].tolist() == [[1.5, -2.5]]


def test_what_is_no_onnx_file_is_refused() -> None:
    whole = _onnx({"a": np.zeros(9, np.float32)})
    for data in (whole[:-3], b"\xff" * 12, b"", b"plain text, no protocol buffer"):
        with pytest.raises(ValueError, match=r"protocol buffer|no tensors|unknown type"):
            read_tensors(data)


def test_int8_values_become_floats_under_the_names_of_transformers() -> None:
    file: dict[str, np.ndarray] = {"inner.embeddings.LayerNorm.weight": np.ones(2, np.float32)}
    file["inner.embeddings.word_embeddings.weight_q"] = np.array([[2, -4]], np.int8)
    file["inner.embeddings.word_embeddings.weight_scale"] = np.array([0.5], np.float32)
    # The numbers rise through a layer, whatever the order of the file.
    for number in (9, 100, 11, 12, 10, 30):
        file[f"val_{number}_q"] = np.array([[number, 1]], np.int8)
        file[f"val_{number}_scale"] = np.array(2.0, np.float32)
    file["new_ones"] = np.ones(1, np.int8)
    found = named_tensors(file)
    layer = [f"encoder.layer.0.{name}.weight" for name in MATRICES]
    assert set(found) == {"embeddings.LayerNorm.weight", "embeddings.word_embeddings.weight", *layer}
    assert found["embeddings.word_embeddings.weight"].tolist() == [[1.0, -2.0]]
    assert [found[name].tolist() for name in layer] == [[[2.0 * n], [2.0]] for n in (9, 10, 11, 12, 30, 100)]
    with pytest.raises(ValueError, match="5 numbered matrices"):
        named_tensors({key: item for key, item in file.items() if key != "val_30_q"})


def test_names_of_llama_are_known_and_no_others() -> None:
    assert tensor_name("token_embd.weight") == "model.embed_tokens.weight"
    assert tensor_name("blk.12.ffn_gate.weight") == "model.layers.12.mlp.gate_proj.weight"
    for name in ("output.weight", "blk.0.ssm_in.weight"):
        with pytest.raises(ValueError, match="no tensor of LLaMA"):
            tensor_name(name)


def test_rotating_pairs_and_rotating_halves_give_the_same_attention() -> None:
    """GGUF rotates rows 2i and 2i+1 by angle i, transformers rows i and i + half (Su et al., RoFormer)."""
    generator = torch.Generator().manual_seed(0)
    heads, size, width = 3, 8, 5
    pairs = torch.randn(heads * size, width, generator=generator)
    halves = torch.from_numpy(halves_apart("blk.0.attn_q.weight", pairs.numpy(), heads, 1))
    x, angles = torch.randn(width, generator=generator), torch.arange(size // 2) * 0.7
    turn = torch.polar(torch.ones(size // 2), angles)
    by_pairs = torch.view_as_complex((pairs @ x).reshape(heads, size // 2, 2)) * turn
    parts = (halves @ x).reshape(heads, 2, size // 2)
    by_halves = torch.complex(parts[:, 0], parts[:, 1]) * turn
    torch.testing.assert_close(by_pairs, by_halves)
    assert halves_apart("blk.0.attn_v.weight", pairs.numpy(), heads, 1) is not None
    assert (halves_apart("blk.0.ffn_up.weight", pairs.numpy(), heads, 1) == pairs.numpy()).all()


def _facts() -> dict[str, Any]:
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *"abĠ12Ċ", "ab"]
    return {
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.token_type": [3, 3, 3, *[1] * 7],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.padding_token_id": 2,
        "tokenizer.chat_template": CHAT,
        "llama.context_length": 64,
        "llama.vocab_size": len(tokens),
        "llama.embedding_length": 8,
        "llama.feed_forward_length": 16,
        "llama.block_count": 2,
        "llama.attention.head_count": 2,
        "llama.attention.head_count_kv": 1,
        "llama.attention.layer_norm_rms_epsilon": 9.999999747378752e-06,
        "llama.rope.freq_base": 100000.0,
    }


def test_the_tokenizer_parts_digits_merges_words_and_knows_the_chat(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    write_config(tmp_path, _facts())
    write_tokenizer(tmp_path, _facts())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer("ab 12").tokens() == ["ab", "Ġ", "1", "2"]
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "ab"}], tokenize=False)
    assert tokenizer(chat).input_ids == [1, 9, 2]
    assert tokenizer.decode([1, 9, 2], skip_special_tokens=True) == "ab"
    with pytest.raises(ValueError, match="'llama-bpe'"):
        write_tokenizer(tmp_path, _facts() | {"tokenizer.ggml.pre": "llama-bpe"})


def test_the_config_builds_the_net_that_the_facts_describe(tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    write_config(tmp_path, _facts())
    config = AutoConfig.from_pretrained(tmp_path)
    assert config.rms_norm_eps == 1e-5
    net = AutoModelForCausalLM.from_config(config)
    names = {
        tensor_name(f"blk.1.{name}.weight") for name in ("attn_q", "attn_output", "ffn_down", "ffn_norm")
    }
    assert names <= net.state_dict().keys()
    assert net.model.layers[0].self_attn.k_proj.weight.shape == (4, 8)
    assert net.lm_head.weight is net.model.embed_tokens.weight
    assert json.loads((tmp_path / "generation_config.json").read_text())["eos_token_id"] == 2
