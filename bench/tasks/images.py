"""Solar cells, clothes and Tux Paint: fine-tuned, frozen, from scratch, and baselines that need no net.

    python -m bench.tasks.images            three seeds; writes bench/results/images.json and .md
    python -m bench.tasks.images --quick    one seed on few pictures, to see that it runs
    python -m bench.tasks.images --only fashion-mnist    this one; the others stay as they were measured

The recipes are recipes/images/*.yaml, sized for one core: fewer and smaller pictures, fewer epochs, no
augmentation, no validation. Every seed draws its own training pictures, and the baselines of a seed learn
from the very same ones. Nothing is tuned on the test split.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import report
from bench.tasks import imagebaselines as baselines
from bench.tasks.images_page import markdown

RECIPES = Path(__file__).resolve().parents[2] / "recipes" / "images"
# Pictures to learn from, their size in pixels, epochs of whole networks, and how many test pictures count.
SIZES: dict[str, dict[str, int]] = {
    "elpv-regression": {"rows": 400, "size": 64, "epochs": 3, "test": 600},
    "elpv-defective": {"rows": 400, "size": 64, "epochs": 3, "test": 600},
    "fashion-mnist": {"rows": 1000, "size": 48, "epochs": 2, "test": 1000},
    "tuxpaint-multilabel": {"rows": 600, "size": 96, "epochs": 4, "test": 300},
}
BATCH = 16
FULL, HEAD = {"kind": "full"}, {"kind": "head"}
# Rates: the recipes' own for whole networks, three times that for random weights, which have further to go.
# A head alone is cheap: more epochs.
ARMS: dict[str, dict[str, Any]] = {
    "MobileNetV2, fine-tuned": {"base": "mobilenet-v2", "strategy": FULL, "lr": 5e-4},
    "EfficientNet-Lite0, fine-tuned": {"base": "efficientnet-lite0", "strategy": FULL, "lr": 5e-4},
    "MobileNetV2, frozen": {"base": "mobilenet-v2", "strategy": HEAD, "lr": 1e-3, "epochs": 30},
    "EfficientNet-Lite0, frozen": {"base": "efficientnet-lite0", "strategy": HEAD, "lr": 1e-3, "epochs": 30},
    "MobileNetV2 from scratch": {"base": "mobilenet-v2", "strategy": FULL, "lr": 1.5e-3, "init": "scratch"},
}
NUMBERS = {
    "image-regression": ("rmse", "mae", "r2", "spearman"),
    "image-classification": ("accuracy", "macro_f1"),
    "image-multilabel": ("mean_average_precision", "macro_f1", "subset_accuracy"),
}


def the_recipe(name: str, arm: dict[str, Any], sizes: dict[str, int], seed: int) -> Any:
    import yaml

    from training.recipe import parse_recipe

    plain = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    del plain["dataset"]["validation_split"]
    plain["dataset"] |= {
        "validation_fraction": 0.0,
        "max_train_images": sizes["rows"],
        "image_size": sizes["size"],
        "augment": "none",
    }
    plain["base_model"]["repo"], plain["strategy"] = arm["base"], arm["strategy"]
    plain["optim"] |= {"lr": arm["lr"], "epochs": arm.get("epochs", sizes["epochs"]), "batch_size": BATCH}
    return parse_recipe({**plain, "init": arm.get("init", "pretrained"), "seed": seed})


def one_run(recipe: Any, data: Path) -> dict[str, Any]:
    """Fine-tune and measure on the test split; processor seconds are told beside the clock's."""
    from bench.assets import fetch
    from training.finetune import finetune
    from training.reporting import SilentReporter
    from training.tasks import task_kind

    began, busy = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as work:
        result = finetune(
            recipe,
            base_dir=fetch(recipe.base_model.repo),
            data_dir=data,
            work_dir=Path(work),
            reporter=SilentReporter(),
        )
        kind = task_kind(recipe.task)
        found = kind.evaluate(result.model_dir, data, "test", recipe=recipe, reporter=SilentReporter())
    plain = found.as_dict()
    seconds = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - busy}
    return {name: plain[name] for name in NUMBERS[recipe.task] if name in plain} | {
        name: round(value, 1) for name, value in seconds.items()
    }


def smaller_test(source: Path, folder: Path, rows: int) -> Path:
    """The data set with the first `rows` rows of its test split; the training split is the file itself."""
    import pyarrow.parquet as pq

    target = folder / source.name / "data"
    target.mkdir(parents=True)
    for path in (source / "data").glob("train-*.parquet"):
        (target / path.name).symlink_to(path)
    (test,) = (source / "data").glob("test-*.parquet")
    pq.write_table(pq.read_table(test).slice(0, rows), target / test.name)
    return target.parent


def measure(name: str, seeds: list[int], sizes: dict[str, int], folder: Path) -> dict[str, Any]:
    from bench.assets import fetch

    first = next(iter(ARMS.values()))
    asset = the_recipe(name, first, sizes, 0).dataset.repo
    data = smaller_test(fetch(asset), folder / name, sizes["test"])
    methods: dict[str, list[dict[str, Any]]] = {}
    for seed in seeds:
        recipe = the_recipe(name, first, sizes, seed)
        for method, scores in baselines.measure(recipe, data).items():
            methods.setdefault(method, []).append({"seed": seed, **scores})
        for method, arm in ARMS.items():
            found = one_run(the_recipe(name, arm, sizes, seed), data)
            methods.setdefault(method, []).append({"seed": seed, **found})
            print(f"{name}, seed {seed}, {method}: {found}", flush=True)
    numbers = NUMBERS[recipe.task]
    return {"task": recipe.task, "asset": asset, "sizes": sizes, "numbers": numbers, "methods": methods}


def timed(name: str, seeds: list[int], sizes: dict[str, int], folder: Path) -> dict[str, Any]:
    """`measure`, and where, when and at what cost."""
    began, busy = time.perf_counter(), time.process_time()
    found = measure(name, seeds, sizes, folder)
    minutes = {
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "cpu_minutes": round((time.process_time() - busy) / 60, 1),
    }
    return {**found, "machine": report.machine(), "seeds": seeds, **minutes}


def kept(page: str) -> dict[str, Any]:
    """The tasks of an earlier run by name."""
    path = report.RESULTS / f"{page}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["tasks"] if path.is_file() else {}
    return found


def merged(other: Path) -> None:
    """Take the tasks of `other` in place of ours, and write the page anew."""
    tasks = kept("images") | json.loads(other.read_text(encoding="utf-8"))["tasks"]
    found = {"arms": ARMS, "tasks": {name: tasks[name] for name in SIZES if name in tasks}}
    report.write("images", found, markdown(found))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed on 60 pictures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", choices=sorted(SIZES), nargs="+", default=list(SIZES))
    parser.add_argument(
        "--merge", type=Path, help="take over the tasks of another images.json, measure nothing"
    )
    args = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    torch.set_num_threads(1)
    if args.merge:
        merged(args.merge)
        return 0
    seeds, page = (args.seeds[:1], "images_quick") if args.quick else (args.seeds, "images")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.only:
            sizes = SIZES[name] | ({"rows": 60, "epochs": 1, "test": 60} if args.quick else {})
            measured = {name: timed(name, seeds, sizes, Path(folder))}
            # Read afterwards: another process may have measured another task meanwhile.
            tasks = kept(page) | measured
            found = {"arms": ARMS, "tasks": {name: tasks[name] for name in SIZES if name in tasks}}
            # After every task: whoever stops it keeps what was measured.
            report.write(page, found, markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
