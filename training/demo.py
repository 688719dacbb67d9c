"""The demo content, all real, published through the hub's own wire by the stock client; safe to run again.

`python -m training demo --endpoint URL` with a write token of the owner in HF_TOKEN.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from training.democommunity import write_community
from training.demodata import package_file, write_mnist
from training.demoweights import WEIGHTS_PACKAGE, WEIGHTS_PATH, WEIGHTS_SHA256, save_backbone
from training.errors import TrainingError, UserError
from training.hubclient import HubApi, HubRefused

if TYPE_CHECKING:
    from huggingface_hub import HfApi

BACKBONE, DATASET = "mobilenetv2-imagenet", "mnist-5k"
WAIT_SECONDS = 900

CARD = """# MobileNetV2, ImageNet-1k

The official torchvision weights (`MobileNet_V2_Weights.IMAGENET1K_V1`) as safetensors, unchanged: 3,504,872
parameters, 224 × 224 pixels, 1,000 classes. A small, quick backbone to fine-tune.

| Measured on | Metric | Value |
| --- | --- | --- |
| ImageNet-1k validation, by torchvision | top-1 accuracy | 71.878 % |
| ImageNet-1k validation, by torchvision | top-5 accuracy | 90.286 % |

```python
import torchvision
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file

net = torchvision.models.mobilenet_v2()
net.load_state_dict(load_file(hf_hub_download("{repo}", "model.safetensors")))
```

