"""The page of `bench.train`: medians, ratios, accuracies, and the share of the machine's limit."""

from __future__ import annotations

import statistics
from typing import Any

from bench import report

NAMES = {"ours": "**Tuneyard**", "plain": "plain loop", "hf": "Hugging Face Trainer", "timm": "timm's loop"}
FORMS = {"default": "as it comes", "fp32": "best settings, fp32", "bf16": "best settings, bf16"}
TITLES = {
    "mobilenet": "MobileNetV2 on Fashion-MNIST, 96 px, ImageNet weights",
    "resnet": "ResNet-18 on Fashion-MNIST, 96 px, random weights",
    "minilm": "MiniLM (6 layers) on fine-foods, at most 128 tokens",
}
ABOUT = """\
Every run is a fresh process, timed from files to a saved model (reading, decoding or tokenising, the base's
weights, learning, saving), imports left out. All arms of a race run once before any runs again; seconds are
medians. The recipe is the same: AdamW, constant rate, batches of 32, no augmentation, no clipping, whole
network. Accuracy: median over the seeds and their range, saved model in fp32, the same {test} test rows.

As it comes: pictures decoded whenever asked for (timm: by four workers; their processor time is missing),
fp32, contiguous memory; texts in batches as drawn. Best settings: pictures decoded once and batched as one
tensor, channels-last, fused AdamW; texts grouped by length (Trainer), eager attention, which is faster here
while there is dropout; with bf16 autocast and without. `torch.compile` is no part of them: compiling takes
longer than these runs (decision 0025). Ours: the recipe's defaults, nothing set. Of the limit: the operations
of the whole run (three times torch's count of the forward products; texts at their mean length, no padding)
over the seconds, over the best rate that this machine reaches in the same precision, of a 2048³ product or a
3 × 3 convolution of 256 channels: reading, decoding and saving count against it. A depthwise convolution has
few products for the memory it reads, so MobileNetV2 is far from this limit by its nature."""


def summary(races: dict[str, Any]) -> dict[str, Any]:
    """Per race: seconds and accuracy of each arm, and how many times as long as ours each peer takes."""
    found: dict[str, Any] = {}
    for race, content in races.items():
        arms = {name: _of(runs) for name, runs in content["runs"].items()}
        ours = arms["ours default"]["seconds"]
        operations, limits = content["limits"]["operations"], content["limits"]
        for name, arm in arms.items():
            arm["times_ours"] = arm["seconds"] / ours
            # Ours chooses bf16 where the processor has it: its share is told of that rate.
            dtype = "bfloat16" if name == "ours default" or name.endswith("bf16") else "float32"
            arm["flops"], arm["limit"] = operations / arm["seconds"], limits[dtype]
        peers = sorted({name.split()[0] for name in arms} - {"ours"})
        found[race] = {"arms": arms, "peers": {}}
        for peer in peers:
            best = min(arms[f"{peer} fp32"]["seconds"], arms[f"{peer} bf16"]["seconds"])
            came = arms[f"{peer} default"]["seconds"]
            found[race]["peers"][peer] = {"as_it_comes": came / ours, "best": best / ours}
    return found


def _of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    accuracies = sorted(run["accuracy"] for run in runs)
    return {
        "seconds": statistics.median(run["seconds"] for run in runs),
        "cpu_seconds": statistics.median(run["cpu_seconds"] for run in runs),
        "accuracy": statistics.median(accuracies),
        "accuracy_range": [accuracies[0], accuracies[-1]],
    }


def markdown(races: dict[str, Any], where: dict[str, Any], test: int) -> str:
    arms = [runs for race in races.values() for runs in race["runs"].values()]
    load = max(run["load_before"] for runs in arms for run in runs)
    versions = f"torch {where['torch']}, Python {where['python']}"
    lines = [
        "# Full fine-tunes, side by side",
        "",
        f"`python -m bench.train` · {where['when']} · {where['processor']}, {where['cores']} cores ·",
        f"{versions} · load average before a run at most {load}",
        "",
        ABOUT.format(test=test),
    ]
    for race, found in summary(races).items():
        limits, content = races[race]["limits"], races[race]
        rates = ", ".join(f"{name} {limits[name] / 1e9:.0f} GFLOP/s" for name in ("float32", "bfloat16"))
        head = ["arm", "settings", "seconds", "processor seconds", "× ours", "accuracy", "of the limit"]
        rows = [_row(name, arm) for name, arm in found["arms"].items()]
        size = f"{content['rows']} rows, {content['epochs']} epochs, {content['rounds']} rounds"
        lines += ["", f"## {TITLES[race]}", "", f"{size}, {content['when']}. Best rates: {rates}."]
        lines += ["", report.table(head, rows), ""]
        lines += [
            f"- {NAMES[peer]}: {ratio['as_it_comes']:.2f}× ours as it comes, {ratio['best']:.2f}× at best."
            for peer, ratio in found["peers"].items()
        ]
    return "\n".join(lines)


def _row(name: str, arm: dict[str, Any]) -> list[str]:
    peer, form = name.split()
    lo, hi = arm["accuracy_range"]
    return [
        NAMES[peer],
        "recipe's defaults" if peer == "ours" else FORMS[form],
        f"{arm['seconds']:.1f}",
        f"{arm['cpu_seconds']:.1f}",
        f"{arm['times_ours']:.2f}",
        f"{arm['accuracy']:.1%} ({lo:.1%} to {hi:.1%})",
        f"{arm['flops'] / arm['limit']:.0%}",
    ]
