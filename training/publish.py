"""What a finished run publishes: weights, config, recipe, manifest, card and results, all in one commit."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from training.errors import EngineError, UserError
from training.origin import Origin, Pinned
from training.recipe import Recipe, dump_recipe
from training.runapi import Claim
from training.transfers import persist

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# Everything a task may write; nothing else of its directory is published.
MODEL_OUTPUTS = (
    "model.safetensors", "model.keras", "adapter_model.safetensors", "config.json", "adapter_config.json",
    "preprocessor_config.json", "preprocessing.json", "vocabulary.json", "generation_config.json",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
    "chat_template.jinja",
)  # fmt: skip
# A fusion keeps each of its encoders in a folder of its own.
MODEL_FOLDERS = ("", "image", "text")
PACKAGES = (
    "torch", "torchvision", "timm", "transformers", "tokenizers", "peft", "scikit-learn", "pyarrow",
    "safetensors", "numpy", "pillow", "huggingface_hub",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """Everything measured about a run: fractions from 0 to 1, losses in nats, wall-clock seconds."""

    labels: list[str]
    metrics: Mapping[str, float]
    history: Sequence[Mapping[str, float]]
    seconds: Mapping[str, float]
    evaluation: Mapping[str, Any] | None = None
    proof: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)


def versions() -> dict[str, str]:
    """The versions that decide a number."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """The machine in words; no host name, no user, no path."""
    import torch

    device = (
        torch.cuda.get_device_name() if torch.cuda.is_available() else (_processor() or platform.machine())
    )
    return {
        "device": device,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def _processor() -> str:
    """The processor's name as Linux tells it; elsewhere empty."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    return found[1].strip() if found else ""


def write_result(
    folder: Path, *, claim: Claim, recipe: Recipe, outcome: Outcome, model_dir: Path, base_dir: Path | None
) -> Path:
    """Fill `folder` (made anew) with the files to publish and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for part in MODEL_FOLDERS:
        for name in MODEL_OUTPUTS:
            if (model_dir / part / name).is_file():
                (folder / part).mkdir(exist_ok=True)
                shutil.copyfile(model_dir / part / name, folder / part / name)
    if claim.benchmark and recipe.benchmark and outcome.evaluation:
        path = folder / ".eval_results" / f"{claim.benchmark.repo.rpartition('/')[2]}.yaml"
        path.parent.mkdir()
        path.write_text(eval_results_yaml(claim, recipe, outcome), encoding="utf-8")
    describe(folder, origin=claim, recipe=recipe, outcome=outcome, base_dir=base_dir)
    return folder


def describe(
    folder: Path, *, origin: Origin, recipe: Recipe, outcome: Outcome, base_dir: Path | None
) -> dict[str, Any]:
    """Write recipe.yaml, run.json, the curve and the card beside a model; returns the manifest."""
    from training.card import result_card  # with it the engine is loaded, which a worker does not need

    manifest = run_manifest(origin, recipe, outcome)
    (folder / "recipe.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    (folder / "run.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    if outcome.history:
        # One object an epoch, as every tool for curves reads it.
        rows = "".join(json.dumps(dict(row)) + "\n" for row in outcome.history)
        (folder / "metrics.jsonl").write_text(rows, encoding="utf-8")
    configs = (path for name in ("config.json", "adapter_config.json") if (path := folder / name).is_file())
    config: dict[str, Any] = next((json.loads(path.read_text(encoding="utf-8")) for path in configs), {})
    card = result_card(origin=origin, recipe=recipe, manifest=manifest, config=config, base_dir=base_dir)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return manifest


def run_manifest(origin: Origin, recipe: Recipe, outcome: Outcome) -> dict[str, Any]:
    """`run.json`: enough to repeat the run and to finish it, should the worker die right after publishing."""
    return {
        "run": origin.run,
        "url": origin.url,
        "attempt": origin.attempt,
        "base": _pinned(origin.base),
        "dataset": _pinned(origin.dataset),
        "benchmark": _pinned(origin.benchmark),
        "recipe": recipe.as_dict(),
        "seed": recipe.seed,
        "versions": versions(),
        "hardware": hardware(),
        "resources": dict(outcome.resources),
        "seconds": dict(outcome.seconds),
        "labels": list(outcome.labels),
        "metrics": dict(outcome.metrics),
        "evaluation": dict(outcome.evaluation) if outcome.evaluation else None,
        "ranked_by": outcome.proof.get("metric"),
        "history": [dict(row) for row in outcome.history],
    }


def _pinned(source: Pinned | None) -> dict[str, str] | None:
    return {"repo": source.repo, "oid": source.oid} if source else None


def summary_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a manifest that the hub keeps with the run."""
    kept = ("metrics", "evaluation", "seconds", "versions", "hardware", "resources")
    return {name: manifest[name] for name in kept if manifest.get(name)}


