"""Fine-tuning against training from scratch: the same recipe, budget and seeds, other first weights.

    python -m bench.pretraining            writes its part of docs/results.md
    python -m bench.pretraining --quick    one seed on few images, to see that it runs; leaves docs/ alone

MobileNetV2 with torchvision's ImageNet weights and MNIST-5k, both as the demo publishes them, and the demo's
recipe for two epochs. Accuracy is on the benchmark's 1,000 test images, which no run learns from.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import report

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "results.md"
BEGIN, END = "<!-- bench.pretraining: begin -->", "<!-- bench.pretraining: end -->"
INITS = ("pretrained", "scratch")
# Twice what the demo takes: training from scratch gains more from the second epoch than fine-tuning does.
EPOCHS = 2


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Accuracy, macro-F1 and seconds of every run, both kinds in turn so that drift meets both."""
    from training.demo import write_backbone
    from training.demodata import write_mnist

    base, data = folder / "base", folder / "data"
    base.mkdir()
    write_backbone(base, "demo/mobilenetv2-imagenet")
    write_mnist(data, limit=args.per_class)
    runs: dict[str, list[dict[str, Any]]] = {init: [] for init in INITS}
    for seed in args.seeds:
        for init in INITS:
            runs[init].append(_run(args, folder, init, seed))
            print(f"  {init}, seed {seed}: {runs[init][-1]}", flush=True)
    return {
        "recipe": _recipe("pretrained", 0, base, data).as_dict() | {"init": "…", "seed": "…"},
        "runs": runs,
    }


def _recipe(init: str, seed: int, base: Path, data: Path) -> Any:
    from training.demo import demo_recipe
    from training.recipe import parse_recipe

    plain = demo_recipe(str(base), str(data), init, epochs=EPOCHS)
    return parse_recipe({**plain, "benchmark": None, "seed": seed})


def _run(args: argparse.Namespace, folder: Path, init: str, seed: int) -> dict[str, Any]:
    from training.evaluate import evaluate
    from training.finetune import finetune
    from training.reporting import SilentReporter

    base, data, found = folder / "base", folder / "data", {"seed": seed, "load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(dir=folder) as work:
        result = finetune(
            _recipe(init, seed, base, data),
            base_dir=base,
            data_dir=data,
            work_dir=Path(work),
            reporter=SilentReporter(),
        )
        measured = evaluate(result.model_dir, data, "test")
    return {
        **found,
        "accuracy": measured.accuracy,
        "macro_f1": measured.macro_f1,
        "images": measured.n,
        "seconds": round(result.seconds, 1),
    }


def summary(found: dict[str, Any]) -> dict[str, float]:
    accuracy = {init: [run["accuracy"] for run in found["runs"][init]] for init in INITS}
    gaps = [ours - theirs for ours, theirs in zip(*(accuracy[init] for init in INITS), strict=True)]
    return {
        "pretrained": statistics.mean(accuracy["pretrained"]),
        "scratch": statistics.mean(accuracy["scratch"]),
        "margin": statistics.mean(gaps),
        "smallest_margin": min(gaps),
    }


def markdown(found: dict[str, Any], numbers: dict[str, float], where: dict[str, Any]) -> str:
    rows = []
    for init, title in zip(INITS, ("fine-tuned from ImageNet weights", "from scratch"), strict=True):
        runs = found["runs"][init]
        each = [f"{100 * run['accuracy']:.1f} %" for run in runs]
        f1 = statistics.mean(run["macro_f1"] for run in runs)
        rows.append([title, f"**{100 * numbers[init]:.1f} %**", *each, f"{f1:.3f}"])
    seeds = [run["seed"] for run in found["runs"]["pretrained"]]
    head = ["", "mean accuracy", *(f"seed {seed}" for seed in seeds), "macro-F1"]
    recipe, images = found["recipe"], found["runs"]["pretrained"][0]["images"]
    optim, size = recipe["optim"], recipe["dataset"]["image_size"]
    return f"""MobileNetV2 on MNIST-5k, all layers learning, {optim["epochs"]} epochs of batches of
{optim["batch_size"]}, {optim["name"]} at {optim["lr"]:g}, {size} × {size} pixels; accuracy on the {images:,}
images of the benchmark's test split. Both rows have the same budget; only the first weights differ.

{report.table(head, rows)}

Fine-tuning wins by **{100 * numbers["margin"]:.1f} points** on average, by
{100 * numbers["smallest_margin"]:.1f} with the seed where it wins least.

Made by `python -m bench.pretraining` on {where["when"]}: {where["processor"]},
{where["cores"]} cores, torch {where["torch"]}.
"""


def put_into(document: Path, text: str) -> None:
    """Replace what stands between the markers; a document without them gets them at its end."""
    whole = document.read_text(encoding="utf-8") if document.is_file() else "# Results\n"
    block = f"{BEGIN}\n{text.strip()}\n{END}"
    before, begin, rest = whole.partition(BEGIN)
    if begin:
        whole = before + block + rest.partition(END)[2]
    else:
        whole = f"{whole.rstrip()}\n\n## Pretraining pays\n\n{block}\n"
    document.write_text(whole, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed on 40 images of each digit")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    args.per_class = None
    if args.quick:
        args.seeds, args.per_class = args.seeds[:1], 40
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args, Path(folder))
    found["recipe"] = json.loads(json.dumps(found["recipe"]).replace(str(folder), "."))
    numbers, where = summary(found), report.machine()
    text = markdown(found, numbers, where)
    name = "pretraining_quick" if args.quick else "pretraining"
    report.write(name, {"machine": where, "summary": numbers, **found}, text)
    if not args.quick:
        put_into(DOCUMENT, text)
        print("and docs/results.md")
    return 0 if numbers["smallest_margin"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
