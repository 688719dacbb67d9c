"""A full fine-tune against the plain loop, the Hugging Face Trainer and timm's loop, side by side in one run.

    python -m bench.train            three races, three rounds; about forty minutes
    python -m bench.train --quick    the same code on few rows, once
    python -m bench.train --only mobilenet --repeat 1

Races: MobileNetV2 (ImageNet weights) and ResNet-18 (random weights) on Fashion-MNIST at 96 pixels, MiniLM on
reviews of food. Every run is a fresh process (`--part`), timed from files to a saved model, imports left out;
all arms of a race run once before any runs again, and medians count. Peers run as they come, and with every
setting at its best, with bf16 autocast and without: the page compares with the faster of the two. One recipe
for all: AdamW, constant rate, batches of 32, equally many epochs. Accuracy of the saved model in fp32, on the
same test rows, is measured outside the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import training  # noqa: F401 (first: all arms let torch's threads wait in the same way)
from bench import report
from bench.train_peers import page, work

FORMS = ("default", "fp32", "bf16")
IMAGES = [("ours", "default"), *((peer, form) for peer in ("plain", "hf", "timm") for form in FORMS)]
TEXTS = [("ours", "default"), *((peer, form) for peer in ("plain", "hf") for form in FORMS)]
ARMS = {"mobilenet": IMAGES, "resnet": IMAGES, "minilm": TEXTS}
ROWS = {"mobilenet": 640, "resnet": 640, "minilm": 192}
EPOCHS = {"mobilenet": 2, "resnet": 2, "minilm": 2}


def part_arm(args: argparse.Namespace, job: work.Job) -> dict[str, Any]:
    """One run, timed, and its accuracy, not timed."""
    import shutil

    import torch._dynamo  # noqa: F401 (a worker has imported it long before a run)
    from safetensors.torch import save_file

    from bench.train_peers import hf, images, ours, texts
    from training import finetune, model  # noqa: F401 (peers' imports are left out of the clock too)
    from training.tasks import task_kind

    task_kind(ours.recipe_of(job).task)
    shutil.rmtree(job.out, ignore_errors=True)
    image = job.race != "minilm"
    loops = {"plain": images.plain if image else texts.plain, "timm": images.timm_loop}
    loops["hf"] = hf.images if image else hf.texts
    found: dict[str, Any] = {}
    net: Any = None
    with report.clock(found):
        if args.peer == "ours":
            ours.run(job)
        else:
            net = loops[args.peer](job)
            if image:
                job.out.mkdir()
                save_file(
                    {k: v.contiguous() for k, v in net.state_dict().items()}, job.out / "model.safetensors"
                )
            else:
                net.save_pretrained(job.out)
    if not image:
        return {**found, "accuracy": texts.test(job)}
    return {**found, "accuracy": work.test_images(job, net or model.load_network(job.out).net)}


def part_limits(args: argparse.Namespace, job: work.Job) -> dict[str, Any]:
    """Measured rates of products, and operations of a whole run of this race."""
    import torch

    from bench.train_peers import texts

    found: dict[str, Any] = {name: work.product_rate(name) for name in ("float32", "bfloat16")}
    if job.race == "minilm":
        _, _, net = texts.text_rows(job)
        length = round(texts.mean_length(job))
        inputs = torch.ones(work.BATCH, length, dtype=torch.long)
        one = work.operations(lambda: net(input_ids=inputs).logits)
    else:
        net, inputs = work.image_net(job), torch.randn(work.BATCH, 3, work.SIZE, work.SIZE)
        one = work.operations(lambda: net(inputs))
    return {**found, "operations": one / work.BATCH * len(work.table_of(job, "train")) * job.epochs}


PARTS = {"arm": part_arm, "limits": part_limits}


def call(args: argparse.Namespace, part: str, race: str, peer: str, form: str, seed: int) -> dict[str, Any]:
    """One part in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "bench.train", "--part", part, "--work", args.work]
    command += ["--race", race, "--peer", peer, "--form", form, "--seed", seed, "--epochs", args.epochs[race]]
    quiet = {"TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
    out = None if args.verbose else subprocess.DEVNULL
    subprocess.run([str(word) for word in command], check=True, stdout=out, env=os.environ | quiet)
    found: dict[str, Any] = json.loads((args.work / "answer.json").read_text())
    if part == "arm":
        shown = f"{found['seconds']:.2f} s, {found['cpu_seconds']:.2f} s of processor"
        print(f"  {race} {peer} {form} {seed}: {shown}, {found['accuracy']:.3f}", flush=True)
    return found


def measure(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every arm of a race once, then all of them again, with another seed; told after every race."""
    races: dict[str, Any] = {}
    for race in args.only:
        runs: dict[str, list[Any]] = {}
        for seed in range(args.repeat):
            # Backwards every other time, so that no arm always follows the same one.
            for peer, form in ARMS[race][:: 1 if seed % 2 == 0 else -1]:
                runs.setdefault(f"{peer} {form}", []).append(call(args, "arm", race, peer, form, seed))
        limits = call(args, "limits", race, "plain", "default", 0)
        races[race] = {"limits": limits, "runs": runs, "rows": args.rows[race], "epochs": args.epochs[race]}
        races[race] |= {"when": args.when, "rounds": args.repeat}
        yield races


def earlier(name: str) -> dict[str, Any]:
    """The races of the last page, which stay on it until they are run again."""
    path = report.RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text())["races"] if path.is_file() else {}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rows, once, to see that it runs")
    parser.add_argument("--only", action="append", choices=list(ARMS), help="this race (may be repeated)")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--verbose", action="store_true", help="show what the arms say")
    for hidden, kind in (
        ("--part", str),
        ("--work", Path),
        ("--race", str),
        ("--peer", str),
        ("--form", str),
    ):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    for hidden in ("--seed", "--epochs"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        job = work.Job(args.race, args.form, args.seed, args.epochs, args.work)
        (args.work / "answer.json").write_text(json.dumps(PARTS[args.part](args, job)))
        return 0
    args.only, args.rows, args.epochs = args.only or list(ARMS), ROWS, EPOCHS
    if args.quick:
        args.repeat, args.rows, args.epochs = 1, dict.fromkeys(ROWS, 64), dict.fromkeys(EPOCHS, 1)
    with tempfile.TemporaryDirectory() as folder:
        args.work = Path(folder)
        work.prepare(args.work, args.only, args.rows, 100 if args.quick else 1000)
        name, where = "train" + ("_quick" if args.quick else ""), report.machine()
        args.when, kept = where["when"], earlier(name)
        for measured in measure(args):
            # After every race: whoever stops it keeps what was measured.
            races = {race: (kept | measured)[race] for race in ARMS if race in kept | measured}
            content = {"machine": where, "summary": page.summary(races), "races": races}
            report.write(name, content, page.markdown(races, where, 100 if args.quick else 1000))
    return 0


if __name__ == "__main__":
    sys.exit(main())
