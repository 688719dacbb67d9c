"""US addresses, every word labelled by hand: usaddress's training file and its two held-out styles."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.splits import grouped_split
from bench.assets.writing import write_jsonl

TRAINING = "usaddress-0.5.16/training"
HELD_OUT = {"test_us50": "us50_train_tagged.xml", "test_messiest": "us50_messiest_manual_label.xml"}
Row = dict[str, Any]


def usaddress(folder: Path, take: Take) -> None:
    training = take("usaddress") / TRAINING
    outside = {split: read_addresses(training / file) for split, file in HELD_OUT.items()}
    secret = {_key(row) for rows in outside.values() for row in rows}
    labelled = read_addresses(training / "labeled.xml")
    rows = [row for row in labelled if _key(row) not in secret]
    splits = {
        name: [rows[i] for i in chosen] for name, chosen in grouped_split(list(map(_key, rows))).items()
    }
    known = {tag for row in splits["train"] for tag in row["tags"]}
    parts = {name: _of_labels(part, known) for name, part in (splits | outside).items()}
    strange = sum(len(part) for part in (splits | outside).values()) - sum(map(len, parts.values()))
    tags = sum(len(row["tags"]) for row in labelled)
    card = Card(
        title="usaddress",
        license="mit",
        license_note="MIT, data too.",
        packages=["usaddress"],
        tasks=["token-classification"],
        about=f"US addresses with a label for every word, by hand: {len(labelled):,} sequences with "
        f"{tags:,} words in "
        f"the package's `labeled.xml`. {len(known)} labels stand in `train`. Labels are those of the "
        "package, without "
        "B- and I-: neighbouring words of one label are one part of the address. Punctuation belongs to "
        "the word "
        "before it.",
        splits="`labeled.xml`, 70 % train, 10 % validation, 20 % test by a hash of seed 0, equal "
        "addresses together. "
        "`test_us50` and `test_messiest` are two files of the package in another style, test only; "
        f"{len(labelled) - len(rows)} addresses of `labeled.xml` that stand in them too are left out. "
        f"{strange} addresses with a label that `train` has never seen are left out everywhere.",
        columns={"tokens": "words", "tags": "**target**: a label for each word"},
    )
    write_jsonl(folder, card, parts)


def read_addresses(path: Path) -> list[Row]:
    """{"tokens", "tags"} of every AddressString; text between two labelled words joins the word before it.

    Raises ValueError when the file is not such XML.
    """
    try:
        # The file is the one that was pinned; expat refuses entities that grow without bound.
        root = ElementTree.parse(path).getroot()  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError(f"{path.name} is not well-formed: {error}") from None
    rows = []
    for address in root.iter("AddressString"):
        tokens = ["".join(((word.text or "").strip(), (word.tail or "").strip())) for word in address]
        pairs = [(token, word.tag) for token, word in zip(tokens, address, strict=True) if token]
        if pairs:
            rows.append({"tokens": [token for token, _ in pairs], "tags": [tag for _, tag in pairs]})
    return rows


def _of_labels(rows: list[Row], known: set[str]) -> list[Row]:
    return [row for row in rows if known.issuperset(row["tags"])]


def _key(row: Row) -> str:
    return " ".join(row["tokens"]).lower()
