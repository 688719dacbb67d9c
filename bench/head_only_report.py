"""What `bench.head_only` found, in numbers and as a page."""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any

from bench import report


def median(runs: list[dict[str, Any]]) -> float:
    return statistics.median(run["seconds"] for run in runs)


def race_rows(args: argparse.Namespace, found: dict[str, Any]) -> dict[str, Any]:
    """The numbers promised of the race against the plain loop, by epochs, with what they are made of."""
    rows = {}
    accuracy = found["accuracy"]
    for epochs in (args.short, args.long):
        ours, plain = median(found["ours"][epochs]), found["plain"][epochs]["seconds"]
        rows[epochs] = {
            "plain_seconds": plain,
            "ours_seconds": ours,
            "times_faster": plain / ours,
            "plain_epochs_done": found["plain"][epochs]["epochs_done"],
            "plain_accuracy": accuracy.get(f"plain-{epochs}"),
            "ours_accuracy": accuracy[f"ours-{epochs}"],
            "of_one_pass": ours / found["pass"]["seconds"],
        }
    return rows


def limit_rows(args: argparse.Namespace, found: dict[str, Any]) -> dict[str, Any]:
    """A whole run as a share of one inference pass, by epochs."""
    one_pass = found["limit_pass"]["seconds"]
    rows = {}
    for epochs in (args.short, args.long):
        ours = median(found["limit"][epochs])
        rows[epochs] = {"ours_seconds": ours, "pass_seconds": one_pass, "of_one_pass": ours / one_pass}
    return rows


def _percent(share: float | None) -> str:
    return "not run to its end" if share is None else f"{100 * share:.1f} %"


def _plain_cell(epochs: int, row: dict[str, Any]) -> str:
    done = row["plain_epochs_done"]
    scaled = "" if done == epochs else f" (scaled from {done} epochs)"
    return f"{row['plain_seconds']:.1f} s{scaled}"


def _heading(found: dict[str, Any], where: Any) -> str:
    command = " ".join(["python -m bench.head_only", *sys.argv[1:]])
    groups = [found[name] for name in ("ours", "limit") if name in found]
    busiest = max(run["load_before"] for group in groups for runs in group.values() for run in runs)
    return f"""`{command}` · {where["when"]} · {where["processor"]}, {where["cores"]} cores ·
torch {where["torch"]}, Python {where["python"]} · load average before our runs at most {busiest}
"""


def race_page(args: argparse.Namespace, found: dict[str, Any], where: Any) -> str:
    """The race against the plain loop."""
    heads = [
        "epochs",
        "plain loop",
        "ours, files to files",
        "faster",
        "accuracy plain / ours",
        "ours ÷ one pass",
    ]
    lines = [
        [
            epochs,
            _plain_cell(epochs, row),
            f"{row['ours_seconds']:.2f} s",
            f"**{row['times_faster']:.0f}×**",
            f"{_percent(row['plain_accuracy'])} / {_percent(row['ours_accuracy'])}",
            f"{row['of_one_pass']:.2f}",
        ]
        for epochs, row in race_rows(args, found).items()
    ]
    plain_rate = found["plain"][args.long]["images_per_second"]
    return f"""# Head-only fine-tuning with cached features

{_heading(found, where)}
ResNet-50, {args.size} px, {args.images} images of MNIST-5k, linear head, AdamW, batches of 4. Both loops see
the same images in the same order with the same learning rates; accuracy on {found["accuracy"]["images"]}
held-out images, features in fp32. Ours: median of {args.repeat} whole runs, each in a fresh process with an
empty cache; plain: one run, the loop alone. One pass over these images: {found["pass"]["seconds"]:.2f} s.

{report.table(heads, lines)}

The plain loop runs {plain_rate:.0f} images/s.

No pretrained ResNet-50 exists offline: the body is random with a fixed seed, its batch-norm statistics taken
from data. Its speed is that of any ResNet-50; the accuracies say only that both loops learn the same head.
"""


def limit_page(args: argparse.Namespace, found: dict[str, Any], where: Any) -> str:
    """The race against one inference pass."""
    many = found["limit_pass"]
    lines = [
        [
            epochs,
            f"{row['ours_seconds']:.2f} s",
            f"{row['pass_seconds']:.2f} s",
            f"**{row['of_one_pass']:.2f}**",
        ]
        for epochs, row in limit_rows(args, found).items()
    ]
    stages = found["limit"][args.long][0]["stages"]
    spans = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in stages.items())
    speed = {name: args.limit_images / statistics.median(runs) for name, runs in many["runs"].items()}
    speeds = ", ".join(f"{name}: {rate:.0f} images/s" for name, rate in speed.items())
    compiled = many.get("compile_seconds")
    note = f" (after {compiled:.0f} s of compiling, not counted)" if compiled else ""
    return f"""# Head-only fine-tuning against one inference pass

{_heading(found, where)}
ResNet-50, {args.size} px, {args.limit_images} images of MNIST-5k, linear head, AdamW, batches of 4: a whole
run from files to files, nothing cached beforehand (median of {args.repeat}, each in a fresh process), against
one warm inference pass over the same pixels in the machine's best setting (the faster of two ways, median of
three).

{report.table(["epochs", "ours, files to files", "one inference pass", "ours ÷ one pass"], lines)}

Where the time of {args.long} epochs goes: {spans}.
Warm inference: {speeds}{note}.
"""
