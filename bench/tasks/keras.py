"""Clothes told apart by a Keras 3 file: its body frozen, what it ends in pooled, a new dense head.

    python -m bench.tasks.keras            three seeds; writes bench/results/keras.json and .md
    python -m bench.tasks.keras --quick    one seed on few pictures, to see that it runs

The recipe is recipes/keras/fashion-mnist.yaml with fewer pictures and without validation. The base is
torchvision's MobileNetV2 as a Keras file (bench/assets/kerasbase.py); the same weights in torchvision's own
net stand beside it, and the same net from random weights: Keras bases are not trained from scratch here.
Nothing is tuned on the test split.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import report
from bench.tasks import imagebaselines as baselines
from bench.tasks import images, images_page

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "keras" / "fashion-mnist.yaml"
COMMAND = "python -m bench.tasks.keras"
SIZES = {"rows": 600, "size": 97, "epochs": 3, "test": 500}
BASE, TWIN = "keras-mobilenet-v2", "mobilenet-v2"
# The frozen arms have the recipe's rate and epochs; from scratch as in bench.tasks.images.
ARMS: dict[str, dict[str, Any]] = {
    "Keras MobileNetV2, frozen": {"base": BASE},
    "Keras MobileNetV2, frozen, hidden layer of 128": {"base": BASE, "hidden": 128},
    "torchvision's MobileNetV2, frozen": {"base": TWIN},
    "torchvision's MobileNetV2 from scratch": {"base": TWIN, "init": "scratch", "lr": 1.5e-3},
}


def the_recipe(arm: dict[str, Any], sizes: dict[str, int], seed: int) -> Any:
    import yaml

    from training.recipe import parse_recipe

    plain = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    del plain["dataset"]["validation_split"]
    plain["dataset"] |= {"validation_fraction": 0.0, "max_train_images": sizes["rows"]}
    plain["base_model"]["repo"] = arm["base"]
    if arm["base"] == TWIN:
        # A Keras file says itself what size it takes.
        plain["dataset"]["image_size"] = sizes["size"]
    if "hidden" in arm:
        plain["strategy"]["head"] = {"hidden": arm["hidden"]}
    if arm.get("init") == "scratch":
        plain |= {"init": "scratch", "strategy": {"kind": "full"}}
        plain["optim"] |= {"lr": arm["lr"], "epochs": sizes["epochs"], "name": "adamw", "batch_size": 16}
    return parse_recipe({**plain, "seed": seed})


def measure(seeds: list[int], sizes: dict[str, int], folder: Path) -> Iterator[dict[str, Any]]:
    """What is known after every seed: whoever stops it keeps what was measured."""
    from bench.assets import fetch

    first = the_recipe(ARMS["Keras MobileNetV2, frozen"], sizes, 0)
    data = images.smaller_test(fetch(first.dataset.repo), folder, sizes["test"])
    methods: dict[str, list[dict[str, Any]]] = {}
    numbers = images.NUMBERS[first.task]
    for done, seed in enumerate(seeds, start=1):
        recipe = the_recipe({"base": BASE}, sizes, seed)
        for method, scores in baselines.measure(recipe, data).items():
            methods.setdefault(method, []).append({"seed": seed, **scores})
        for method, arm in ARMS.items():
            found = images.one_run(the_recipe(arm, sizes, seed), data)
            methods.setdefault(method, []).append({"seed": seed, **found})
            print(f"seed {seed}, {method}: {found}", flush=True)
        about = {"task": first.task, "asset": first.dataset.repo, "numbers": numbers}
        yield {"seeds": seeds[:done], "sizes": sizes, "arms": ARMS, **about, "methods": methods}


def markdown(found: dict[str, Any]) -> str:
    intro = (
        "recipes/keras/fashion-mnist.yaml at a small budget. The base is ImageNet's MobileNetV2 as a\n"
        "`.keras` file, made of torchvision's weights and compared with torchvision's net when it is made.\n"
        "Each seed draws its own training pictures and heads; the test pictures are the same for all. From\n"
        "scratch is under-trained at this budget: the claim is about few pictures and little time."
    )
    title = "Clothes: ten classes (Fashion-MNIST) on a Keras 3 base"
    keras, twin = (found["methods"][name] for name in list(ARMS)[::2][:2])
    gaps = [100 * (a["accuracy"] - b["accuracy"]) for a, b in zip(keras, twin, strict=True)]
    agreement = (
        "The same frozen weights in Keras and in torchvision: "
        + ", ".join(f"{gap:+.1f}" for gap in gaps)
        + " points apart by seed.\nFeatures of torchvision's nets are made in bf16 where the processor has "
        "it, Keras's in fp32."
    )
    return f"{intro}\n\n{images_page.section(title, found, COMMAND)}\n\n{agreement}\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed on 60 pictures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    torch.set_num_threads(1)
    seeds = args.seeds[:1] if args.quick else args.seeds
    sizes = SIZES | ({"rows": 60, "epochs": 1, "test": 60} if args.quick else {})
    began, busy = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for found in measure(seeds, sizes, Path(folder)):
            minutes = {
                "minutes": round((time.perf_counter() - began) / 60, 1),
                "cpu_minutes": round((time.process_time() - busy) / 60, 1),
            }
            found = {"machine": report.machine(), **minutes, **found}
            report.write("keras_quick" if args.quick else "keras", found, markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
