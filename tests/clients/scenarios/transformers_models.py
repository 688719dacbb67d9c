"""`transformers`: push_to_hub and from_pretrained, one file and sharded, tokenizers."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from rows import TOKEN, new_id, row, run_rows
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertTokenizerFast,
)

torch.manual_seed(0)
CONFIG = BertConfig(
    vocab_size=600, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128
)
MODEL = BertForSequenceClassification(CONFIG)


def same(one: torch.nn.Module, two: torch.nn.Module) -> bool:
    left, right = one.state_dict(), two.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@row("model: push_to_hub, from_pretrained")
def whole() -> None:
    repo_id = new_id()
    MODEL.push_to_hub(repo_id, token=TOKEN)
    assert AutoConfig.from_pretrained(repo_id, token=TOKEN).hidden_size == 64
    assert same(AutoModelForSequenceClassification.from_pretrained(repo_id, token=TOKEN), MODEL)


@row("sharded: push_to_hub, from_pretrained")
def sharded() -> None:
    repo_id = new_id()
    MODEL.push_to_hub(repo_id, token=TOKEN, max_shard_size="150KB")
    assert same(AutoModelForSequenceClassification.from_pretrained(repo_id, token=TOKEN), MODEL)


@row("tokenizer: push_to_hub, from_pretrained; a branch")
def tokenizer() -> None:
    repo_id = new_id()
    with tempfile.TemporaryDirectory() as folder:
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "##ly"]
        (Path(folder) / "vocab.txt").write_text("\n".join(words))
        made = BertTokenizerFast(str(Path(folder) / "vocab.txt"))
        made.push_to_hub(repo_id, token=TOKEN)
    found = AutoTokenizer.from_pretrained(repo_id, token=TOKEN)
    assert found("goodly bad")["input_ids"] == made("goodly bad")["input_ids"]


@row("a pull request by push_to_hub(create_pr=True), loaded from its revision")
def pull_request() -> None:
    repo_id = new_id()
    MODEL.push_to_hub(repo_id, token=TOKEN)
    MODEL.config.id2label = {0: "no", 1: "yes"}
    MODEL.push_to_hub(repo_id, token=TOKEN, create_pr=True)
    found = AutoConfig.from_pretrained(repo_id, token=TOKEN, revision="refs/pr/1")
    assert found.id2label == {0: "no", 1: "yes"}


if __name__ == "__main__":
    sys.exit(run_rows())
