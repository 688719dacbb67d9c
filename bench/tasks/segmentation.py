"""Tux Paint's cut-outs, pixel by pixel: fine-tuned, frozen, from scratch, and baselines that need no net.

    python -m bench.tasks.segmentation            three seeds; writes bench/results/segmentation.json and .md
    python -m bench.tasks.segmentation --quick    one seed on few pictures, to see that it runs

The recipe is recipes/images/tuxpaint-segmentation.yaml, sized for one core: fewer and smaller pictures,
fewer epochs, no augmentation, no validation. Every seed draws its own training pictures, and the baselines
of a seed learn from the very same ones. Rates and epochs were chosen on the validation split; nothing is
tuned on the test split. The data are semi-synthetic: real cut-outs on pictures that they do not belong to.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import report
from bench.tasks import segmentationbaselines as baselines

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "images" / "tuxpaint-segmentation.yaml"
ASSET = "tuxpaint-detection"
# Pictures to learn from, their size in pixels, and epochs of whole networks.
SIZES = {"rows": 320, "size": 96, "epochs": 5}
QUICK = {"rows": 48, "size": 64, "epochs": 1}
BATCH = 16
FULL, HEAD = {"kind": "full"}, {"kind": "head"}
# Rates are the best of those tried on the validation split with seed 0 and 400 pictures: whole pretrained
# nets from 1e-3 to 8e-3 (MobileNetV2) or 4e-3, random ones from 4e-3 to 1.6e-2, decoders alone 2e-3 and 5e-3.
# The last are cheap, their body runs once: more epochs.
ARMS: dict[str, dict[str, Any]] = {
    "MobileNetV2, fine-tuned": {"base": "mobilenet-v2", "strategy": FULL, "lr": 4e-3},
    "EfficientNet-Lite0, fine-tuned": {"base": "efficientnet-lite0", "strategy": FULL, "lr": 2e-3},
    "MobileNetV2, frozen": {"base": "mobilenet-v2", "strategy": HEAD, "lr": 5e-3, "epochs": 12},
    "EfficientNet-Lite0, frozen": {"base": "efficientnet-lite0", "strategy": HEAD, "lr": 5e-3, "epochs": 12},
    "MobileNetV2 from scratch": {"base": "mobilenet-v2", "strategy": FULL, "lr": 8e-3, "init": "scratch"},
}
NUMBERS = ("mean_iou", "pixel_accuracy", "dice")
LABELS = {"mean_iou": "mean IoU", "pixel_accuracy": "pixel accuracy", "dice": "Dice"}


def the_recipe(arm: dict[str, Any], sizes: dict[str, int], seed: int) -> Any:
    import yaml

    from training.recipe import parse_recipe

    plain = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    del plain["dataset"]["validation_split"], plain["early_stopping"]
    plain["dataset"] |= {
        "validation_fraction": 0.0,
        "max_train_images": sizes["rows"],
        "image_size": sizes["size"],
        "augment": "none",
    }
    plain["base_model"]["repo"], plain["strategy"] = arm["base"], arm["strategy"]
    epochs = sizes["epochs"] if sizes is QUICK else arm.get("epochs", sizes["epochs"])
    plain["optim"] |= {"lr": arm["lr"], "epochs": epochs, "batch_size": BATCH}
    return parse_recipe({**plain, "init": arm.get("init", "pretrained"), "seed": seed})


def one_run(recipe: Any, data: Path) -> dict[str, Any]:
    """Fine-tune and measure on the test split; processor seconds are told beside the clock's."""
    from bench.assets import fetch
    from training.finetune import finetune
    from training.reporting import SilentReporter
    from training.tasks import task_kind

    began, busy = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as work:
        base = fetch(recipe.base_model.repo)
        result = finetune(
            recipe, base_dir=base, data_dir=data, work_dir=Path(work), reporter=SilentReporter()
        )
        kind = task_kind(recipe.task)
        found = kind.evaluate(result.model_dir, data, "test", recipe=recipe, reporter=SilentReporter())
    plain = found.as_dict()
    classes = {f"iou {label}": row["iou"] for label, row in plain["per_class"].items()}
    seconds = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - busy}
    return (
        {name: plain[name] for name in (*NUMBERS, "lo", "hi")}
        | classes
        | {name: round(value, 1) for name, value in seconds.items()}
    )


