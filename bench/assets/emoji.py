"""Emoji: drawings of two vendors with names and groups, and their names in fourteen languages."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.splits import grouped_split, stratified_split
from bench.assets.writing import image_cells, part, write_dataset

GOOGLE, TWITTER = "emoji-datasource-google", "emoji-datasource-twitter"
# Flags say so in every name and components are shades of skin: nothing to learn from either.
LEFT_OUT = ("Flags", "Component")
PEOPLE = {"man", "men", "woman", "women", "person", "people", "boy", "girl", "boys", "girls"}
CODES = "emoji/unicode_codes"
LANGUAGES = ("ar", "de", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh")
FULLY_QUALIFIED = 2
# Shades of skin and the selector of the coloured form do not make another thing.
MODIFIERS = {*map(chr, range(0x1F3FB, 0x1F400)), "\ufe0f"}


def groups(folder: Path, take: Take) -> None:
    drawings = {vendor: take(vendor) / "package" for vendor in (GOOGLE, TWITTER)}
    listed = json.loads((drawings[GOOGLE] / "emoji.json").read_text(encoding="utf-8"))
    rows = [row for row in listed if row["category"] not in LEFT_OUT]
    rows = [row for row in rows if row["has_img_google"] and row["has_img_twitter"]]
    classes = sorted({row["category"] for row in rows})
    chosen = families([row["name"] for row in rows], [row["category"] for row in rows])
    tables = {
        "train": _drawn(drawings[GOOGLE], "google", [rows[i] for i in chosen["train"]], classes),
        "validation": _drawn(drawings[GOOGLE], "google", [rows[i] for i in chosen["validation"]], classes),
        "test": _drawn(drawings[TWITTER], "twitter", [rows[i] for i in chosen["test"]], classes),
        "test_google": _drawn(drawings[GOOGLE], "google", [rows[i] for i in chosen["test"]], classes),
    }
    card = Card(
        title="Emoji groups",
        license="other",
        license_note="Google's drawings Apache-2.0, Twitter's CC BY 4.0, code MIT.",
        packages=[GOOGLE, TWITTER],
        tasks=["image-classification", "zero-shot-image-classification"],
        about=f"{len(rows):,} emoji in {len(classes)} groups: drawing, name and group; flags and shades "
        "of skin are "
        "left out. Drawings are laid on white.",
        splits="By a hash of seed 0, 70 % of the emoji train, 10 % validation, 20 % test; names that "
        "differ only in man, "
        "woman or person stay together. `train` and `validation` are Google's drawings, `test` is "
        "**Twitter's of "
        "emoji never seen**; `test_google` is the same emoji by Google, to tell the change of style from "
        "that of emoji.",
        columns={"name": "Unicode's name, lower case", "label": "**target**: group", "emoji": "code points"},
        classes={"label": classes},
    )
    write_dataset(folder, card, tables)


def names(folder: Path, take: Take) -> None:
    codes = take("emoji") / CODES
    english = json.loads((codes / "emoji.json").read_text(encoding="utf-8"))
    kept = [key for key, facts in english.items() if facts["status"] == FULLY_QUALIFIED]
    columns: dict[str, list[str | None]] = {"emoji": list(kept)}
    columns["en"] = [_words(english[key]["en"]) for key in kept]
    for language in LANGUAGES:
        known = json.loads((codes / f"emoji_{language}.json").read_text(encoding="utf-8"))
        columns[language] = [_words(known[key]) if key in known else None for key in kept]
    things = ["".join(sign for sign in key if sign not in MODIFIERS) for key in kept]
    card = Card(
        title="Emoji names in fourteen languages",
        license="bsd-3-clause",
        license_note="BSD; names are Unicode's CLDR (Unicode licence).",
        packages=["emoji"],
        tasks=["translation"],
        about=f"{len(kept):,} fully qualified emoji with their names in English and {len(LANGUAGES)} "
        "other languages. "
        "Short phrases: a smoke test for translation, no measure of it.",
        splits="70 % train, 10 % validation, 20 % test by a hash of seed 0; all shades of skin of an "
        "emoji together.",
        columns={"emoji": "the emoji itself", "en": "English"},
    )
    write_dataset(folder, card, part(pa.table(columns), grouped_split(things)))


def families(names: Sequence[str], labels: Sequence[str]) -> dict[str, list[int]]:
    """Split rows in the shares of their labels, names that differ in the word for a person alone together."""
    members: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        members.setdefault(" ".join(sorted(set(name.lower().split()) - PEOPLE)), []).append(row)
    keys = list(members)
    drawn = stratified_split([labels[members[key][0]] for key in keys])
    return {split: [row for i in chosen for row in members[keys[i]]] for split, chosen in drawn.items()}


def on_white(path: Path) -> bytes:
    """The picture as RGB PNG, what is transparent white."""
    with Image.open(path) as picture:
        plain = picture.convert("RGBA")
    white = Image.new("RGBA", plain.size, "white")
    buffer = io.BytesIO()
    Image.alpha_composite(white, plain).convert("RGB").save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _drawn(package: Path, vendor: str, rows: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> pa.Table:
    paths = [package / "img" / vendor / "64" / row["image"] for row in rows]
    return pa.table(
        {
            "image": image_cells([on_white(path) for path in paths], [path.name for path in paths]),
            "name": [row["name"].lower() for row in rows],
            "label": pa.array([classes.index(row["category"]) for row in rows], pa.int64()),
            "emoji": [row["unified"] for row in rows],
        }
    )


def _words(name: str) -> str:
    return name.strip(":").replace("_", " ")
