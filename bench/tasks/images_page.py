"""The page of bench.tasks.images: a table a task, and in words whether pretraining pays."""

from __future__ import annotations

import statistics
from typing import Any

from bench import report

TITLES = {
    "elpv-regression": "Solar cells: probability of a defect, as a number (ELPV)",
    "elpv-defective": "Solar cells: defective or not (ELPV)",
    "fashion-mnist": "Clothes: ten classes (Fashion-MNIST)",
    "tuxpaint-multilabel": "Animals, food, plants, vehicles: any of them (Tux Paint, semi-synthetic)",
}
NOTES = {
    "tuxpaint-multilabel": "The pictures are **semi-synthetic**: real cut-outs pasted on photos at random; "
    "the numbers say nothing\nabout photos. Cut-outs and backgrounds of the test occur in no training "
    "picture. A label is told from one half on."
}
LABELS = {"rmse": "RMSE", "mae": "MAE", "r2": "R²", "spearman": "Spearman", "macro_f1": "macro F1"}
LABELS |= {"mean_average_precision": "mean average precision", "subset_accuracy": "all labels right"}
# What decides which method is ahead; for every kind of task more is better.
MAIN = {
    "image-regression": "r2",
    "image-classification": "accuracy",
    "image-multilabel": "mean_average_precision",
}


def markdown(found: dict[str, Any]) -> str:
    intro = (
        "The recipes of recipes/images at a small equal budget, mean ± standard deviation over the seeds.\n"
        "Each seed draws its own training pictures and weights; the test pictures are the same\n"
        "for all. From scratch is under-trained at this budget: the claim is about few pictures and little\n"
        "time, not about the limit."
    )
    command = "python -m bench.tasks.images --only"
    parts = [intro]
    for name, item in found["tasks"].items():
        parts.append(section(TITLES[name], item, f"{command} {name}", NOTES.get(name, "")))
    return "\n\n".join(parts) + "\n"


def section(title: str, item: dict[str, Any], command: str, note: str = "") -> str:
    """What was measured of one task: sizes, the table, who wins, and how it was made."""
    sizes, numbers, methods = item["sizes"], item["numbers"], item["methods"]
    main = MAIN[item["task"]]
    order = sorted(methods, key=lambda method: -_mean(methods[method], main))
    rows = [[method, *(_spread(methods[method], number) for number in numbers), _cost(methods[method])]
            for method in order]  # fmt: skip
    head = ["method", *(LABELS.get(number, number) for number in numbers), "processor time"]
    about = (
        f"{sizes['rows']:,} training pictures of {sizes['size']} × {sizes['size']} pixels, whole networks "
        f"{sizes['epochs']} epochs;\nmeasured on {sizes['test']:,} test pictures at most; "
        f"{len(item['seeds'])} seed(s)."
    )
    about += f"\n{note}" if note else ""
    where = item["machine"]
    made = (
        f"Made by `{command}` on {where['when']}: {where['processor']},\n"
        f"one thread of {where['cores']} cores shared with other work, torch {where['torch']};\n"
        f"{item['cpu_minutes']} minutes of processor time, {item['minutes']} on the clock."
    )
    table = report.table(head, rows)
    return f"## {title}\n\n{about}\n\n{table}\n\n{verdict(item)}\n\n{made}"


def verdict(item: dict[str, Any]) -> str:
    """Who wins, by how much over training from scratch and over the best baseline, on every seed or not."""
    main, methods = MAIN[item["task"]], item["methods"]
    value = {method: _mean(runs, main) for method, runs in methods.items()}
    best = max(value, key=lambda method: value[method])
    tuned = [method for method in value if "fine-tuned" in method or "frozen" in method]
    scratch = next(method for method in value if "scratch" in method)
    plain = max((method for method in value if method not in (*tuned, scratch)), key=lambda m: value[m])
    ahead = max(tuned, key=lambda method: value[method])
    label = LABELS.get(main, main)
    lines = [f"**{best}** is ahead by {label}."]
    for other in (scratch, plain):
        gaps = [a[main] - b[main] for a, b in zip(methods[ahead], methods[other], strict=True)]
        won = sum(gap > 0 for gap in gaps)
        lines.append(
            f"The best pretrained one ({ahead}) against {other}:\n"
            f"{_signed(statistics.mean(gaps), main)} on average, ahead with {won} of {len(gaps)} seeds."
        )
    return "\n".join(lines)


def _signed(gap: float, number: str) -> str:
    return f"{100 * gap:+.1f} points" if number == "accuracy" else f"{gap:+.3f}"


def _mean(runs: list[dict[str, Any]], number: str) -> float:
    return statistics.mean(run.get(number, float("-inf")) for run in runs)


def _spread(runs: list[dict[str, Any]], number: str) -> str:
    values = [run[number] for run in runs if number in run]
    if not values:
        return "–"
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    if number == "accuracy":
        return f"{100 * statistics.mean(values):.1f} % ± {100 * spread:.1f}"
    return f"{statistics.mean(values):.3f} ± {spread:.3f}"


def _cost(runs: list[dict[str, Any]]) -> str:
    seconds = [run["cpu_seconds"] for run in runs if "cpu_seconds" in run]
    return f"{statistics.mean(seconds):.0f} s" if seconds else "< 10 s"
