"""Image arms: the plain loop, the Hugging Face Trainer, timm's training loop; as they come and at their best.

As they come: pictures decoded by Pillow whenever they are asked for, contiguous memory, fp32. At their best:
decoded once, batches made from one tensor, channels-last, fused AdamW; with bf16 autocast, and without.
"""

from __future__ import annotations

import io
from typing import Any

import timm.data
import timm.optim
import timm.utils
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from bench.train_peers.work import BATCH, RATES, SIZE, Job, image_net, table_of

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Item = tuple[Any, int]


class Pictures(Dataset[Item]):
    """Decoded one by one, every time; `transform` is set by who reads."""

    def __init__(self, job: Job) -> None:
        table = table_of(job, "train")
        self.encoded = [cell["bytes"] for cell in table["image"].to_pylist()]
        self.labels: list[int] = table["label"].to_pylist()
        self.transform: Any = transforms.Compose(
            [transforms.Resize((SIZE, SIZE)), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Item:
        return self.transform(Image.open(io.BytesIO(self.encoded[row])).convert("RGB")), self.labels[row]


class Decoded(Dataset[int]):
    """Decoded once into uint8 [n, 3, size, size]; items are row numbers, `batch` makes tensors of many."""

    def __init__(self, job: Job) -> None:
        pictures = Pictures(job)
        pictures.transform = transforms.Compose([transforms.Resize((SIZE, SIZE)), transforms.PILToTensor()])
        self.pixels = torch.stack([pictures[row][0] for row in range(len(pictures))])
        self.labels = torch.tensor(pictures.labels)
        self.mean, self.std = (torch.tensor(item).reshape(1, 3, 1, 1) * 255 for item in (MEAN, STD))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> int:
        return row

    def batch(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        pixels = self.pixels[rows].contiguous(memory_format=torch.channels_last)
        return pixels.float().sub_(self.mean).div_(self.std), self.labels[rows]


def _net(job: Job) -> Any:
    torch.manual_seed(job.seed)
    net = image_net(job)
    return net.to(memory_format=torch.channels_last) if job.tuned else net


def _loader(job: Job) -> DataLoader[Any]:
    if job.tuned:
        decoded = Decoded(job)
        return DataLoader(decoded, BATCH, shuffle=True, collate_fn=decoded.batch)
    return DataLoader(Pictures(job), BATCH, shuffle=True)


def plain(job: Job) -> nn.Module:
    """The loop that everybody writes first."""
    net, loader = _net(job), _loader(job)
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=RATES[job.race], weight_decay=0, fused=job.tuned or None
    )
    net.train()
    for _ in range(job.epochs):
        for inputs, targets in loader:
            optimizer.zero_grad()
            with job.autocast():
                loss = F.cross_entropy(net(inputs), targets)
            loss.backward()
            optimizer.step()
    return net


def timm_loop(job: Job) -> nn.Module:
    """`train_one_epoch` of timm's train.py, with its loader, optimizer and meter; `--amp` is autocast."""
    net = _net(job)
    if job.tuned:
        loader: Any = _loader(job)
    else:
        how: dict[str, Any] = {"no_aug": True, "interpolation": "bilinear", "mean": MEAN, "std": STD}
        # Its own defaults: four workers, which stay between epochs.
        loader = timm.data.create_loader(
            Pictures(job), (3, SIZE, SIZE), BATCH, is_training=True, use_prefetcher=False, num_workers=4,
            persistent_workers=True, device=torch.device("cpu"), **how,
        )  # fmt: skip
    optimizer = timm.optim.create_optimizer_v2(
        net, opt="adamw", lr=RATES[job.race], weight_decay=0.0, **({"fused": True} if job.tuned else {})
    )
    criterion, meter, updates = nn.CrossEntropyLoss(), timm.utils.AverageMeter(), 0
    for _ in range(job.epochs):
        net.train()
        for inputs, targets in loader:
            with job.autocast():
                loss = criterion(net(inputs), targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            updates += 1
            if updates % 50 == 0:
                meter.update(loss.item(), len(targets))
    return net
