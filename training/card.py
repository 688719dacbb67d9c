"""The model card of a result: front matter for machines, a page for people, numbers of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from training.hubclient import Claim
from training.recipe import Recipe

MAX_CARD_BYTES = 1024**2
LICENSE_FIELDS = ("license", "license_name", "license_link")


def result_card(
    *, claim: Claim, recipe: Recipe, manifest: Mapping[str, Any], config: Mapping[str, Any], base_dir: Path
) -> str:
    """README.md of a run's result."""
    front = yaml.safe_dump(front_matter(claim, recipe, config, base_dir), sort_keys=False, allow_unicode=True)
    title = claim.target.rpartition("/")[2]
    parts = [
        f"---\n{front}---\n",
        f"# {title}\n",
        _introduction(claim, recipe),
        _results(claim, recipe, manifest),
        _curve(manifest["history"]),
        _usage(claim, config),
        _reproduction(claim, manifest),
    ]
    return "\n".join(part for part in parts if part)


def front_matter(claim: Claim, recipe: Recipe, config: Mapping[str, Any], base_dir: Path) -> dict[str, Any]:
    """The card's metadata; the licence is the base's own, for a fine-tune cannot shed it."""
    scratch = recipe.init == "scratch"
    # Random weights descend from nothing; only the architecture is shared.
    lineage = {} if scratch else {"base_model": claim.base.repo, "base_model_relation": "finetune"}
    return {
        **base_license(base_dir),
        **lineage,
        "datasets": [claim.dataset.repo],
        "pipeline_tag": recipe.task,
        "library_name": str(config.get("library_name") or "timm"),
        "tags": ["tuneyard", *(["from-scratch"] if scratch else [])],
        "metrics": ["accuracy", "f1"],
    }


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


def _introduction(claim: Claim, recipe: Recipe) -> str:
    base, data = _link(claim.base.repo, ""), _link(claim.dataset.repo, "datasets/")
    if recipe.init == "scratch":
        how = f"The architecture of {base}, trained from random weights on {data}: a baseline."
    else:
        part = {"head": "its head only", "full": "all of its layers"}.get(
            recipe.strategy.kind, f"its head and last {recipe.strategy.stages} stage(s)"
        )
        how = f"{base}, fine-tuned on {data} ({part})."
    return f"{how} Made by [a run on this hub]({claim.url}).\n"


def _results(claim: Claim, recipe: Recipe, manifest: Mapping[str, Any]) -> str:
    rows = []
    measured = manifest.get("evaluation")
    if measured and claim.benchmark and recipe.benchmark:
        name = f"{claim.benchmark.repo}, `{_cell(recipe.benchmark.split)}`"
        interval = f"{measured['lo']:.4f} – {measured['hi']:.4f}"
        rows.append(f"| {name} | accuracy | **{measured['accuracy']:.4f}** | {interval} | {measured['n']} |")
        rows.append(f"| {name} | macro F1 | {measured['macro_f1']:.4f} | | {measured['n']} |")
    for metric, label in (("val/accuracy", "accuracy"), ("val/macro_f1", "macro F1")):
        if metric in manifest["metrics"]:
            rows.append(f"| validation part | {label} | {manifest['metrics'][metric]:.4f} | | |")
    if not rows:
        return ""
    head = [
        "| Measured on | Metric | Value | 95 % interval | Images |",
        "| --- | --- | --- | --- | --- |",
    ]
    recall = _recall(measured) if measured else ""
    return "## Results\n\n" + "\n".join([*head, *rows]) + "\n" + recall


def _recall(measured: Mapping[str, Any]) -> str:
    """Recall of each class, where there are few enough to read."""
    recall = measured.get("per_class_recall") or {}
    if not 0 < len(recall) <= 30:
        return ""
    cells = ", ".join(f"{_cell(label)} {_number(value)}" for label, value in recall.items())
    return f"\nRecall by class: {cells}.\n"


def _curve(history: list[Mapping[str, float]]) -> str:
    if not history:
        return ""
    names = ("train/loss", "val/loss", "val/accuracy")
    shown = [name for name in names if any(name in row for row in history)]
    head = ["| Epoch | " + " | ".join(shown) + " |", "| --- " * (len(shown) + 1) + "|"]
    rows = [
        f"| {row.get('epoch', index):g} | " + " | ".join(_number(row.get(name)) for name in shown) + " |"
        for index, row in enumerate(history, start=1)
    ]
    # A card is read by people: the whole curve is on the run's page and in run.json.
    kept = rows if len(rows) <= 12 else [*rows[:6], "| … |" + " |" * len(shown), *rows[-5:]]
    return "## Training\n\n" + "\n".join([*head, *kept]) + "\n"


def _usage(claim: Claim, config: Mapping[str, Any]) -> str:
    lines = [
        "## Use",
        "",
        "```bash",
        f"python -m training predict --model {claim.target} photo.png",
        "```",
    ]
    if config.get("library_name", "timm") == "timm":
        code = [
            "",
            "```python",
            "import timm",
            f'net = timm.create_model("hf-hub:{claim.target}", pretrained=True)',
        ]
        lines += [*code, "```"]
    else:
        lines += [
            "",
            "```python",
            "import json, torchvision",
            "from huggingface_hub import hf_hub_download",
            "from safetensors.torch import load_file",
            "",
            f'repo = "{claim.target}"',
            'config = json.load(open(hf_hub_download(repo, "config.json")))',
            'net = torchvision.models.get_model(config["architecture"], num_classes=config["num_classes"])',
            'net.load_state_dict(load_file(hf_hub_download(repo, "model.safetensors")))',
            "```",
        ]
    return "\n".join([*lines, ""])


def _reproduction(claim: Claim, manifest: Mapping[str, Any]) -> str:
    seconds = manifest["seconds"].get("total")
    took = f" It took {seconds:.0f} s on {_cell(manifest['hardware']['device'])}." if seconds else ""
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


def _link(repo_id: str, prefix: str) -> str:
    return f"[{repo_id}](/{prefix}{repo_id})"


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else "–"


def _cell(text: object) -> str:
    """Text from a data set or a machine, made harmless inside a table."""
    plain = "".join(c if c.isprintable() else " " for c in str(text))[:60]
    for mark in "\\`*_[]<>|":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
