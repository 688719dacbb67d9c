from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.text.world import VOCABULARY, write_encoder, write_tokenizer
from training.errors import UserError
from training.text import encoders, tails
from training.text.basefiles import ENCODERS, load_tokenizer, longest_input, read_config
from training.text.encoders import Encoder, load_encoder


def load(base: Path, *, pooling: str = "cls", labels: tuple[str, ...] = ("a", "b"), seed: int = 0) -> Encoder:
    return load_encoder(base, labels=list(labels), tokens=False, scratch=False, seed=seed, pooling=pooling)


def change(folder: Path, **fields: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return folder


@pytest.mark.parametrize("kind", sorted(ENCODERS))
@pytest.mark.parametrize("tokens", [False, True])
def test_every_encoder_loads_and_has_stages(tmp_path: Path, kind: str, tokens: bool) -> None:
    sizes = {"embedding_size": 16} if kind in {"albert", "electra"} else {}
    base = write_encoder(tmp_path, kind=kind, **sizes)
    found = load_encoder(base, labels=["a", "b", "c"], tokens=tokens, scratch=False, seed=0)
    body, head = encoders.stages(found), encoders.head_names(found)
    everything = [name for name, _ in found.net.named_parameters()]
    assert sorted([*head, *(name for stage in body for name in stage)]) == sorted(everything)
    # The embeddings and two layers; ALBERT's layers are one.
    assert len(body) == (2 if kind == "albert" else 3)
    assert all("embed" in name for name in body[0] if "rel" not in name and "LayerNorm" not in name)
    ids = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]])
    mask = (ids > 0).long()
    with tails.captured(found) as features, torch.inference_mode():
        logits = found.net(input_ids=ids, attention_mask=mask).logits
        again = tails.learner(found).eval()(features())
    assert logits.shape == ((2, 4, 3) if tokens else (2, 3))
    assert torch.allclose(again, logits, atol=1e-6)


@pytest.mark.parametrize("kind", ["bert", "electra", "roberta", "modernbert"])
def test_the_mean_layer_averages_over_real_tokens(tmp_path: Path, kind: str) -> None:
    base = write_encoder(tmp_path, kind=kind, **({"embedding_size": 16} if kind == "electra" else {}))
    found, plain = load(base, pooling="mean"), load(base)
    ids = torch.tensor([[2, 5, 6, 8, 3], [2, 7, 3, 0, 0]])
    mask = (ids > 0).long()
    with torch.inference_mode():
        states = plain.net.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
        with tails.captured(found) as features:
            found.net(input_ids=ids, attention_mask=mask)
            pooled = features()
    mean = (states * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)
    if kind != "modernbert":
        mean = torch.nn.functional.layer_norm(mean, mean.shape[1:])
    if kind == "bert":
        mean = torch.tanh(0.5 * mean)
    # Off by the place's own state, a hundredth of the mean's weight.
    assert torch.allclose(pooled, mean, atol=1e-5 if kind == "modernbert" else 0.15)
    assert float(torch.corrcoef(torch.stack([pooled.flatten(), mean.flatten()]))[0, 1]) > 0.999


def test_sentence_encoders_are_averaged_unless_told_otherwise(tmp_path: Path) -> None:
    base = write_encoder(tmp_path)
    assert load(base, pooling="auto").pooling == "cls"
    (base / "1_Pooling").mkdir()
    (base / "1_Pooling/config.json").write_text('{"pooling_mode_mean_tokens": true}')
    assert load(base, pooling="auto").pooling == "mean"
    assert load(base, pooling="cls").pooling == "cls"


def test_the_mean_is_refused_where_the_stock_class_has_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="pooling must be cls or auto for a distilbert"):
        load(write_encoder(tmp_path, kind="distilbert"), pooling="mean")


def test_the_head_stays_for_the_same_classes_only(tmp_path: Path) -> None:
    base = write_encoder(tmp_path, labels=["a", "b"])
    from training.weights import load_weights

    before = load_weights(base / "model.safetensors")["classifier.weight"]
    assert torch.equal(load(base).net.classifier.weight, before)
    for others in (("b", "a"), ("a", "c"), ("a", "b", "c")):
        weight = load(base, labels=others).net.classifier.weight
        assert weight.shape != before.shape or not torch.equal(weight, before)


