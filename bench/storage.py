"""Disk taken by a base model and ten fine-tuned children of it, published by the stock client.

    python -m bench.storage
    python -m bench.storage --children 2 for a quick look

A ResNet-50 (102 MB of weights that hardly compress) and children whose heads differ, written by the engine's
own writer as a head-only run writes them, go through a hub of their own on an empty data directory. Every
upload and every download is a process with a fresh home, so that what is measured is the hub's deduplication
and not the client's memory of what it sent. Counted is every file under the data directory.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import report
from bench.hub import ROOT, USER, running_hub

BOUND = 1.05


def part_models(args: argparse.Namespace) -> None:
    """Write base and children as model folders."""
    import torch

    from training import learning, model
    from training.recipe import StrategySpec
    from training.spec import ModelSpec

    torch.manual_seed(0)
    base = args.work / "models" / "base"
    network = model._build(ModelSpec("resnet50", "torchvision", 1000))
    model.save_network(network, base, base_dir=None)
    labels = [str(digit) for digit in range(10)]
    for number in range(args.children):
        child = model.prepare_network(base, labels=labels, image_size=None, scratch=False, seed=number)
        learning.freeze(child, StrategySpec("head"))
        head = child.net.get_submodule(child.head)
        with torch.no_grad():
            # As after training: no two heads share a value.
            head.weight.add_(torch.randn_like(head.weight) * 0.01)
            head.bias.add_(torch.randn_like(head.bias) * 0.01)
        model.save_network(child, args.work / "models" / f"child-{number}", base_dir=base)


def part_upload(args: argparse.Namespace) -> None:
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(f"{USER}/{args.name}")
    api.upload_folder(repo_id=f"{USER}/{args.name}", folder_path=args.work / "models" / args.name)


def part_download(args: argparse.Namespace) -> None:
    from huggingface_hub import snapshot_download

    target = args.work / "download"
    snapshot_download(f"{USER}/{args.name}", local_dir=target)
    shutil.rmtree(target / ".cache", ignore_errors=True)


PARTS = {"models": part_models, "upload": part_upload, "download": part_download}


def call(args: argparse.Namespace, part: str, name: str = "", **environment: str) -> float:
    """Run one part in a process of its own with a fresh home; seconds it took."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    with tempfile.TemporaryDirectory(dir=args.work) as home:
        kept |= {"HF_HOME": home, "HF_XET_CACHE": f"{home}/xet", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        command = [sys.executable, "-m", "bench.storage", "--part", part, "--work", str(args.work)]
        command += ["--name", name, "--children", str(args.children)]
        began = time.perf_counter()
        subprocess.run(command, check=True, cwd=ROOT, env={**kept, **environment})
        return time.perf_counter() - began


def disk_bytes(folder: Path) -> tuple[int, int]:
    """Lengths of all files, and blocks taken on disk."""
    stats = [path.lstat() for path in folder.rglob("*") if path.is_file()]
    return sum(stat.st_size for stat in stats), sum(stat.st_blocks * 512 for stat in stats)


def by_part(folder: Path) -> dict[str, int]:
    """Bytes of each file or folder at the top of the data directory."""
    found = {}
    for path in sorted(folder.iterdir()):
        found[path.name] = disk_bytes(path)[0] if path.is_dir() else path.stat().st_size
    return found


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def measure(args: argparse.Namespace) -> dict[str, Any]:
    call(args, "models")
    models, data = args.work / "models", args.work / "data"
    data.mkdir()
    names = ["base", *(f"child-{number}" for number in range(args.children))]
    found: dict[str, Any] = {"steps": [], "identical": {}, "download_seconds": {}}
    with running_hub(data, args.work / "hub.log") as (url, token):
        client = {"HF_ENDPOINT": url, "HF_TOKEN": token}
        found["empty"] = disk_bytes(data)
        for name in names:
            seconds = call(args, "upload", name, **client)
            length, blocks = disk_bytes(data)
            found["steps"].append({"name": name, "seconds": seconds, "bytes": length, "blocks": blocks})
            print(f"  published {name}: {length / 1e6:.2f} MB in the data directory", flush=True)
        for name in names:
            found["download_seconds"][name] = call(args, "download", name, **client)
            got, sent = hashes(args.work / "download"), hashes(models / name)
            # The hub adds .gitattributes to a new repo; everything sent must come back.
            found["identical"][name] = all(got.get(path) == digest for path, digest in sent.items())
            shutil.rmtree(args.work / "download")
    found["stopped"], found["parts"] = disk_bytes(data), by_part(data)
    found["file_bytes"] = {name: (models / name / "model.safetensors").stat().st_size for name in names}
    return found


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Growth of the data directory against the base's file; the larger of lengths and blocks counts."""
    base = found["file_bytes"]["base"]
    last = found["steps"][-1]
    length = last["bytes"] - found["empty"][0]
    blocks = last["blocks"] - found["empty"][1]
    return {
        "base_file_bytes": base,
        "all_file_bytes": sum(found["file_bytes"].values()),
        "stored_bytes": length,
        "stored_blocks": blocks,
        "stored_bytes_after_stop": found["stopped"][0] - found["empty"][0],
        "ratio": max(length, blocks) / base,
        "ratio_to_stored_base": length / (found["steps"][0]["bytes"] - found["empty"][0]),
        "bound": BOUND,
        "all_identical": all(found["identical"].values()),
    }


def markdown(found: dict[str, Any], numbers: dict[str, Any], where: dict[str, Any]) -> str:
    before, rows = found["empty"][0], []
    for step in found["steps"]:
        grown, before = step["bytes"] - before, step["bytes"]
        size, same = found["file_bytes"][step["name"]], found["identical"][step["name"]]
        rows.append(
            [step["name"], f"{size / 1e6:.2f} MB", f"{grown / 1e6:.2f} MB", "yes" if same else "**no**"]
        )
    parts = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in found["parts"].items())
    children = len(found["steps"]) - 1
    return f"""# Disk taken by a base model and its children

`python -m bench.storage` · {where["when"]} · {where["processor"]}, {where["cores"]} cores

A ResNet-50 and {children} head-only children, uploaded by the stock client, each from a fresh home.
Everything under the data directory counts: xorbs, git repositories, database, logs.

{report.table(["repo", "model.safetensors", "data directory grew by", "downloads byte-identical"], rows)}

Published: {numbers["all_file_bytes"] / 1e6:.1f} MB. Stored: {numbers["stored_bytes"] / 1e6:.1f} MB of file
lengths, {numbers["stored_blocks"] / 1e6:.1f} MB of disk blocks: **{numbers["ratio"]:.3f}×** the base's file
(bound: {BOUND}), {numbers["ratio_to_stored_base"]:.3f}× what the base alone takes in the hub. That is
with the hub running; stopped, its write-ahead log folded in,
{found["stopped"][0] / 1e6:.1f} MB are left,
{found["empty"][0] / 1e6:.1f} MB of them an empty hub's own: {parts}.
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--children", type=int, default=10)
    for hidden, kind in (("--part", str), ("--work", Path), ("--name", str)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        PARTS[args.part](args)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        args.work = Path(folder)
        found = measure(args)
    numbers, where = summary(found), report.machine()
    data = {"machine": where, "summary": numbers, **found}
    report.write("storage", json.loads(json.dumps(data)), markdown(found, numbers, where))
    return 0 if numbers["all_identical"] and numbers["ratio"] <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
