"""Encoder-decoders, tiny T5 and BART: foretelling, writing, adapters, measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.language.world import QUESTIONS, write_chats, write_tokenizer
from tests.training.world import Listener
from training.errors import Interrupted, UserError
from training.finetune import FinetuneResult, finetune
from training.language.causal import SEQ2SEQ, load_causal, quiet
from training.language.pairs import encode_pairs, held_out_pairs, read_pairs
from training.language.scribe import load_tokenizer
from training.language.translating import ScoredPairs
from training.recipe import PairData, Recipe, parse_recipe
from training.tasks import task_kind
from training.weights import load_weights

CPU = torch.device("cpu")
SIZES: dict[str, dict[str, Any]] = {
    "t5": {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0},
    "bart": {
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "max_position_embeddings": 128,
        "dropout": 0.0,
    },
}


def write_base(folder: Path, kind: str) -> Path:
    from transformers import AutoConfig, AutoModelForSeq2SeqLM

    vocabulary = len(write_tokenizer(folder, None))
    ends = {"eos_token_id": 2, "pad_token_id": 0, "decoder_start_token_id": 0, "bos_token_id": None}
    config = AutoConfig.for_model(kind, vocab_size=vocabulary, **SIZES[kind], **ends)
    torch.manual_seed(7)
    with quiet():
        AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=sorted(SIZES))
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    rows = [{"source": source, "target": target} for source, target in QUESTIONS]
    write_chats(folder, rows, split="test")
    return write_chats(folder, rows)


def recipe(task: str = "translation", **sections: Any) -> Recipe:
    data = {"repo": "pairs", "validation_split": "test", "max_target_tokens": 40, "prefix": "say:"}
    plain: dict[str, Any] = {
        "task": task,
        "base_model": {"repo": "me/base"},
        "dataset": {**data, **sections.pop("dataset", {})},
        "strategy": {"kind": "full", **sections.pop("strategy", {})},
        "optim": {"lr": 1e-2, "epochs": 2, "batch_size": 2, **sections.pop("optim", {})},
        **sections,
    }
    return parse_recipe(plain)


def run(
    given: Recipe, base: Path, data: Path, work: Path, listener: Listener | None = None
) -> FinetuneResult:
    return finetune(
        given,
        base_dir=base,
        data_dir=data,
        work_dir=work,
        reporter=listener or Listener(),
        report_seconds=0.0,
        checkpoint_seconds=1e9,
    )


def test_likelihoods_are_those_of_the_stock_library(base: Path, pairs: Path) -> None:
    """Filled up or not, and the same as the loss that transformers computes itself."""
    data = recipe().dataset
    assert isinstance(data, PairData)
    tokenizer = load_tokenizer(base)
    rows, cut = encode_pairs(tokenizer, read_pairs(pairs, "train", data), data)
    assert cut == 0
    net = load_causal(base, family=SEQ2SEQ)
    with torch.no_grad():
        together = ScoredPairs(net).eval()(rows.take(torch.arange(len(rows)), CPU)[0])
        for row in range(len(rows)):
            inputs, labels = rows.take(torch.tensor([row]), CPU)
            loss = net(input_ids=inputs["input_ids"], labels=labels).loss
            assert float(together["nll"][row] / together["words"][row]) == pytest.approx(
                float(loss), rel=1e-4
            )
            assert labels[0, -1] == tokenizer.eos_token_id


def test_pairs_are_learnt_by_heart_and_written_again(base: Path, pairs: Path, tmp_path: Path) -> None:
    given = recipe(optim={"epochs": 120, "lr": 1e-2, "batch_size": 6})
    result = run(given, base, pairs, tmp_path)
    kind, listener = task_kind("translation"), Listener()
    report = kind.evaluate(result.model_dir, pairs, "test", recipe=given, reporter=listener)
    found = report.as_dict()
    assert found["perplexity"] < 1.2
    assert (report.metric, report.n) == ("chrf", len(QUESTIONS))
    assert report.value == pytest.approx(100)
    assert (report.lo, report.hi) == pytest.approx((100, 100))
    assert found["bleu"] == pytest.approx(100)
    shorter = task_kind("summarization").evaluate(
        result.model_dir, pairs, "test", recipe=given, reporter=listener
    )
    assert (shorter.metric, shorter.value) == ("rougeL", 1.0)


def test_an_adapter_loads_with_the_stock_library(base: Path, pairs: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForSeq2SeqLM

    from training.language.translating import load_translator

    result = run(recipe(strategy={"kind": "lora"}, optim={"lr": 3e-2}), base, pairs, tmp_path)
    with quiet():
        plain = AutoModelForSeq2SeqLM.from_pretrained(base)
        stock = PeftModel.from_pretrained(plain, result.model_dir).eval()
    ours, tokenizer = load_translator(result.model_dir)
    inputs = tokenizer("say: Can I pay by card?", return_tensors="pt")
    begin = torch.zeros(1, 1, dtype=torch.long)
    with torch.no_grad():
        found, expected = (net(inputs["input_ids"], decoder_input_ids=begin).logits for net in (ours, stock))
        with stock.disable_adapter():
            before = stock(inputs["input_ids"], decoder_input_ids=begin).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert (before - expected).abs().max() > 1e-3
    assert set(task_kind("translation").predict(result.model_dir, "Can I pay by card?")) == {"text"}


def test_an_interrupted_run_ends_as_the_whole_one(base: Path, pairs: Path, tmp_path: Path) -> None:
    whole, first, second = Listener(), Listener(4, Interrupted()), Listener()
    expected = run(recipe(), base, pairs, tmp_path / "whole", whole)
    with pytest.raises(Interrupted):
        run(recipe(), base, pairs, tmp_path / "cut", first)
    result = run(recipe(), base, pairs, tmp_path / "cut", second)
    assert first.losses() + second.losses() == whole.losses()
    left, right = (load_weights(item.model_dir / "model.safetensors") for item in (expected, result))
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_long_texts_lose_their_end_but_still_end(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", "t5")
    rows = [{"source": "Yes " * 50, "target": "No " * 50}, {"source": "Yes", "target": "No"}]
    data = recipe(dataset={"max_tokens": 8, "max_target_tokens": 5, "prefix": None}).dataset
    assert isinstance(data, PairData)
    tokenizer = load_tokenizer(base)
    found, cut = encode_pairs(tokenizer, read_pairs(write_chats(tmp_path, rows), "train", data), data)
    assert cut == 1
    assert (len(found.sources[0]), len(found.targets[0])) == (8, 5)
    assert {row[-1] for row in found.targets} == {tokenizer.eos_token_id}


@pytest.mark.parametrize("prefix", ["say:", "say: "])
def test_one_space_stands_after_the_prefix(pairs: Path, prefix: str) -> None:
    data = recipe(dataset={"prefix": prefix}).dataset
    assert isinstance(data, PairData)
    assert read_pairs(pairs, "train", data).sources[0] == f"say: {QUESTIONS[0][0]}"


def test_pairs_alike_but_for_case_stay_on_one_side(tmp_path: Path) -> None:
    rows = [{"source": text.format(n), "target": "x"} for n in range(20) for text in ("Go {}", "go  {}")]
    data = recipe(dataset={"prefix": None}).dataset
    assert isinstance(data, PairData)
    kept, out = held_out_pairs(read_pairs(write_chats(tmp_path, rows), "train", data), 0.25, seed=0)
    assert (len(kept), len(out)) == (30, 10)
    sides = [{" ".join(source.lower().split()) for source in side.sources} for side in (kept, out)]
    assert not sides[0] & sides[1]


def test_what_does_not_fit_is_told(llama: Path, pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        run(recipe(), llama, pairs, tmp_path)
    assert caught.value.message_id == "model:not-seq2seq"
    data = recipe(dataset={"target_column": "german"}).dataset
    assert isinstance(data, PairData)
    with pytest.raises(UserError, match="no column 'german'"):
        read_pairs(pairs, "train", data)
    write_chats(tmp_path / "empty", [{"source": " ", "target": "x"}])
    with pytest.raises(UserError) as caught:
        read_pairs(tmp_path / "empty", "train", recipe().dataset)  # type: ignore[arg-type]
    assert caught.value.message_id == "data:empty-source"
    with pytest.raises(UserError):
        task_kind("translation").predict(llama, " ")