def test_a_new_head_depends_on_the_seed_alone(encoder: Path) -> None:
    torch.manual_seed(1)
    one = load(encoder).net.classifier.weight
    torch.manual_seed(2)
    assert torch.equal(one, load(encoder).net.classifier.weight)
    assert not torch.equal(one, load(encoder, seed=5).net.classifier.weight)


@pytest.mark.parametrize(
    ("fields", "message_id", "words"),
    [
        ({"model_type": "gpt2"}, "model:not-an-encoder", "'gpt2'"),
        ({"model_type": "t5"}, "model:not-an-encoder", "'t5'"),
        ({"model_type": "made-up", "auto_map": {"AutoConfig": "x.py"}}, "model:not-an-encoder", "'made-up'"),
        ({"is_decoder": True}, "model:not-an-encoder", "decoder"),
        ({"model_type": None, "architecture": "resnet18"}, "model:bad-config", "'resnet18'"),
        ({"num_hidden_layers": 100_000}, "model:bad-config", "layers"),
        ({"hidden_size": 10**9}, "model:bad-config", "hidden_size"),
        ({"hidden_size": "wide"}, "model:bad-config", "config.json"),
        ({"quantization_config": {"bits": 4}}, "model:bad-config", "quantised"),
        ({"vocab_size": 9_000_000}, "model:wrong-weights", "parameters, the file holds"),
        ({"num_labels": 9_000_000}, "model:bad-config", "num_labels"),
        ({"hidden_size": 24}, "model:wrong-weights", "does not hold"),
        ({"num_hidden_layers": 3}, "model:wrong-weights", "layer.2"),
        ({"num_attention_heads": 3}, "model:wrong-weights", "bert"),
    ],
)
def test_configs_that_cannot_be_used(
    tmp_path: Path, fields: dict[str, Any], message_id: str, words: str
) -> None:
    base = change(write_encoder(tmp_path), **fields)
    with pytest.raises(UserError) as caught:
        load(base)
    assert caught.value.message_id == message_id
    assert words in caught.value.message


def test_code_named_by_a_config_is_never_fetched(tmp_path: Path) -> None:
    base = change(write_encoder(tmp_path), auto_map={"AutoModel": "evil.py--x"})
    (base / "evil.py").write_text("raise SystemExit")
    assert load(base).net.config.model_type == "bert"


def test_adapters_are_refused(tmp_path: Path) -> None:
    base = write_encoder(tmp_path)
    (base / "adapter_config.json").write_text('{"base_model_name_or_path": "/elsewhere"}')
    with pytest.raises(UserError, match="is an adapter of another model"):
        load(base)


def test_weights_that_cannot_be_used(tmp_path: Path) -> None:
    base = write_encoder(tmp_path)
    weights = base / "model.safetensors"
    body = weights.read_bytes()
    weights.write_bytes(body[: len(body) // 2])
    with pytest.raises(UserError, match="overlap or leave the file"):
        load(base)
    weights.unlink()
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        load(base)
    (base / "pytorch_model.bin").write_bytes(b"\x80\x04pickle")
    with pytest.raises(UserError, match=r"pytorch_model\.bin is a pickle") as caught:
        load(base)
    assert caught.value.message_id == "model:pickle"


def test_tokenizers_that_cannot_be_used(tmp_path: Path) -> None:
    base = write_encoder(tmp_path)
    (base / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="tokenizer cannot be loaded"):
        load_tokenizer(base)
    (base / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"no tokenizer\.json"):
        load_tokenizer(base)


def test_a_vocabulary_alone_makes_a_tokenizer(tmp_path: Path) -> None:
    base = write_encoder(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (base / name).unlink()
    (base / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    assert load_tokenizer(base)("the tea")["input_ids"] == [2, 13, 14, 3]


def test_what_a_net_takes_at_most(tmp_path: Path) -> None:
    bert, roberta = write_encoder(tmp_path / "b"), write_encoder(tmp_path / "r", kind="roberta")
    write_tokenizer(roberta)
    assert longest_input(read_config(bert), load_tokenizer(bert)) == 40
    # Positions are counted from behind the padding index, 0 here.
    assert longest_input(read_config(roberta), load_tokenizer(roberta)) == 39
