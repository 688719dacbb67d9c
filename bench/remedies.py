"""What strategies and remedies do, side by side, on real handwritten digits (scikit-learn's, 8 × 8 pixels).

    python -m bench.remedies              about five minutes of one core
    python -m bench.remedies --seeds 1    for a quick look

- Few rows of new classes: a tiny convolutional net learns the digits 0 to 4, then 5 to 9 from twelve each.
- Uneven classes: the digits as a table of 64 columns, six rows of five classes beside ninety of the others.

Every variant has the same rows, epochs and batches; what it changes is in its row.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench import report

STRATEGIES: dict[str, dict[str, Any]] = {
    "from scratch": {"init": "scratch"},
    "head only": {"strategy": {"kind": "head"}},
    "full": {},
    "full, lr_decay 0.7": {"strategy": {"lr_decay": 0.7}},
    "gradual": {"strategy": {"kind": "gradual"}},
    "LP-FT": {"strategy": {"kind": "lp-ft", "probe_epochs": 10, "probe_lr": 1e-2}},
    "L2-SP 0.1": {"strategy": {"l2_sp": 0.1}},
    "L2-SP 1": {"strategy": {"l2_sp": 1.0}},
    "RandAugment": {"dataset": {"augment": "randaugment"}},
    "mixup": {"dataset": {"mix": "mixup"}},
    "cutmix": {"dataset": {"mix": "cutmix"}},
    "EMA 0.95": {"optim": {"ema": 0.95}},
    "one-cycle at 3e-3": {"optim": {"schedule": "one-cycle", "warmup_fraction": 0.3, "lr": 3e-3}},
}
IMBALANCE: dict[str, dict[str, Any]] = {
    "plain": {},
    "balanced sampling": {"sampling": "balanced"},
    "balanced weights": {"loss": {"class_weights": "balanced"}},
    "effective-number weights": {"loss": {"class_weights": "effective"}},
    "focal": {"loss": {"kind": "focal"}},
    "focal, balanced weights": {"loss": {"kind": "focal", "class_weights": "balanced"}},
    "label smoothing 0.1": {"optim": {"label_smoothing": 0.1}},
    "EMA 0.99": {"optim": {"ema": 0.99}},
    "one-cycle at 3e-3": {"optim": {"schedule": "one-cycle", "warmup_fraction": 0.3, "lr": 3e-3}},
}
ARCHITECTURE, SIZE = "test_resnet", 32


def carried_out(plain: dict[str, Any], base: Path | None, data: Path, work: Path) -> tuple[Path, Any]:
    """The finished model of a recipe, and the recipe."""
    from training.finetune import finetune
    from training.recipe import parse_recipe
    from training.reporting import SilentReporter

    recipe = parse_recipe(plain)
    shutil.rmtree(work, ignore_errors=True)
    done = finetune(
        recipe,
        base_dir=base,
        data_dir=data,
        work_dir=work,
        reporter=SilentReporter(),
        checkpoint_seconds=1e9,
    )
    return done.model_dir, recipe


def measured(plain: dict[str, Any], base: Path | None, data: Path, work: Path) -> dict[str, float]:
    """Accuracy and macro F1 on the test split."""
    from training.reporting import SilentReporter
    from training.tasks import task_kind

    model, recipe = carried_out(plain, base, data, work)
    kind = task_kind(recipe.task)
    found = kind.evaluate(model, data, "test", recipe=recipe, reporter=SilentReporter()).as_dict()
    return {name: found[name] for name in ("accuracy", "macro_f1")}


def write_pictures(folder: Path) -> None:
    """`low/train`: digits 0 to 4; `high/train`: twelve of each other digit, `high/test`: the rest of them."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    counts: dict[int, int] = {}
    for row in order:
        label = int(digits.target[row])
        counts[label] = counts.get(label, 0) + 1
        part = "low/train" if label < 5 else "high/train" if counts[label] <= 12 else "high/test"
        place = folder / part / f"d{label}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = Image.fromarray((digits.images[row] * 15.9).astype("uint8"))
        pixels.resize((SIZE, SIZE), Image.Resampling.BILINEAR).convert("RGB").save(place / f"{row:04}.png")


