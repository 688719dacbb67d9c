"""Subject lines of mails: a small T5 from scratch and SmolLM2, against first words and like mails' lines.

    python -m bench.tasks.summarisation            three seeds; writes the results' .json and .md
    python -m bench.tasks.summarisation --quick    one seed, one epoch, few rows
    python -m bench.tasks.summarisation --only smollm2    this arm; the others stay as they were measured
    python -m bench.tasks.summarisation --page     the page anew from the numbers that were kept

Mails that open a thread in SpamAssassin's public corpus, no subject in two splits. The recipe is
recipes/language/mail-subjects.yaml, whole; SmolLM2-135M-Instruct is asked in words for the subject line of a
mail's first words, as it is and taught by service-chat.yaml's LoRA on a few hundred of the mails. All answers
are greedy, and tidied alike. Test rows are used once, at the end; no setting was tuned but the number of
first words, on training rows.
The mails are real people's: of what is said nothing is kept but numbers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.tasks import summarybaselines as baselines
from bench.tasks.parts import run
from bench.tasks.summarisation_page import NUMBERS, SCRATCH, markdown
from bench.tasks.writers import (
    ASKED,
    DUE,
    SMOLLM,
    TAUGHT,
    UNTAUGHT,
    VALIDATED,
    answered,
    chat_recipe,
    learned,
    the_recipe,
    write_rows,
    written,
)

SPLITS = ("train", "validation", "test")
ASK = "Write the subject line of this e-mail. Answer with the subject line only.\n\n"
WORDS = 80
# A seed draws the mails SmolLM2 learns from.
LENGTHS = {"max_train_rows": 300, "max_tokens": 256, "max_new_tokens": 24}
Rows = list[dict[str, str]]


def read(split: str, limit: int | None) -> Rows:
    import pyarrow.parquet as pq

    from bench.assets import fetch

    (file,) = (fetch("mail-subjects") / "data").glob(f"{split}-*.parquet")
    found: Rows = pq.read_table(file, columns=["text", "subject"]).to_pylist()
    return found[:limit]


def ask(row: Mapping[str, str]) -> str:
    return ASK + baselines.first_words(row["text"], WORDS)


def tidied(said: str) -> str:
    """The first line of an answer without `Subject:` and quotation marks: what one would send."""
    line = next((one for one in said.splitlines() if one.strip()), "").strip(" *")
    if line.lower().startswith("subject:"):
        line = line[len("subject:") :]
    return line.strip(" *\"'“”")


def judged(said: Sequence[str], rows: Rows) -> dict[str, float]:
    from training.measures.text import summary

    found = summary([tidied(text) for text in said], [row["subject"] for row in rows])
    return {name: found[name] for name in NUMBERS}


def plain_methods(train: Rows, test: Rows) -> dict[str, list[str]]:
    known, subjects = [row["text"] for row in train], [row["subject"] for row in train]
    asked, count = [row["text"] for row in test], baselines.best_length(known, subjects)
    return {
        f"the first {count} words of the first sentence": baselines.lead(asked, count),
        f"the first {count} words of the central sentence (TF-IDF)": baselines.central(known, asked, count),
        "the nearest training mail's subject (TF-IDF)": baselines.nearest(known, subjects, asked),
    }


def nets(args: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """The plain methods, and the small T5 after every seed."""
    from bench.assets import fetch

    splits = {split: read(split, args.limit) for split in SPLITS}
    data, test = write_rows(folder / "mails", splits), splits["test"]
    rows = {split: len(own) for split, own in splits.items()}
    found: dict[str, Any] = {"rows": rows, "methods": {}}
    for method, said in plain_methods(splits["train"], test).items():
        _note(found, method, said, test, {})
    for seed in args.seeds:
        recipe = the_recipe("mail-subjects", seed, args.epochs)
        cost, model = learned(recipe, fetch("t5-tiny-mail"), data, folder / f"t5-{seed}")
        said = written(model, recipe, [row["text"] for row in test])
        _note(found, SCRATCH, said, test, {"seed": seed, **cost})
        yield found


def smollm2(args: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """SmolLM2-135M-Instruct, after every seed: as it is and taught by service-chat.yaml's LoRA."""
    from bench.assets import fetch

    splits = {split: read(split, args.limit) for split in SPLITS}
    splits["validation"] = splits["validation"][:VALIDATED]
    asked = {split: [{ASKED: ask(row), DUE: row["subject"]} for row in own] for split, own in splits.items()}
    data, base, test = write_rows(folder / "asked", asked), fetch(SMOLLM), splits["test"]
    found: dict[str, Any] = {"taught": {**LENGTHS, "words": WORDS}, "methods": {}}
    for seed in args.seeds:
        recipe, texts = chat_recipe(seed, **LENGTHS), [row[ASKED] for row in asked["test"]]
        cost, model = learned(recipe, base, data, folder / f"smollm-{seed}")
        _note(found, TAUGHT, answered(model, recipe, texts), test, {"seed": seed, **cost})
        if UNTAUGHT not in found["methods"]:
            _note(found, UNTAUGHT, answered(base, recipe, texts), test, {})
        yield found


def _note(found: dict[str, Any], method: str, said: list[str], test: Rows, about: dict[str, Any]) -> None:
    found["methods"].setdefault(method, []).append({**about, **judged(said, test)})
    print(f"  {method}: {found['methods'][method][-1]}", flush=True)


PARTS = {"nets": nets, "smollm2": smollm2}

if __name__ == "__main__":
    sys.exit(run(__doc__, PARTS, "summarisation", markdown))
