"""The model card of a result: front matter for machines, a page for people, numbers of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from training.origin import Origin, Pinned
from training.recipe import Recipe, StrategySpec
from training.tasks import task_kind

MAX_CARD_BYTES = 1024**2
METRIC_LABELS = {
    "macro_f1": "macro F1",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
    "mase": "MASE",
    "map": "mAP",
    "map50": "mAP@50",
    "map75": "mAP@75",
}
METRIC_LABELS |= {"rmse_log": "RMSE (log)", "r2_log": "R² (log)"}
METRIC_LABELS |= {"mean_iou": "mean IoU", "pixel_accuracy": "pixel accuracy", "dice": "Dice"}
# Names of metrics as cards write them; others stand in the table only.
METRIC_IDS = {
    name: name for name in ("accuracy", "f1", "rmse", "mae", "mase", "roc_auc", "perplexity", "chrf")
}
METRIC_IDS |= {"macro_f1": "f1", "r2": "r_squared", "mean_iou": "mean_iou"}
BY_CLASS = {"per_class_recall": "Recall", "per_class_ap": "Average precision"}
MAX_METRICS = 10
LICENSE_FIELDS = ("license", "license_name", "license_link")


def result_card(
    *,
    origin: Origin,
    recipe: Recipe,
    manifest: Mapping[str, Any],
    config: Mapping[str, Any],
    base_dir: Path | None,
) -> str:
    """README.md of a run's result."""
    metadata = front_matter(origin, recipe, manifest, config, base_dir)
    front = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    title = origin.target.rpartition("/")[2]
    parts = [
        f"---\n{front}---\n",
        f"# {title}\n",
        _introduction(origin, recipe),
        _results(origin, recipe, manifest),
        _curve(manifest["history"], origin.url),
        _usage(origin, recipe, config),
        _privacy(recipe),
        _reproduction(manifest),
    ]
    return "\n".join(part for part in parts if part)


def front_matter(
    origin: Origin,
    recipe: Recipe,
    manifest: Mapping[str, Any],
    config: Mapping[str, Any],
    base_dir: Path | None,
) -> dict[str, Any]:
    """The card's metadata; the licence is the base's own, for a fine-tune cannot shed it."""
    scratch, kind = recipe.init == "scratch", task_kind(recipe.task)
    lineage = {}
    # Random weights descend from nothing; only the architecture is shared.
    if not scratch and origin.base is not None and origin.base.is_repo:
        lineage = {"base_model": origin.base.repo, "base_model_relation": _relation(config)}
    return {
        **(base_license(base_dir) if base_dir else {}),
        **lineage,
        **({"datasets": [origin.dataset.repo]} if origin.dataset.is_repo else {}),
        "pipeline_tag": kind.pipeline_tag,
        "library_name": str(config.get("library_name") or kind.library),
        "tags": ["tuneyard", *getattr(kind, "tags", ()), *(["from-scratch"] if scratch else [])],
        "metrics": _metric_ids(manifest),
    }


def _relation(config: Mapping[str, Any]) -> str:
    return "adapter" if "peft_type" in config else "finetune"


def _metric_ids(manifest: Mapping[str, Any]) -> list[str]:
    """Names of the numbers as cards write them."""
    names = [name.removeprefix("val/") for name in manifest["metrics"]] + list(manifest["evaluation"] or {})
    return list(dict.fromkeys(METRIC_IDS[name] for name in names if name in METRIC_IDS))


def base_license(base_dir: Path) -> dict[str, str]:
    """The licence fields of the base's card; none where it names none."""
    path = base_dir / "README.md"
    if not path.is_file() or path.stat().st_size > MAX_CARD_BYTES:
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    head, found, _ = text.removeprefix("---").partition("\n---")
    if not text.startswith("---") or not found:
        return {}
    try:
        metadata = yaml.safe_load(head)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    if not isinstance(metadata, dict):
        return {}
    return {name: metadata[name] for name in LICENSE_FIELDS if isinstance(metadata.get(name), str)}


def _introduction(origin: Origin, recipe: Recipe) -> str:
    data = _link(origin.dataset, "datasets/")
    base = _link(origin.base, "") if origin.base else ""
    if recipe.init == "scratch":
        what = f"The architecture of {base}" if base else f"A network for {recipe.task}"
        how = f"{what}, trained from random weights on {data}: a baseline."
        how = how if base else how.replace(": a baseline", "")
    else:
        how = f"{base}, fine-tuned on {data} ({_part(recipe.strategy)})."
    by = f"[a run on this hub]({origin.url})" if origin.url else "`python -m training finetune`"
    return f"{how} Made by {by}.\n"


def _part(strategy: StrategySpec) -> str:
    """What of the base learned, and under which head where that is not the usual linear layer."""
    part = {
        "head": "its head only",
        "last-stages": f"its head and last {strategy.stages} stage(s)",
        "gradual": "its head, then stage by stage below it",
        "full": "all of its layers",
        "lp-ft": "its head first, then all of its layers",
        "lora": "by LoRA adapters",
    }[strategy.kind]
    pooled = "global average pooling" if strategy.head.pooling == "average" else ""
    dense = f"a dense layer of {strategy.head.hidden:,} units" if strategy.head.hidden else ""
    built = " and ".join(item for item in (pooled, dense) if item)
    return f"{part}; before the last layer {built}" if built else part


