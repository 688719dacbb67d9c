"""English to German: emoji names from scratch, Django's texts after them, against memory and dictionary.

    python -m bench.tasks.translation            three seeds; writes bench/results/translation.json and .md
    python -m bench.tasks.translation --quick    one seed, one epoch, few rows
    python -m bench.tasks.translation --only smollm2    this arm; the others stay as they were measured
    python -m bench.tasks.translation --page     the page anew from the numbers that were kept

The recipes are recipes/language/emoji-german.yaml and django-german.yaml, whole. No pretrained weights of an
encoder-decoder come inside a package, so what is pretrained here is our own: the emoji names come before
Django's texts, of the same seed. A causal language model with pretrained weights stands beside them on both,
as it is and taught by LoRA; of the emoji names it learns as many as there are texts of Django.
All answers are greedy. Test rows are used once, at the end; rates and epochs were chosen on validation rows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.tasks import translationbaselines as baselines
from bench.tasks.parts import run
from bench.tasks.translation_page import NUMBERS, markdown
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

DATA = {"emoji": "emoji-names", "django": "django-translations"}
SPLITS = ("train", "validation", "test")
# For SmolLM2, whose tokens cost most: a seed draws so many pairs, one epoch is learned from them.
LENGTHS: dict[str, dict[str, int | None]] = {
    "emoji": {"max_train_rows": 542, "max_tokens": 128, "max_new_tokens": 48},
    "django": {"max_train_rows": None, "max_tokens": 128, "max_new_tokens": 64},
}
ASK = "Translate into German: "
SHOWN = 6
Rows = list[dict[str, str]]


def read(asset: str, split: str, limit: int | None) -> Rows:
    import pyarrow.parquet as pq

    from bench.assets import fetch

    (file,) = (fetch(asset) / "data").glob(f"{split}-*.parquet")
    found: Rows = pq.read_table(file, columns=["en", "de"]).to_pylist()
    return found[:limit]


def write_pairs(asset: str, folder: Path, limit: int | None) -> Path:
    return write_rows(folder, {split: read(asset, split, limit) for split in SPLITS})


def write_asked(asset: str, folder: Path, limit: int | None) -> Path:
    """The pairs as exchanges, for causal models."""
    rows = {split: read(asset, split, limit) for split in SPLITS}
    rows["validation"] = rows["validation"][:VALIDATED]
    return write_rows(
        folder,
        {split: [{ASKED: ASK + row["en"], DUE: row["de"]} for row in own] for split, own in rows.items()},
    )


def judged(said: list[str], wanted: list[str]) -> dict[str, float]:
    from training.measures.text import summary

    found = summary(said, [[text] for text in wanted])
    return {name: found[name] for name in NUMBERS}


def plain_methods(train: Rows, test: Rows) -> dict[str, list[str]]:
    known = [row["en"] for row in train], [row["de"] for row in train]
    asked = [row["en"] for row in test]
    return {
        "the source, copied": baselines.copied(asked),
        "translation memory: the nearest source's target": baselines.remembered(*known, asked),
        "word by word, a dictionary learned from the pairs": baselines.looked_up(*known, asked),
    }


def nets(args: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Both data sets, after every seed: scores by method, and what each says of the first test rows."""
    from bench.assets import fetch

    found: dict[str, Any] = {name: {"methods": {}, "rows": {}, "shown": {}} for name in DATA}
    places = {name: write_pairs(asset, folder / name, args.limit) for name, asset in DATA.items()}
    tests = {}
    for name, asset in DATA.items():
        train, tests[name] = (read(asset, split, args.limit) for split in ("train", "test"))
        found[name]["rows"] = {"train": len(train), "test": len(tests[name])}
        for method, said in plain_methods(train, tests[name]).items():
            _note(found[name], method, said, tests[name], {})
    for seed in args.seeds:
        base, work = fetch("t5-tiny"), folder / f"seed{seed}"
        first = the_recipe("emoji-german", seed, args.epochs)
        cost, names = learned(first, base, places["emoji"], work / "emoji")
        said = written(names, first, [row["en"] for row in tests["emoji"]])
        _note(found["emoji"], "small T5 from scratch", said, tests["emoji"], {"seed": seed, **cost})
        for method, start in (("small T5 from scratch", base), ("small T5, emoji names first", names)):
            given = the_recipe("django-german", seed, args.epochs, scratch=start == base)
            cost, model = learned(given, start, places["django"], work / method.replace(" ", "-"))
            said = written(model, given, [row["en"] for row in tests["django"]])
            _note(found["django"], method, said, tests["django"], {"seed": seed, **cost})
        yield found


def _note(found: dict[str, Any], method: str, said: list[str], test: Rows, about: dict[str, Any]) -> None:
    scores = {**about, **judged(said, [row["de"] for row in test])}
    found["methods"].setdefault(method, []).append(scores)
    found["shown"][method] = said[:SHOWN]
    found["asked"] = [[row["en"], row["de"]] for row in test[:SHOWN]]
    print(f"  {method}: {scores}", flush=True)


def smollm2(args: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """SmolLM2-135M-Instruct on both data sets, as it is and taught by service-chat.yaml's LoRA."""
    from bench.assets import fetch

    base = fetch(SMOLLM)
    found: dict[str, Any] = {}
    places = {name: write_asked(asset, folder / f"asked-{name}", args.limit) for name, asset in DATA.items()}
    tests = {name: read(asset, "test", args.limit) for name, asset in DATA.items()}
    for seed in args.seeds:
        for name, test in tests.items():
            recipe, asked = chat_recipe(seed, **LENGTHS[name]), [ASK + row["en"] for row in test]
            item = found.setdefault(name, {"methods": {}, "shown": {}, "taught": LENGTHS[name]})
            cost, model = learned(recipe, base, places[name], folder / f"smollm-{name}{seed}")
            _note(item, TAUGHT, answered(model, recipe, asked), test, {"seed": seed, **cost})
            if UNTAUGHT not in item["methods"]:
                _note(item, UNTAUGHT, answered(base, recipe, asked), test, {})
            yield found


PARTS = {"nets": nets, "smollm2": smollm2}

if __name__ == "__main__":
    sys.exit(run(__doc__, PARTS, "translation", markdown))