def eval_results_yaml(claim: Claim, recipe: Recipe, outcome: Outcome) -> str:
    """`.eval_results/*.yaml` in the client's own format, with the hub's proof as `verifyToken`."""
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    if claim.benchmark is None or recipe.benchmark is None or outcome.evaluation is None:
        raise EngineError("worker:no-benchmark", "A run without a benchmark has no results to write.")
    metric = outcome.proof.get("metric", outcome.evaluation["metric"])
    entry = EvalResultEntry(
        dataset_id=claim.benchmark.repo,
        task_id=recipe.benchmark.task_id,
        value=outcome.proof.get("value", outcome.evaluation["value"]),
        dataset_revision=claim.benchmark.oid,
        verify_token=outcome.proof.get("proof") or None,
        date=outcome.proof.get("date"),
        source_url=claim.url,
        source_name=f"Run {claim.run}",
        notes=f"{metric} on {outcome.evaluation['n']} rows of the split {recipe.benchmark.split}",
    )
    return yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)


def publish(folder: Path, *, claim: Claim, recipe: Recipe, endpoint: str) -> str:
    """Commit the whole folder to the target repo with the stock client; the new commit's oid.

    The commit's description names the run, by which the hub and a later attempt know it again, and this one
    too: a commit whose answer was lost is found, not made twice. Raises UserError when the target is gone.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    api = HfApi(endpoint=endpoint, token=claim.token)
    try:
        return persist(lambda: _commit_made(api, claim) or _commit(api, folder, claim, recipe))
    except RepositoryNotFoundError:
        raise UserError("run:target-gone", f"The target repo {claim.target} is no longer there.") from None


def _commit(api: HfApi, folder: Path, claim: Claim, recipe: Recipe) -> str:
    from huggingface_hub import CommitOperationAdd

    head = api.model_info(claim.target).sha
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    how = "Train" if recipe.init == "scratch" else "Fine-tune"
    done = api.create_commit(
        claim.target,
        [CommitOperationAdd(path.relative_to(folder).as_posix(), path) for path in files],
        commit_message=f"{how} {claim.base.repo} on {claim.dataset.repo}",
        commit_description=f"Run {claim.run}\n\n{claim.url}",
        parent_commit=head,
    )
    return str(done.oid)


def _commit_made(api: HfApi, claim: Claim) -> str | None:
    """The commit of this run among the target's newest."""
    for commit in api.list_repo_commits(claim.target)[:20]:
        if f"Run {claim.run}" in commit.message.splitlines():
            return str(commit.commit_id)
    return None


def published_manifest(claim: Claim, *, endpoint: str, folder: Path) -> dict[str, Any]:
    """`run.json` of the commit that an earlier attempt of this run made."""
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(
        claim.target,
        "run.json",
        revision=claim.published_oid,
        endpoint=endpoint,
        token=claim.token,
        local_dir=folder,
    )
    manifest = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(manifest, dict) or manifest.get("run") != claim.run:
        raise EngineError("worker:bad-manifest", "The published run.json is not of this run.")
    return manifest
