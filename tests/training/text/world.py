"""A tiny random BERT with a WordPiece vocabulary of its own, and texts that their words tell apart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.recipe import Recipe, parse_recipe

GOOD = ("lovely", "great", "tasty", "perfect")
BAD = ("awful", "stale", "bitter", "broken")
FILLER = ("the", "tea", "was", "and", "box", "it", "tastes", "today", "my", "dog")
STREETS = ("oak", "mill", "king", "park")
KINDS = ("street", "road", "lane")
CITIES = ("leeds", "york", "bath")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# "12" is "1" and "##2": words of several tokens.
VOCABULARY = (
    *SPECIAL,
    *GOOD,
    *BAD,
    *FILLER,
    *STREETS,
    *KINDS,
    *CITIES,
    *(str(digit) for digit in range(10)),
    *(f"##{digit}" for digit in range(10)),
    ",",
    ".",
)


def write_encoder(
    folder: Path, *, kind: str = "bert", labels: Iterable[str] = (), tokens: bool = False, **sizes: Any
) -> Path:
    """A base model repo: weights, config and tokenizer as transformers writes them; bare without labels."""
    import transformers

    torch.manual_seed(3)
    defaults = {"bert": _bert, "distilbert": _distilbert, "roberta": _bert, "modernbert": _modernbert}
    config = transformers.CONFIG_MAPPING[kind](**{**defaults.get(kind, _bert)(), **sizes})
    names = list(labels)
    if names:
        config.id2label = dict(enumerate(names))
        config.label2id = {name: index for index, name in enumerate(names)}
        cls = "AutoModelForTokenClassification" if tokens else "AutoModelForSequenceClassification"
        net = getattr(transformers, cls).from_config(config)
    else:
        net = transformers.AutoModel.from_config(config)
    net.save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def _bert() -> dict[str, Any]:
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    sizes = {**sizes, "initializer_range": 0.2}
    return {**sizes, "vocab_size": len(VOCABULARY), "max_position_embeddings": 40, "pad_token_id": 0}


def _distilbert() -> dict[str, Any]:
    return {
        "dim": 16,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 32,
        "vocab_size": len(VOCABULARY),
        "max_position_embeddings": 40,
    }


def _modernbert() -> dict[str, Any]:
    ends = {"bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3}
    return {**_bert(), **ends, "global_attn_every_n_layers": 1}


def write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(WordPiece({word: index for index, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    plain.normalizer, plain.pre_tokenizer = BertNormalizer(lowercase=True), BertPreTokenizer()
    plain.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = ("pad", "unk", "cls", "sep", "mask")
    special = {f"{name}_token": token for name, token in zip(names, SPECIAL, strict=True)}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    PreTrainedTokenizerFast(tokenizer_object=plain, model_input_names=inputs, **special).save_pretrained(
        folder
    )


def reviews(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Texts of 3 to 12 words with one word that decides; both classes in turn."""
    generator = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        words = list(generator.choice(FILLER, generator.integers(2, 12)))
        decisive = GOOD if index % 2 else BAD
        words.insert(int(generator.integers(0, len(words) + 1)), str(generator.choice(decisive)))
        rows.append({"text": " ".join(map(str, words)), "label": "good" if index % 2 else "bad"})
    return rows


def addresses(count: int, seed: int = 0) -> list[dict[str, list[str]]]:
    """House number, street, kind, sometimes a city."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        words = [
            str(generator.integers(1, 100)),
            str(generator.choice(STREETS)),
            str(generator.choice(KINDS)),
        ]
        tags = ["Number", "Street", "Street"]
        if generator.random() < 0.5:
            words, tags = [*words, str(generator.choice(CITIES))], [*tags, "City"]
        rows.append({"tokens": words, "tags": tags})
    return rows


def write_jsonl(path: Path, rows: Iterable[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_reviews(folder: Path, train: int = 48, test: int = 12) -> Path:
    write_jsonl(folder / "train.jsonl", reviews(train))
    write_jsonl(folder / "test.jsonl", reviews(test, seed=1))
    return folder


def write_addresses(folder: Path, train: int = 48, test: int = 12) -> Path:
    write_jsonl(folder / "train.jsonl", addresses(train))
    write_jsonl(folder / "test.jsonl", addresses(test, seed=1))
    return folder


def text_recipe(task: str = "text-classification", **sections: Any) -> Recipe:
    """A full fine-tune of two short epochs unless told otherwise."""
    plain: dict[str, Any] = {
        "task": task,
        "base_model": {"repo": "base"},
        "dataset": {"repo": "data", **sections.pop("dataset", {})},
        "strategy": {"kind": "full", **sections.pop("strategy", {})},
        "optim": {"lr": 1e-2, "epochs": 2, "batch_size": 8, **sections.pop("optim", {})},
        **sections,
    }
    return parse_recipe(plain)
