"""Emoji by drawing and name, reviews by words and table: each modality alone beside three fusions of them.

    python -m bench.tasks.multimodal            three seeds; writes bench/results/multimodal.json and .md
    python -m bench.tasks.multimodal --quick    one seed, few rows

Encoders are frozen: their features are made once for all runs. Seeds change weights, order and, for reviews,
nothing else: all runs learn from the same rows. Nothing is tuned: all kinds have the recipe's settings.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench import report
from bench.assets import fetch

RECIPES = Path(__file__).resolve().parents[2] / "recipes" / "multimodal"
REVIEWS, TESTED = 800, 600
KINDS = {"emoji": ("image", "text"), "clothing": ("text", "table")}
FUSIONS = ("concat", "gated", "late")
Row = dict[str, Any]


def base_of(folder: Path) -> Path:
    """One directory with both encoders, by links to the assets."""
    folder.mkdir()
    for part, asset in (("image", "efficientnet-lite0"), ("text", "minilm")):
        (folder / part).mkdir()
        for file in fetch(asset).iterdir():
            if file.is_file():
                os.link(file, folder / part / file.name)
    return folder


def few_reviews(folder: Path, train: int, test: int) -> Path:
    """The same random reviews for every run: MiniLM on one core is slow."""
    import pyarrow.parquet as pq

    folder.mkdir()
    for split, count in (("train", train), ("test", test)):
        (shard,) = (fetch("clothing-reviews") / "data").glob(f"{split}-*.parquet")
        table = pq.read_table(shard)
        rows = np.random.default_rng(0).permutation(len(table))[:count]
        pq.write_table(table.take(np.sort(rows)), folder / f"{split}.parquet")
    return folder


def one_run(plain: dict[str, Any], places: dict[str, Path], seed: int, split: str) -> Row:
    from training.finetune import finetune
    from training.recipe import parse_recipe
    from training.reporting import SilentReporter
    from training.tasks import task_kind

    recipe, reporter = parse_recipe({**plain, "seed": seed}), SilentReporter()
    began = time.process_time()
    # Features lie beside the work: the first run makes them for all.
    work = places["work"]
    made = finetune(
        recipe,
        base_dir=places["base"],
        data_dir=places["data"],
        work_dir=work,
        reporter=reporter,
        checkpoint_seconds=1e9,
    )
    kind = task_kind(recipe.task)
    found: Any = kind.evaluate(made.model_dir, places["data"], split, recipe=recipe, reporter=reporter)
    (work / "checkpoint.safetensors").unlink(missing_ok=True)
    used = round(time.process_time() - began, 1)
    kept = {
        name: found.metrics[name] for name in ("accuracy", "macro_f1", "roc_auc") if name in found.metrics
    }
    majority = max(sum(row) for row in found.tables["confusion"]) / found.n
    return {**kept, "lo": found.lo, "hi": found.hi, "n": found.n, "majority": majority, "cpu_seconds": used}


def measure(name: str, places: dict[str, Path], seeds: list[int], epochs: int | None) -> dict[str, list[Row]]:
    import yaml

    plain = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    plain["dataset"].pop("validation_split", None)
    plain["dataset"].pop("max_train_rows", None)
    plain["dataset"]["validation_fraction"] = 0.0
    if epochs:
        plain["optim"]["epochs"] = epochs
    found: dict[str, list[Row]] = {}
    for kind in (*KINDS[name], *FUSIONS):
        given = copy.deepcopy(plain)
        given["network"]["kind"] = kind
        for seed in seeds:
            row = one_run(given, places, seed, "test")
            found.setdefault(kind, []).append({"seed": seed, **row})
            print(f"  {name}, {kind}: {found[kind][-1]}", flush=True)
    return found


def the_table(runs: dict[str, list[Row]]) -> str:
    lines = []
    for kind, rows in runs.items():
        cells = [f"{kind} alone" if kind in ("image", "text", "table") else kind]
        for number in ("accuracy", "macro_f1"):
            values = [row[number] for row in rows]
            spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.3f}{spread}")
        cells.append(", ".join(f"{row['accuracy']:.3f}" for row in rows))
        cells.append(f"{rows[0]['lo']:.3f} – {rows[0]['hi']:.3f}")
        lines.append(cells)
    return report.table(["", "accuracy", "macro-F1", "each seed", "95 % interval of the first"], lines)


def found_out(runs: dict[str, list[Row]], alone: str) -> str:
    """A sentence a fusion: beside the better modality, and whether every seed agrees."""
    said = []
    for kind in FUSIONS:
        gaps = [one["accuracy"] - two["accuracy"] for one, two in zip(runs[kind], runs[alone], strict=True)]
        mean = 100 * statistics.mean(gaps)
        agree = "with every seed" if min(gaps) > 0 or max(gaps) < 0 else "but not with every seed"
        word = "above" if mean > 0 else "below"
        said.append(f"- *{kind}* is {abs(mean):.1f} points {word} *{alone} alone*, {agree}.")
    majority = runs[alone][0]["majority"]
    ahead = [kind for kind, rows in runs.items() if min(row["accuracy"] for row in rows) > majority]
    names = ", ".join(f"*{kind}*" for kind in ahead) or "nothing: accuracy shows no use of any of them here"
    said.append(f"- Above always naming the commonest class with every seed: {names}.")
    return "\n".join(said)


def markdown(found: dict[str, dict[str, list[Row]]], where: dict[str, Any], seeds: list[int]) -> str:
    emoji, clothing = found["emoji"], found["clothing"]
    n, m = emoji["text"][0]["n"], clothing["text"][0]["n"]
    return f"""Frozen encoders (EfficientNet-Lite0 at 112 pixels, all-MiniLM-L6-v2) and a small net
above; mean ±
standard deviation of {len(seeds)} seeds, which change weights and order alone. All kinds have the same
settings, untuned.

**Emoji to group**: drawings by Google and names learn, {n} emoji never seen, drawn by Twitter, test. The
commonest group: {emoji["text"][0]["majority"]:.3f}.

{the_table(emoji)}

{found_out(emoji, "text")}

**Would she recommend it**: {REVIEWS:,} reviews, words beside age, department, class and helpful votes,
{m:,} test reviews. Always yes: {clothing["text"][0]["majority"]:.3f}.

{the_table(clothing)}

{found_out(clothing, "text")}

Gaps below the width of an interval ({n} and {m:,} test rows) say little about other rows, however well the
seeds agree: seeds share the test rows.

Made by `python -m bench.tasks.multimodal` on {where["when"]}: {where["processor"]},
{where["cores"]} cores shared with other work, one thread, torch {where["torch"]}.
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed, few rows")
    args = parser.parse_args()
    seeds, epochs = ([0], 1) if args.quick else ([0, 1, 2], None)

    import torch

    import training  # noqa: F401 (before torch: it tells torch's threads not to spin on shared cores)

    torch.set_num_threads(1)
    found = {}
    with tempfile.TemporaryDirectory(dir=Path.home() / ".cache") as folder:
        root = Path(folder)
        base = base_of(root / "base")
        train, test = (64, 64) if args.quick else (REVIEWS, TESTED)
        data = {"emoji": fetch("emoji-groups"), "clothing": few_reviews(root / "reviews", train, test)}
        for name in KINDS:
            work = root / f"work-{name}"
            found[name] = measure(name, {"base": base, "data": data[name], "work": work}, seeds, epochs)
    where = report.machine()
    text = markdown(found, where, seeds)
    kept = "multimodal_quick" if args.quick else "multimodal"
    report.write(kept, {"machine": where, "reviews": REVIEWS, "runs": found}, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
