"""Twelve architectures, each tiny: packing, adapters and merging are exact in all of them."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training.language.world import SIZES, chats, write_base
from training.errors import UserError
from training.language import causal, lora
from training.language.batches import TokenRows, packed_rows, plain_rows
from training.language.causal import load_causal, new_causal, stages
from training.language.encoding import encode
from training.language.lora import Adapter, add_lora, load_adapter, merged, save_adapter
from training.language.reading import Chat
from training.language.scribe import load_scribe

CPU = torch.device("cpu")


def rows_of(base: Path, limit: int, *, packed: bool) -> TokenRows:
    scribe = load_scribe(base)
    tokens, _ = encode(scribe, [Chat(tuple(messages), "", "here") for messages in chats()], 64)
    return packed_rows(tokens, scribe.pad, limit) if packed else plain_rows(tokens, scribe.pad)


def told(net: Any, ids: Tensor, positions: Tensor) -> Tensor:
    found: Tensor = net(input_ids=ids, position_ids=positions, use_cache=False).logits
    return found


def logits(net: Any, rows: TokenRows) -> dict[int, Tensor]:
    """Of every example apart, by its number."""
    inputs, _ = rows.take(torch.arange(len(rows)), CPU)
    with torch.no_grad(), causal.quiet():
        found = net(
            input_ids=inputs["input_ids"], position_ids=inputs["position_ids"], use_cache=False
        ).logits
    apart = {}
    for index, row in enumerate(rows.rows):
        place = 0
        for item in row:
            stop = place + int(rows.tokens.lengths[item])
            apart[item] = found[index, place:stop]
            place = stop
    return apart


def shake(net: Any) -> None:
    """Adapters begin as nothing: give them something to say."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, item in net.named_parameters():
            if "lora_" in name:
                item.add_(0.05 * torch.randn(item.shape, generator=generator))


@pytest.mark.parametrize("kind", sorted(SIZES))
def test_packed_examples_do_not_see_each_other(kind: str, tmp_path: Path) -> None:
    base = write_base(tmp_path, kind)
    net, packed = load_causal(base), rows_of(base, 128, packed=True)
    assert any(len(row) > 1 for row in packed.rows)
    apart, together = logits(net, rows_of(base, 128, packed=False)), logits(net, packed)
    for item, expected in apart.items():
        torch.testing.assert_close(together[item], expected, atol=1e-5, rtol=0)
    # With positions that count on, they would.
    inputs, _ = packed.take(torch.arange(1), CPU)
    joined = torch.arange(inputs["input_ids"].shape[1])[None]
    with torch.no_grad(), causal.quiet():
        leaky = told(net, inputs["input_ids"], joined)[0]
    own = torch.cat([together[item] for item in packed.rows[0]])
    assert (leaky[: len(own)] - own).abs().max() > 0.01


@pytest.mark.parametrize("kind", sorted(SIZES))
def test_a_saved_adapter_loads_with_the_stock_library(kind: str, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = write_base(tmp_path / "base", kind)
    rows = rows_of(base, 128, packed=False)
    net = add_lora(load_causal(base), Adapter(rank=4), base_repo="me/base", revision="abc", seed=0).eval()
    shake(net)
    save_adapter(net, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (written["base_model_name_or_path"], written["revision"]) == ("me/base", "abc")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    with causal.quiet():
        stock = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "out").eval()
        whole = merged(tmp_path / "out", base)
        causal.save_whole(whole, tmp_path / "whole")
        plain = AutoModelForCausalLM.from_pretrained(tmp_path / "whole").eval()
    expected, untouched = logits(net, rows), logits(load_causal(base), rows)
    for other in (stock, plain, load_adapter(tmp_path / "out", base)):
        found = logits(other, rows)
        for item, tensor in expected.items():
            torch.testing.assert_close(found[item], tensor, atol=1e-5, rtol=0)
    assert max((expected[item] - untouched[item]).abs().max() for item in expected) > 1e-3


@pytest.mark.parametrize("adapter", [Adapter(rslora=True), Adapter(dora=True), Adapter(targets=("q_proj",))])
def test_the_kinds_of_adapters(llama: Path, tmp_path: Path, adapter: Adapter) -> None:
    net = add_lora(load_causal(llama), adapter, base_repo="me/base", revision=None, seed=0).eval()
    rows = rows_of(llama, 128, packed=False)
    before = logits(load_causal(llama), rows)
    begun = logits(net, rows)
    assert max((begun[item] - before[item]).abs().max() for item in begun) < 1e-5
    shake(net)
    save_adapter(net, tmp_path)
    again = logits(load_adapter(tmp_path, llama), rows)
    for item, tensor in logits(net, rows).items():
        torch.testing.assert_close(again[item], tensor, atol=1e-5, rtol=0)
    grown = [name for name, item in net.named_parameters() if item.requires_grad]
    assert grown
    assert all("lora_" in name for name in grown)
    assert any("lora_magnitude" in name for name in grown) == adapter.dora
    if adapter.targets:
        assert all("q_proj" in name for name in grown)


def test_an_adapter_is_the_same_file_every_time(llama: Path, tmp_path: Path) -> None:
    for place in ("one", "other"):
        torch.manual_seed(len(place))
        net = add_lora(load_causal(llama), Adapter(), base_repo="me/base", revision=None, seed=5)
        save_adapter(net, tmp_path / place)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_targets_that_do_not_exist_are_told_with_those_that_do(llama: Path) -> None:
    with pytest.raises(UserError) as caught:
        add_lora(
            load_causal(llama), Adapter(targets=("q_proj", "query")), base_repo="x", revision=None, seed=0
        )
    assert caught.value.message_id == "recipe:lora-targets"
    assert "'query'" in caught.value.message
    assert "gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj" in caught.value.message


def test_stages_go_from_the_embeddings_to_the_end(llama: Path) -> None:
    found = stages(load_causal(llama))
    assert [len(stage) for stage in found] == [1, 9, 9, 1]
    assert found[0] == ["model.embed_tokens.weight"]
    assert found[-1] == ["model.norm.weight"]
    assert all(".layers.1." in name for name in found[2])


def test_scratch_keeps_the_architecture_and_draws_by_seed(llama: Path) -> None:
    one, same, other = (new_causal(llama, seed) for seed in (1, 1, 2))
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(one.state_dict()[name], same.state_dict()[name])
    assert not torch.equal(one.state_dict()[name], other.state_dict()[name])
    assert one.state_dict().keys() == load_causal(llama).state_dict().keys()


def change(base: Path, target: Path, **fields: Any) -> Path:
    """A copy of a base with other values in its config.json."""
    shutil.copytree(base, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**config, **fields}), encoding="utf-8")
    return target


