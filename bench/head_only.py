"""Head-only fine-tuning with cached features against the plain loop, side by side in one run.

    python -m bench.head_only            both races: against one inference pass, against the plain loop
    python -m bench.head_only --limit    only against one inference pass
    python -m bench.head_only --quick    both, for CI: the same code on few images

ResNet-50 at 224 pixels, MNIST-5k, one linear head, AdamW, batches of 4 in the same order with the same
learning rates on both sides. Every measurement is a fresh process of its own (`--part` is that process), so
that none inherits another's memory or kernels:

- plain: the loop that everybody writes first: frozen body in fp32 on every batch of every epoch.
- ours: `training.finetune.finetune` from files to files: reading, decoding, hashing, features, head, saving.
- pass: one inference pass over the same pixels in the machine's best setting, warm: bf16, batch-norm folded,
  channels-last, once through torch.compile with frozen weights, once through training.inference; the faster.

No pretrained ResNet-50 exists offline, so the body has seeded random weights (last batch-norm of each block
at 0.2, statistics taken from data). Its speed is that of any ResNet-50; its accuracy says only that both
loops agree.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import training  # noqa: F401 (first: all parts let torch's threads wait in the same way)
from bench import head_only_report, report

BASE, DATA = "base", "data"
LONG, SHORT = 100, 10


def recipe_of(args: argparse.Namespace, epochs: int, images: int) -> Any:
    from training.recipe import parse_recipe

    return parse_recipe(
        {
            "base_model": {"repo": str(args.work / BASE)},
            "dataset": {
                "repo": str(args.work / DATA),
                "max_train_images": images,
                "validation_fraction": 0.0,
            },
            "strategy": {"kind": "head"},
            "optim": {"name": "adamw", "lr": 1e-3, "epochs": epochs, "batch_size": 4},
        }
    )


def part_prepare(args: argparse.Namespace) -> dict[str, Any]:
    """Write the base model and the data set; not timed."""
    import torch
    from torch import nn

    from training import model
    from training.batches import normalize
    from training.data import read_split
    from training.demodata import write_mnist
    from training.pixels import load_pixels
    from training.spec import ModelSpec

    write_mnist(args.work / DATA)
    torch.manual_seed(0)
    # The mean and spread of the digits themselves: a random body has no ImageNet statistics to respect.
    spec = ModelSpec("resnet50", "torchvision", 1000, image_size=args.size, mean=(0.13,) * 3, std=(0.31,) * 3)
    network = model._build(spec)
    split = read_split(args.work / DATA, "train")
    pixels = load_pixels(split, list(range(32)), spec.geometry, scratch=None, check=lambda: None)
    for name, module in network.net.named_modules():
        if name.endswith("bn3"):
            nn.init.constant_(module.weight, 0.2)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    network.net.train()
    with torch.no_grad():
        network.net(normalize(pixels.float().div_(255), spec))
    model.save_network(network, args.work / BASE, base_dir=None)
    return {}


def _prepared(args: argparse.Namespace, epochs: int, images: int) -> tuple[Any, Any, Any, Any]:
    """Recipe, network, pixels and targets as the engine sees them."""
    import torch

    from training import learning, model
    from training.data import read_split, thin
    from training.pixels import load_pixels

    recipe = recipe_of(args, epochs, images)
    split = read_split(args.work / DATA, "train")
    network = model.prepare_network(
        args.work / BASE, labels=split.labels, image_size=None, scratch=False, seed=recipe.seed
    )
    learning.freeze(network, recipe.strategy)
    rows = thin(list(range(len(split))), split.targets, images, recipe.seed)
    pixels = load_pixels(split, rows, network.spec.geometry, scratch=None, check=lambda: None)
    return recipe, network, pixels, torch.tensor([split.targets[row] for row in rows])


def part_plain(args: argparse.Namespace) -> dict[str, Any]:
    """The loop itself is timed, and nothing around it."""
    import time

    import torch
    import torch.nn.functional as F

    from training.batches import epoch_order
    from training.optim import lr_factor

    recipe, network, pixels, targets = _prepared(args, args.epochs, args.images)
    net, optim, head = network.net.eval(), recipe.optim, network.net.fc
    net.fc = torch.nn.Identity()
    mean = torch.tensor(network.spec.mean).reshape(1, 3, 1, 1)
    std = torch.tensor(network.spec.std).reshape(1, 3, 1, 1)
    optimizer = torch.optim.AdamW(head.parameters(), lr=optim.lr, weight_decay=optim.weight_decay)
    batch = optim.batch_size
    total, step = args.epochs * -(-args.images // batch), 0
    found: dict[str, Any] = {}
    done, began = 0, time.perf_counter()
    with report.clock(found):
        for epoch in range(args.epochs):
            for rows in epoch_order(args.images, batch, recipe.seed, epoch).split(batch):
                images = (pixels[rows].float() / 255 - mean) / std
                with torch.no_grad():
                    features = net(images)
                loss = F.cross_entropy(head(features), targets[rows])
                optimizer.param_groups[0]["lr"] = optim.lr * lr_factor(step, total, optim)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
            done = epoch + 1
            if args.budget and time.perf_counter() - began > args.budget:
                break
    if done == args.epochs:
        _keep_head(args, f"plain-{args.epochs}", head)
    rate = args.images * done / found["seconds"]
    # Every epoch of this loop costs the same: what a budget cut off is scaled, and the report says so.
    found["seconds"] *= args.epochs / done
    return {**found, "epochs_done": done, "images_per_second": rate}


def part_ours(args: argparse.Namespace) -> dict[str, Any]:
    """The whole of `finetune`, from files to files, nothing cached beforehand."""
    import time

    # A worker has imported these long before a run; the plain loop's time holds no imports either.
    import torch._dynamo  # noqa: F401
    import torchvision  # noqa: F401

    from training import model
    from training.finetune import finetune
    from training.reporting import SilentReporter

    class Stages(SilentReporter):
        def __init__(self) -> None:
            self.marks: list[tuple[str, float]] = []

        def stage(self, name: str) -> None:
            self.marks.append((name, time.perf_counter()))

    stages, found = Stages(), {}
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        with report.clock(found):
            result = finetune(
                recipe_of(args, args.epochs, args.images),
                base_dir=args.work / BASE,
                data_dir=args.work / DATA,
                work_dir=Path(folder),
                reporter=stages,
            )
            end = time.perf_counter()
        _keep_head(args, f"ours-{args.epochs}", model.load_network(result.model_dir).net.fc)
    times = [moment for _, moment in stages.marks[1:]] + [end]
    spans = {name: after - began for (name, began), after in zip(stages.marks, times, strict=True)}
    return {**found, "stages": spans}


def part_pass(args: argparse.Namespace) -> dict[str, Any]:
    """Warm inference passes, in turn, three each; the compiled one is left out where there is no compiler."""
    import torch

    from training import model
    from training.batches import normalize
    from training.features import micro_batch_size
    from training.inference import fast_body

    _, network, pixels, _ = _prepared(args, 1, args.images)
    device, size = torch.device("cpu"), args.size
    micro = micro_batch_size(size, size, args.images, device)
    batches = [piece for piece in pixels.split(micro) if len(piece) == micro]
    sample = normalize(batches[0].float().div_(255), network.spec)
    found: dict[str, Any] = {"micro_batch": micro, "runs": {}}
    with model.without_head(network) as body:
        body.eval()
        fast = fast_body(body, sample, device=device)
        forwards = {f"training.inference ({fast.precision}, {fast.form})": fast.run}
        began: dict[str, Any] = {}
        try:
            with report.clock(began):
                forwards["torch.compile (bf16, frozen weights)"] = _compiled(body, sample)
            found["compile_seconds"] = began["seconds"]
        except Exception as error:
            found["compile_error"] = f"{type(error).__name__}: {str(error)[:200]}"
        for _ in range(3):
            for name, forward in forwards.items():
                lap: dict[str, Any] = {}
                with report.clock(lap), torch.inference_mode():
                    for piece in batches:
                        forward(normalize(piece.float().div_(255), network.spec))
                scaled = lap["seconds"] * args.images / (micro * len(batches))
                found["runs"].setdefault(name, []).append(scaled)
    best = min(found["runs"], key=lambda name: statistics.median(found["runs"][name]))
    return {**found, "best": best, "seconds": statistics.median(found["runs"][best])}


def _compiled(body: Any, sample: Any) -> Any:
    import copy

    import torch
    import torch._inductor.config as inductor
    import torch.fx.experimental.optimization as optimization

    inductor.freezing = True
    twin = optimization.fuse(copy.deepcopy(body).requires_grad_(False).eval())
    twin = twin.to(torch.bfloat16).to(memory_format=torch.channels_last)
    compiled = torch.compile(twin)

    def run(images: Any) -> Any:
        with torch.no_grad():
            ready = images.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
            return compiled(ready).float()

    run(sample)
    run(sample)
    return run


def part_accuracy(args: argparse.Namespace) -> dict[str, Any]:
    """Every head on the same held-out images, whose features are computed in plain fp32."""
    import torch
    from safetensors.torch import load_file

    from training import model
    from training.batches import normalized
    from training.data import read_split
    from training.features import frozen_features
    from training.pixels import load_pixels

    network = model.load_network(args.work / BASE)
    split = read_split(args.work / DATA, "test")
    rows = list(range(min(len(split), args.held_out)))
    pixels = load_pixels(split, rows, network.spec.geometry, scratch=None, check=lambda: None)
    targets = torch.tensor([split.targets[row] for row in rows])
    device = torch.device("cpu")
    with model.without_head(network) as body:
        features = frozen_features(
            body,
            normalized(pixels, network.spec, device),
            n=len(rows),
            device=device,
            progress=lambda done, total: None,
            check=lambda: None,
            precision="fp32",
        )
    found: dict[str, Any] = {"images": len(rows)}
    for path in sorted(args.work.glob("head-*.safetensors")):
        head = load_file(path)
        hits = (features @ head["weight"].T + head["bias"]).argmax(1) == targets
        found[path.stem.removeprefix("head-")] = float(hits.float().mean())
    return found


def _keep_head(args: argparse.Namespace, name: str, head: Any) -> None:
    """Heads of the runs that are compared; a repetition overwrites its equal."""
    from safetensors.torch import save_file

    if args.keep:
        tensors = {"weight": head.weight.detach().contiguous(), "bias": head.bias.detach().contiguous()}
        save_file(tensors, args.work / f"head-{name}.safetensors")


PARTS = {
    "prepare": part_prepare,
    "plain": part_plain,
    "ours": part_ours,
    "pass": part_pass,
    "accuracy": part_accuracy,
}


def call(args: argparse.Namespace, part: str, *, epochs: int = 1, images: int = 0, keep: bool = True) -> Any:
    """Run one part in a process of its own and return what it found."""
    answer = args.work / "answer.json"
    command = [sys.executable, "-W", "ignore", "-m", "bench.head_only", "--part", part, "--work", args.work]
    command += ["--epochs", epochs, "--images", images, "--size", args.size, "--held-out", args.held_out]
    command += ["--keep"] if keep else []
    command += ["--budget", args.budget] if args.budget else []
    subprocess.run([str(word) for word in command], check=True)
    found = json.loads(answer.read_text())
    print(f"  {part} {epochs} epochs, {images} images: {found.get('seconds', 0):.2f} s", flush=True)
    return found


def measure_limit(args: argparse.Namespace) -> dict[str, Any]:
    """Whole runs on many images, then one inference pass over them."""
    call(args, "prepare")
    many, found = args.limit_images, {"limit": {}}
    for epochs in (args.short, args.long):
        runs = [call(args, "ours", epochs=epochs, images=many, keep=False) for _ in range(args.repeat)]
        found["limit"][epochs] = runs
    return {**found, "limit_pass": call(args, "pass", images=many)}


def measure_race(args: argparse.Namespace) -> dict[str, Any]:
    """Whole runs, then the plain loop; what is quick is repeated and the median counts."""
    call(args, "prepare")
    images = args.images
    found: dict[str, Any] = {"ours": {}, "plain": {}}
    for epochs in (args.short, args.long):
        found["ours"][epochs] = [call(args, "ours", epochs=epochs, images=images) for _ in range(args.repeat)]
    found["pass"] = call(args, "pass", images=images)
    for epochs in (args.short, args.long):
        found["plain"][epochs] = call(args, "plain", epochs=epochs, images=images)
    return {**found, "accuracy": call(args, "accuracy")}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few images and epochs, to see that it runs")
    parser.add_argument("--limit", action="store_true", help="only against one pass, not the plain loop")
    parser.add_argument("--images", type=int, default=800, help="images of the race against the plain loop")
    parser.add_argument("--limit-images", type=int, default=2000, help="images of the race against one pass")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--held-out", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--budget", type=float, help="seconds after which a plain loop is cut and scaled")
    for hidden, kind in (("--part", str), ("--work", Path), ("--epochs", int)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        found = PARTS[args.part](args)
        (args.work / "answer.json").write_text(json.dumps(found))
        return 0
    args.short, args.long = SHORT, LONG
    if args.quick:
        args.short, args.long, args.images, args.limit_images = 1, 3, 48, 64
        args.held_out, args.repeat = 64, 1
    races = {"limit": (measure_limit, head_only_report.limit_rows, head_only_report.limit_page)}
    if not args.limit:
        races["race"] = (measure_race, head_only_report.race_rows, head_only_report.race_page)
    for race, (measure, rows, page) in races.items():
        with tempfile.TemporaryDirectory() as folder:
            args.work = Path(folder)
            found, where = measure(args), report.machine()
        name = "head_only" + ("_limit" if race == "limit" else "") + ("_quick" if args.quick else "")
        content = {"machine": where, "summary": rows(args, found), "parts": found}
        report.write(name, content, page(args, found, where))
    return 0


if __name__ == "__main__":
    sys.exit(main())