def _results(origin: Origin, recipe: Recipe, manifest: Mapping[str, Any]) -> str:
    rows = []
    measured = manifest.get("evaluation")
    if measured and origin.benchmark and recipe.benchmark:
        name = f"{_cell(origin.benchmark.repo)}, `{_cell(recipe.benchmark.split)}`"
        rows += _measured_rows(name, measured, manifest.get("ranked_by") or measured["metric"])
    for metric, value in manifest["metrics"].items():
        short = metric.removeprefix("val/")
        if short != "loss":
            rows.append(f"| validation part | {METRIC_LABELS.get(short, short)} | {_number(value)} | | |")
    if not rows:
        return ""
    head = [
        "| Measured on | Metric | Value | 95 % interval | Rows |",
        "| --- | --- | --- | --- | --- |",
    ]
    more = _recall(measured) + _overlap(measured) if measured else ""
    return "## Results\n\n" + "\n".join([*head, *rows]) + "\n" + more


def _measured_rows(name: str, measured: Mapping[str, Any], first: str) -> list[str]:
    """The number that is ranked in bold, then the others; intervals where there are some."""
    own = measured["metric"]
    bounds = {own: (measured["lo"], measured["hi"]), **measured.get("intervals", {})}
    values = {own: measured["value"], **measured}
    others = [
        metric
        for metric, value in values.items()
        if isinstance(value, float) and metric not in ("value", "lo", "hi", first)
    ]
    rows = []
    for metric in [first, *others[:MAX_METRICS]]:
        value = f"**{_number(values.get(metric))}**" if metric == first else _number(values[metric])
        interval = " – ".join(_number(end) for end in bounds.get(metric, ()))
        rows.append(
            f"| {name} | {METRIC_LABELS.get(metric, metric)} | {value} | {interval} | {measured['n']} |"
        )
    return rows


def _recall(measured: Mapping[str, Any]) -> str:
    """Recall, or average precision, of each class, where there are few enough to read."""
    found = ""
    for name, words in BY_CLASS.items():
        values = measured.get(name) or {}
        if 0 < len(values) <= 30:
            cells = ", ".join(f"{_cell(label)} {_number(value)}" for label, value in values.items())
            found += f"\n{words} by class: {cells}.\n"
    return found


def _overlap(measured: Mapping[str, Any]) -> str:
    """IoU of each class of pixels, where there are few enough to read."""
    table = measured.get("per_class")
    if not isinstance(table, Mapping) or not 0 < len(table) <= 30:
        return ""
    known = {label: row["iou"] for label, row in table.items() if isinstance(row, Mapping) and "iou" in row}
    cells = ", ".join(f"{_cell(label)} {_number(value)}" for label, value in known.items())
    return f"\nIoU by class: {cells}.\n" if cells else ""


def _curve(history: list[Mapping[str, float]], url: str) -> str:
    if not history:
        return ""
    measures = [name for name in history[-1] if name.startswith("val/") and name != "val/loss"]
    names = ("train/loss", "val/loss", *measures[:1])
    shown = [name for name in names if any(name in row for row in history)]
    head = ["| Epoch | " + " | ".join(shown) + " |", "| --- " * (len(shown) + 1) + "|"]
    rows = [
        f"| {row.get('epoch', index):g} | " + " | ".join(_number(row.get(name)) for name in shown) + " |"
        for index, row in enumerate(history, start=1)
    ]
    # A card is read by people: the whole curve is on the run's page and in run.json.
    kept = rows if len(rows) <= 12 else [*rows[:6], "| … |" + " |" * len(shown), *rows[-5:]]
    more = f"; step by step it is on [the run's page]({url})" if url else ""
    more = f"\nThe curve is in `metrics.jsonl`{more}.\n"
    return "## Training\n\n" + "\n".join([*head, *kept]) + "\n" + more


def _usage(origin: Origin, recipe: Recipe, config: Mapping[str, Any]) -> str:
    kind = task_kind(recipe.task)
    command = f"python -m training predict --model {origin.target} {kind.example}"
    code = kind.usage(origin.target, dict(config))
    return "\n".join(["## Use", "", "```bash", command, "```", "", "```python", code, "```", ""])


def _privacy(recipe: Recipe) -> str:
    """Whom the published files name, where the task's do."""
    said = getattr(task_kind(recipe.task), "privacy", "")
    return f"## Privacy\n\n{said}\n" if said else ""


def _reproduction(manifest: Mapping[str, Any]) -> str:
    seconds, memory = manifest["seconds"].get("total"), manifest["resources"].get("peak_memory_bytes")
    took = f" It took {seconds:.0f} s on {_cell(manifest['hardware']['device'])}" if seconds else ""
    took += f" and {memory / 1e9:.1f} GB of memory at most." if took and memory else "." if took else ""
    return "\n".join(
        [
            "## Reproduce",
            "",
            f"`recipe.yaml` names every commit and setting (seed {manifest['seed']}); "
            f"`run.json` names the versions.{took}",
            "",
            "```bash",
            "python -m training finetune recipe.yaml --out ./out",
            "```",
            "",
        ]
    )


def _link(source: Pinned, prefix: str) -> str:
    if not source.is_repo:
        return _cell(Path(source.repo).name)
    return f"[{source.repo}](/{prefix}{source.repo})"


def _number(value: Any) -> str:
    """Four digits after the point, and none where there are four before it."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}"


def _cell(text: object) -> str:
    """Text from a data set or a machine, made harmless inside a table."""
    plain = "".join(c if c.isprintable() else " " for c in str(text))[:60]
    for mark in "\\`*_[]<>|":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