@pytest.mark.parametrize(
    ("fields", "message_id"),
    [
        ({"model_type": "bert"}, "model:not-causal"),
        ({"model_type": None}, "model:not-causal"),
        ({"model_type": "their_own", "auto_map": {"AutoModel": "code.Model"}}, "model:not-causal"),
        ({"quantization_config": {"quant_method": "gptq"}}, "model:quantised"),
        ({"num_hidden_layers": 10**7}, "model:bad-config"),
        ({"num_hidden_layers": "many"}, "model:bad-config"),
        ({"hidden_size": 10**6}, "model:wrong-weights"),
        ({"vocab_size": 10**9}, "model:wrong-weights"),
        ({"num_hidden_layers": 1}, "model:wrong-weights"),
        ({"intermediate_size": 32}, "model:wrong-weights"),
        ({"num_attention_heads": 5, "head_dim": None}, "model:bad-config"),
    ],
)
def test_configs_that_do_not_fit(
    llama: Path, tmp_path: Path, fields: dict[str, Any], message_id: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UserError) as caught:
            load_causal(change(llama, tmp_path / "base", **fields))
    assert caught.value.message_id == message_id, caught.value.message


def test_code_beside_a_model_never_runs(llama: Path, tmp_path: Path) -> None:
    base = change(
        llama, tmp_path / "base", auto_map={"AutoModelForCausalLM": "evil.Model", "AutoConfig": "evil.C"}
    )
    (base / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", encoding="utf-8")
    load_causal(base)
    load_scribe(base)
    assert not (tmp_path / "ran").exists()


def test_weights_that_are_missing_pickled_or_cut_short(llama: Path, tmp_path: Path) -> None:
    base = change(llama, tmp_path / "base")
    whole = (base / "model.safetensors").read_bytes()
    (base / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError) as caught:
        load_causal(base)
    assert caught.value.message_id == "model:bad-weights"
    (base / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        load_causal(base)
    (base / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(UserError) as caught:
        load_causal(base)
    assert caught.value.message_id == "model:pickle"
    (base / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_causal(base)
    assert caught.value.message_id == "model:is-adapter"


@pytest.mark.parametrize(
    "fields",
    [
        {"peft_type": "IA3"},
        {"r": 10**9},
        {"modules_to_save": ["lm_head"]},
        {"rank_pattern": {"(a+)+b": 3}},
        {"target_modules": ".*(proj|fc)+"},
        {"r": 2},
    ],
)
def test_adapters_of_strangers_are_read_by_known_fields(
    llama: Path, tmp_path: Path, fields: dict[str, Any]
) -> None:
    net = add_lora(load_causal(llama), Adapter(), base_repo="me/base", revision=None, seed=0)
    save_adapter(net, tmp_path)
    path = tmp_path / lora.CONFIG
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, "megatron_config": {}, "megatron_core": "this"}), encoding="utf-8")
    load_adapter(tmp_path, llama)
    path.write_text(json.dumps({**plain, **fields}), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_adapter(tmp_path, llama)
    assert caught.value.message_id == "model:wrong-adapter"