Paper: [MobileNetV2: Inverted Residuals and Linear Bottlenecks](https://arxiv.org/abs/1801.04381).
The weights come from the package `{package}`; the file's SHA-256 is `{sha256}`.
"""


def main(argv: Sequence[str] = ()) -> int:
    """Publish what is missing, run what has not been run, wait, print addresses; 0 when all is there."""
    parser = argparse.ArgumentParser(prog="python -m training demo", description=__doc__)
    parser.add_argument("--endpoint", required=True, help="address of the hub")
    endpoint = parser.parse_args(list(argv)).endpoint.rstrip("/")
    token = os.environ.get("HF_TOKEN", "")
    if not token:
        print("Set HF_TOKEN to a write token of the account that will own the demo.", file=sys.stderr)
        return 2
    os.environ |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    try:
        return load_demo(endpoint, token)
    except TrainingError as error:
        print(error.message, file=sys.stderr)
        return 1


def load_demo(endpoint: str, token: str, say: Callable[[str], None] = print) -> int:
    """The whole demo; 1 when a run did not complete."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint, token=token)
    owner = str(api.whoami()["name"])
    base, data = f"{owner}/{BACKBONE}", f"{owner}/{DATASET}"
    with tempfile.TemporaryDirectory() as folder:
        _publish(api, base, "model", "model.safetensors", Path(folder, "model"), write_backbone, say)
        _publish(api, data, "dataset", "eval.yaml", Path(folder, "data"), lambda f, _: write_mnist(f), say)
    hub = HubApi(endpoint, token)
    targets = {
        f"{owner}/mnist-mobilenetv2": demo_recipe(base, data, "pretrained"),
        f"{owner}/mnist-from-scratch": demo_recipe(base, data, "scratch"),
    }
    runs = {target: _find_or_submit(hub, target, recipe, say) for target, recipe in targets.items()}
    names = {"base": base, "data": data, "run": runs[f"{owner}/mnist-mobilenetv2"]}
    write_community(api, owner, names, quick_recipe(base, data), say)
    ended = [_wait(hub, target, run, say) for target, run in runs.items()]
    say(f"model        {endpoint}/{base}")
    say(f"dataset      {endpoint}/datasets/{data}")
    say(f"leaderboard  {endpoint}/leaderboards/{data}")
    return 0 if all(ended) else 1


def demo_recipe(base: str, data: str, init: str, *, epochs: int = 1) -> dict[str, Any]:
    """The recipe of both demo runs: the same budget from pretrained and from random weights.

    One epoch is what a newcomer waits for; `bench.pretraining` gives both sides two.
    """
    return {
        "base_model": {"repo": base},
        "init": init,
        "dataset": {"repo": data, "image_size": 64, "validation_fraction": 0.1},
        "strategy": {"kind": "full"},
        "optim": {"name": "adamw", "lr": 1e-3, "epochs": epochs, "batch_size": 32, "weight_decay": 0.01},
        "benchmark": {"repo": data, "task_id": "digits", "split": "test"},
        "seed": 0,
    }


def quick_recipe(base: str, data: str) -> dict[str, Any]:
    """The recipe that the demo shares: only the head learns, from features that are computed once."""
    return {
        **demo_recipe(base, data, "pretrained"),
        "strategy": {"kind": "head"},
        "optim": {"name": "adamw", "lr": 1e-3, "epochs": 20, "batch_size": 64},
    }


def write_backbone(folder: Path, repo_id: str) -> None:
    """Fill `folder` with torchvision's MobileNetV2 as a model repo: safetensors, config.json, card."""
    save_backbone(folder, package_file(WEIGHTS_PACKAGE, WEIGHTS_PATH))
    front = {
        "license": "bsd-3-clause",
        "pipeline_tag": "image-classification",
        "library_name": "torchvision",
        "datasets": ["imagenet-1k"],
        "tags": ["backbone", "mobilenetv2"],
        "metrics": ["accuracy"],
    }
    card = CARD.format(repo=repo_id, package=WEIGHTS_PACKAGE, sha256=WEIGHTS_SHA256)
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{card}")


def _publish(
    api: HfApi,
    repo_id: str,
    repo_type: str,
    proof: str,
    folder: Path,
    write: Callable[[Path, str], None],
    say: Callable[[str], None],
) -> None:
    """Upload the repo in one commit unless an earlier start did; `proof` is a file only that commit has."""
    api.create_repo(repo_id, repo_type=repo_type, exist_ok=True)
    if api.file_exists(repo_id, proof, repo_type=repo_type):
        return
    say(f"publishing {repo_id}")
    write(folder, repo_id)
    api.upload_folder(
        repo_id=repo_id,
        folder_path=folder,
        repo_type=repo_type,
        commit_message="Publish the demo content",
    )


def _find_or_submit(hub: HubApi, target: str, recipe: dict[str, Any], say: Callable[[str], None]) -> str:
    """The id of a run that did, or will, publish `target`; a failed one is tried again."""
    for run in hub.get_list(f"/api/runs?target={target}"):
        if run["stage"] not in ("ERROR", "CANCELED"):
            return str(run["id"])
    try:
        run = hub.post("/api/runs", {"recipe": recipe, "target": target}, patience=10)
    except HubRefused as refusal:
        raise UserError("demo:refused", f"The run for {target} was refused: {refusal.message}") from None
    say(f"started {run['url']}")
    return str(run["id"])


def _wait(hub: HubApi, target: str, run_id: str, say: Callable[[str], None]) -> bool:
    """Follow the run to its end, one line per stage; True when it completed."""
    deadline = time.monotonic() + WAIT_SECONDS
    told = ""
    while time.monotonic() < deadline:
        run = hub.get(f"/api/runs/{run_id}", patience=30)
        news = f"{target}: {run['activity'] or run['stage'].lower()}"
        if news != told:
            told = news
            say(news)
        if run["stage"] in ("COMPLETED", "CANCELED", "ERROR"):
            accuracy = ((run["summary"] or {}).get("evaluation") or {}).get("accuracy")
            say(f"{target}: {run['message'] or f'accuracy {accuracy}'}")
            return bool(run["stage"] == "COMPLETED")
        time.sleep(1)
    say(f"{target}: still {run['stage'].lower()} after {WAIT_SECONDS} s; it goes on without us")
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