def write_table(folder: Path) -> None:
    """Six training rows of the digits 0 to 4 and ninety at most of the others; 900 rows to test on."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    test, pool = order[:900], order[900:]
    train = [row for label in range(10) for row in pool[labels[pool] == label][: 6 if label < 5 else 90]]
    folder.mkdir(parents=True)
    for name, rows in (("train", train), ("test", test)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*(f"p{column}" for column in range(64)), "digit"])
            writer.writerows([*pixels[row].tolist(), f"d{labels[row]}"] for row in rows)


def pretrained(work: Path) -> Path:
    """The tiny net after the digits 0 to 4, from seeded random weights."""
    import torch

    from training import vision
    from training.spec import ModelSpec, write_spec
    from training.weights import write_weights

    torch.manual_seed(7)
    net = vision.build_net("timm", ARCHITECTURE, 10, SIZE)
    random = work / "random"
    random.mkdir()
    write_weights(random / "model.safetensors", net.state_dict())
    spec = ModelSpec(ARCHITECTURE, "timm", 10, image_size=SIZE, mean=(0.5,) * 3, std=(0.25,) * 3)
    write_spec(random, spec, vision.head_width(net, vision.head_name(net)))
    plain = picture_recipe({"init": "scratch", "optim": {"lr": 3e-3, "epochs": 12, "batch_size": 32}}, 0)
    model, _ = carried_out(plain, random, work / "low", work / "pretraining")
    return Path(shutil.copytree(model, work / "base"))


def picture_recipe(changes: dict[str, Any], seed: int) -> dict[str, Any]:
    return {
        **changes,
        "base_model": {"repo": "base"},
        "dataset": {"repo": "data", "validation_fraction": 0.0, **changes.get("dataset", {})},
        "strategy": {"kind": "full", **changes.get("strategy", {})},
        "optim": {"lr": 1e-3, "epochs": 20, "batch_size": 8, **changes.get("optim", {})},
        "seed": seed,
    }


def table_recipe(changes: dict[str, Any], seed: int) -> dict[str, Any]:
    return {
        **changes,
        "task": "tabular-classification",
        "init": "scratch",
        "dataset": {"repo": "data", "target_column": "digit", "validation_fraction": 0.0},
        "network": {"width": 64, "depth": 2},
        "strategy": {"kind": "full"},
        "optim": {"lr": 2e-3, "epochs": 20, "batch_size": 32, **changes.get("optim", {})},
        "seed": seed,
    }


def measure(work: Path, seeds: int) -> dict[str, dict[str, list[dict[str, float]]]]:
    write_pictures(work)
    write_table(work / "table")
    base = pretrained(work)
    found: dict[str, dict[str, list[dict[str, float]]]] = {"strategies": {}, "imbalance": {}}
    for name, variants, make, start, data in (
        ("strategies", STRATEGIES, picture_recipe, base, work / "high"),
        ("imbalance", IMBALANCE, table_recipe, None, work / "table"),
    ):
        for variant, changes in variants.items():
            rows = [measured(make(changes, seed), start, data, work / "run") for seed in range(seeds)]
            found[name][variant] = rows
            print(f"  {variant}: {[round(row['macro_f1'], 3) for row in rows]}", file=sys.stderr, flush=True)
    return found


def shown(rows: list[dict[str, float]], name: str) -> str:
    values = [row[name] for row in rows]
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.3f} ± {spread:.3f}"


def markdown(found: dict[str, Any], where: dict[str, Any], seeds: int) -> str:
    def table(name: str) -> str:
        rows = [
            [item, shown(runs, "accuracy"), shown(runs, "macro_f1")] for item, runs in found[name].items()
        ]
        return report.table(["variant", "accuracy", "macro F1"], rows)

    command = " ".join(["python -m bench.remedies", *sys.argv[1:]])
    return f"""# Strategies and remedies

`{command}` · {where["when"]} · {where["processor"]}, torch {where["torch"]};
{seeds} seeds, mean ± standard deviation

## Few rows of new classes

A tiny convolutional net that has learned the digits 0 to 4 learns 5 to 9 from twelve pictures each.

{table("strategies")}

## Uneven classes

The digits as a table: six rows each of 0 to 4, ninety at most of each of the others; 900 to test on.

{table("imbalance")}

One data set of 1,797 small pictures: which remedy helps is for each data set to say, and differences within
the spread say nothing.
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), args.seeds)
    where = report.machine()
    text = markdown(found, where, args.seeds)
    report.write("remedies", {"machine": where, "found": found}, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
