"""What the arms share: small data sets, base models, settings, a test in fp32, floating-point operations."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

SIZE, BATCH, TOKENS = 96, 32, 128
# Of the one recipe that every arm follows: AdamW, constant rate, no weight decay, no clipping.
RATES = {"mobilenet": 5e-4, "resnet": 1e-3, "minilm": 1e-4}
ASSETS = {"mobilenet": "fashion-mnist", "resnet": "fashion-mnist", "minilm": "fine-foods"}
CLASSES = {"mobilenet": 10, "resnet": 10, "minilm": 2}


@dataclass(frozen=True)
class Job:
    """One run: `form` is "default", "fp32" or "bf16"; the latter two with every other setting at its best."""

    race: str
    form: str
    seed: int
    epochs: int
    work: Path

    @property
    def tuned(self) -> bool:
        return self.form != "default"

    @property
    def data(self) -> Path:
        return self.work / ASSETS[self.race]

    @property
    def base(self) -> Path:
        return self.work / self.race

    @property
    def out(self) -> Path:
        """Where the finished model lies; one at a time."""
        return self.work / "out"

    def autocast(self) -> AbstractContextManager[Any]:
        import torch

        return torch.autocast("cpu", dtype=torch.bfloat16) if self.form == "bf16" else nullcontext()


def prepare(work: Path, races: list[str], rows: dict[str, int], test: int) -> None:
    """Rows to learn from and to test on, of their own files, so that nobody reads the rest; and bases."""
    import pyarrow.parquet as pq
    import torch

    from bench.assets import fetch
    from training import model
    from training.spec import ModelSpec

    for race in races:
        source, target = fetch(ASSETS[race]), work / ASSETS[race]
        if not target.exists():
            (target / "data").mkdir(parents=True)
            (target / "README.md").write_text((source / "README.md").read_text(encoding="utf-8"))
            for split, count in (("train", rows[race]), ("test", test)):
                (path,) = (source / "data").glob(f"{split}-*.parquet")
                table = pq.read_table(path)
                order = torch.randperm(len(table), generator=torch.Generator().manual_seed(0))[:count]
                pq.write_table(table.take(order.numpy()), target / "data" / path.name)
        if race == "resnet":
            torch.manual_seed(0)
            network = model._build(ModelSpec("resnet18", "torchvision", 1000, image_size=SIZE))
            model.save_network(network, work / race, base_dir=None)
        else:
            (work / race).symlink_to(fetch({"mobilenet": "mobilenet-v2", "minilm": "minilm"}[race]))


def table_of(job: Job, split: str) -> Any:
    import pyarrow.parquet as pq

    (path,) = (job.data / "data").glob(f"{split}-*.parquet")
    return pq.read_table(path)


def image_net(job: Job) -> Any:
    """The base with a new head, as torchvision has it; ResNet-18 begins with random weights."""
    import torch
    import torchvision
    from safetensors.torch import load_file

    if job.race == "resnet":
        return torchvision.models.resnet18(num_classes=CLASSES[job.race])
    net = torchvision.models.mobilenet_v2()
    net.load_state_dict(load_file(job.base / "model.safetensors"))
    net.classifier[1] = torch.nn.Linear(net.last_channel, CLASSES[job.race])
    return net


def test_images(job: Job, net: Any) -> float:
    """Accuracy on the test rows in fp32, as the engine decodes them; the same for every arm."""
    import torch

    from training.batches import EVAL_BATCH, normalized
    from training.data import read_split
    from training.pixels import load_pixels
    from training.spec import read_spec

    spec, split = read_spec(job.base), read_split(job.data, "test")
    spec = replace(spec, image_size=SIZE, crop_pct=1.0)
    pixels = load_pixels(split, list(range(len(split))), spec.geometry, scratch=None, check=lambda: None)
    batches, hits = normalized(pixels, spec, torch.device("cpu")), 0
    targets = torch.tensor(split.targets)
    net = net.eval().float().to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for batch, truth in zip(batches, targets.split(EVAL_BATCH), strict=True):
            hits += int((net(batch).argmax(1) == truth).sum())
    return hits / len(targets)


def operations(forward: Callable[[], Any]) -> float:
    """Floating-point operations of `forward` and its gradient: torch's count of the products, three times.

    The gradient's are twice the forward's (one product for the inputs, one for the weights); torch's own
    count of them takes a depthwise convolution's for a full one's.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        forward()
    return 3.0 * counter.get_total_flops()


def product_rate(dtype: str, size: int = 2048) -> float:
    """Floating-point operations a second, all threads, of what this machine does fastest: the better of a
    large matrix product and a 3 by 3 convolution of 256 channels; the median of seven each."""
    import torch
    import torch.nn.functional as F

    kind = getattr(torch, dtype)
    a, b = (torch.randn(size, size).to(kind) for _ in range(2))
    pixels = torch.randn(16, 256, 28, 28).to(kind).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(256, 256, 3, 3).to(kind).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        product = _rate(lambda: torch.mm(a, b), 2 * size**3)
        convolution = _rate(lambda: F.conv2d(pixels, kernel, padding=1), 2 * 16 * 28**2 * 9 * 256**2)
    return max(product, convolution)


def _rate(work: Callable[[], Any], count: float) -> float:
    rates = []
    for _ in range(8):
        began = time.perf_counter()
        work()
        rates.append(count / (time.perf_counter() - began))
    return statistics.median(rates[1:])