def measure(seeds: list[int], sizes: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
    from bench.assets import fetch

    data, first = fetch(ASSET), next(iter(ARMS.values()))
    methods: dict[str, list[dict[str, Any]]] = {}
    for seed in seeds:
        for method, scores in baselines.measure(the_recipe(first, sizes, seed), data).items():
            methods.setdefault(method, []).append({"seed": seed, **scores})
            print(f"seed {seed}, {method}: {scores}", flush=True)
        for method, arm in ARMS.items():
            found = one_run(the_recipe(arm, sizes, seed), data)
            methods.setdefault(method, []).append({"seed": seed, **found})
            print(f"seed {seed}, {method}: {found}", flush=True)
    return methods


def markdown(found: dict[str, Any]) -> str:
    where, sizes, methods = found["machine"], found["sizes"], found["methods"]
    order = sorted(methods, key=lambda method: -_mean(methods[method], "mean_iou"))
    rows = [
        [name, *(_spread(methods[name], number) for number in NUMBERS), _cost(methods[name])]
        for name in order
    ]
    classes = [name for name in methods[order[0]][0] if name.startswith("iou ")]
    by_class = [[name, *(_spread(methods[name], one) for one in classes)] for name in order]
    parts = [
        "**Semi-synthetic data**: real cut-outs of Tux Paint on pictures that they do not belong to, with\n"
        "exact masks by construction. Figures on it say nothing about photos.",
        "The recipe of recipes/images/tuxpaint-segmentation.yaml at a small equal budget:\n"
        f"{sizes['rows']:,} training pictures squeezed to {sizes['size']} × {sizes['size']} pixels, whole "
        f"networks {sizes['epochs']} epochs;\nmeasured on all 300 test pictures at their own 224 × 224. "
        f"{len(found['seeds'])} seeds, mean ± standard\ndeviation: each draws its own training pictures and "
        "weights. The test pictures are the same for\nall; they show cut-outs and backgrounds that no "
        "training picture shows. From scratch is\nunder-trained at this budget.",
        report.table(["method", *(LABELS[number] for number in NUMBERS), "processor time"], rows),
        verdict(methods),
        "IoU by class:",
        report.table(["method", *(name.removeprefix("iou ") for name in classes)], by_class),
        f"Made by `python -m bench.tasks.segmentation` on {where['when']}: {where['processor']}, one\n"
        f"thread of {where['cores']} cores shared with other work, torch {where['torch']};\n"
        f"{found['cpu_minutes']} minutes of processor time, {found['minutes']} on the clock.",
    ]
    return "\n\n".join(parts) + "\n"


def verdict(methods: dict[str, list[dict[str, Any]]]) -> str:
    """By how much the best pretrained net is ahead of the others, on how many seeds."""
    value = {method: _mean(runs, "mean_iou") for method, runs in methods.items()}
    tuned = [method for method in value if "fine-tuned" in method or "frozen" in method]
    scratch = next(method for method in value if "scratch" in method)
    plain = max((method for method in value if method not in (*tuned, scratch)), key=lambda m: value[m])
    ahead = max(tuned, key=lambda method: value[method])
    lines = [f"**{max(value, key=lambda method: value[method])}** is ahead."]
    for other in (scratch, plain):
        gaps = [a["mean_iou"] - b["mean_iou"] for a, b in zip(methods[ahead], methods[other], strict=True)]
        won = sum(gap > 0 for gap in gaps)
        lines.append(
            f"The best pretrained one ({ahead}) against {other}:\n"
            f"{statistics.mean(gaps):+.3f} mean IoU, ahead with {won} of {len(gaps)} seeds."
        )
    return "\n".join(lines)


def _mean(runs: list[dict[str, Any]], number: str) -> float:
    return statistics.mean(run[number] for run in runs)


def _spread(runs: list[dict[str, Any]], number: str) -> str:
    values = [run.get(number, 0.0) for run in runs]
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {spread:.3f}"


def _cost(runs: list[dict[str, Any]]) -> str:
    seconds = [run["cpu_seconds"] for run in runs if "cpu_seconds" in run]
    return f"{statistics.mean(seconds):.0f} s" if seconds else "< 10 s"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed on 48 small pictures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    torch.set_num_threads(1)
    seeds, sizes = (args.seeds[:1], QUICK) if args.quick else (args.seeds, SIZES)
    began, busy = time.perf_counter(), time.process_time()
    methods = measure(seeds, sizes)
    minutes = {
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "cpu_minutes": round((time.process_time() - busy) / 60, 1),
    }
    found = {"machine": report.machine(), "seeds": seeds, "sizes": sizes, **minutes, "arms": ARMS}
    found["methods"] = methods
    report.write("segmentation_quick" if args.quick else "segmentation", found, markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
