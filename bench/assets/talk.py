"""Short exchanges and translations: chatterbot's English corpus, Django's German strings."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.splits import grouped_split
from bench.assets.writing import part, write_dataset, write_jsonl

ENGLISH = "chatterbot_corpus/data/english"
# One entry of trivia.yml is a list that lost its structure.
MAX_TURNS = 30
# In these files a list is no conversation: every later entry answers the first.
ANSWERS = ("computers", "emotion")
MO_MAGIC = 0x950412DE


def chatterbot(folder: Path, take: Take) -> None:
    rows = list(exchanges(take("chatterbot-corpus") / ENGLISH))
    splits = grouped_split([_key(row["prompt"]) for row in rows])
    card = Card(
        title="ChatterBot English",
        license="bsd-3-clause",
        license_note="BSD-3-Clause.",
        packages=["chatterbot-corpus"],
        tasks=["text-generation"],
        about=f"{len(rows):,} short exchanges out of the English corpus of ChatterBot: a sentence and "
        "what to answer. "
        "Of longer conversations every first and second, third and fourth turn make an exchange. Written by "
        "volunteers, of mixed quality and taste: it shows that fine-tuning works, it makes no good "
        "assistant.",
        splits="70 % train, 10 % validation, 20 % test by a hash of seed 0; all answers to one prompt "
        "together.",
        columns={
            "prompt": "what is said",
            "response": "**target**: what is answered",
            "messages": "both as messages of user and assistant",
            "category": "file of the corpus",
        },
    )
    write_jsonl(folder, card, {name: [rows[i] for i in chosen] for name, chosen in splits.items()})


def exchanges(folder: Path) -> Iterator[dict[str, Any]]:
    """Every different exchange of the YAML files in `folder`, in the order of their names."""
    seen = set()
    for path in sorted(folder.glob("*.yml")):
        for turns in yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]:
            texts = [" ".join(str(turn).split()) for turn in turns]
            if len(texts) > MAX_TURNS:
                continue
            prompts = texts[:1] * (len(texts) - 1) if path.stem in ANSWERS else texts[::2]
            answers = texts[1:] if path.stem in ANSWERS else texts[1::2]
            for prompt, response in zip(prompts, answers, strict=False):
                if prompt and response and (prompt, response) not in seen:
                    seen.add((prompt, response))
                    yield _exchange(prompt, response, path.stem)


def django_de(folder: Path, take: Take) -> None:
    pairs: dict[str, str] = {}
    for path in sorted(take("django").glob("django/**/locale/de/LC_MESSAGES/django.mo")):
        for source, target in read_mo(path).items():
            pairs.setdefault(source, target)
    sources = list(pairs)
    table = pa.table({"en": sources, "de": [pairs[source] for source in sources]})
    card = Card(
        title="Django's strings, English and German",
        license="bsd-3-clause",
        license_note="BSD-3-Clause.",
        packages=["django"],
        tasks=["translation"],
        about=f"{len(sources):,} strings of Django's interface and their German translation. Of strings "
        "with a plural "
        "the singular is taken. Short and of one field: a smoke test for translation, no measure of it.",
        splits="70 % train, 10 % validation, 20 % test by a hash of seed 0; strings that differ in case "
        "only together.",
        columns={"en": "source", "de": "**target**"},
    )
    write_dataset(folder, card, part(table, grouped_split([_key(source) for source in sources])))


def read_mo(path: Path) -> dict[str, str]:
    """Source to translation from a GNU message catalogue, the singular of each, without context.

    Format: GNU gettext manual, "The Format of GNU MO Files". Raises ValueError for another file.
    """
    data = path.read_bytes()
    magic, _, count, sources, targets = struct.unpack_from("<5I", data)
    if magic != MO_MAGIC or max(sources, targets) + 8 * count > len(data):
        raise ValueError(f"{path.name} is not a message catalogue")
    found = {}
    for index in range(count):
        source, target = (_string(data, table + 8 * index) for table in (sources, targets))
        source = source.split("\x04")[-1].split("\0")[0].strip()
        if source and target:
            found[source] = target.split("\0")[0].strip()
    return found


def _string(data: bytes, at: int) -> str:
    length, start = struct.unpack_from("<2I", data, at)
    return data[start : start + length].decode("utf-8")


def _exchange(prompt: str, response: str, category: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
    return {"prompt": prompt, "response": response, "messages": messages, "category": category}


def _key(text: str) -> str:
    return " ".join(text.lower().split())
