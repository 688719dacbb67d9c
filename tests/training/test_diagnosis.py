from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from training.diagnosis import diverged


class Table:
    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Tensor, device: torch.device, seed: int | None = None) -> tuple[Any, Any]:
        return {"x": self.inputs[rows]}, (self.targets[rows],)


def table(rows: int = 200, scale: float = 1.0) -> Table:
    generator = torch.Generator().manual_seed(0)
    return Table(torch.randn(rows, 3, generator=generator), scale * torch.ones(rows))


@pytest.mark.parametrize("part", ["inputs", "targets"])
def test_a_bad_row_is_named(part: str) -> None:
    given = table()
    getattr(given, part)[130] = float("inf")
    error = diverged(7, nn.Linear(3, 1), given, clipped=False)
    assert error.message_id == "train:bad-rows"
    assert "by step 7: training row 131 of 200" in error.message


def test_a_base_with_nan_is_named() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    net[0].weight.requires_grad_(False)[1, 1] = float("nan")
    error = diverged(1, net, table(), clipped=False)
    assert error.message_id == "train:bad-weights"
    assert "in 0.weight" in error.message


def test_what_learned_says_nothing_about_the_base() -> None:
    net = nn.Linear(3, 1)
    with torch.no_grad():
        net.weight.fill_(float("nan"))
    error = diverged(1, net, table(), clipped=False)
    assert error.message_id == "train:diverged"
    assert error.message.endswith("choose a smaller optim.lr, or set optim.grad_clip to 1.")
    assert diverged(1, net, table(), clipped=True).message.endswith("by step 1; choose a smaller optim.lr.")


def test_large_targets_are_told() -> None:
    error = diverged(3, nn.Linear(3, 1), table(scale=2.5e5), clipped=True)
    assert error.message_id == "train:target-scale"
    assert "the targets reach 2.5e+05" in error.message


def test_whole_numbers_and_classes_are_never_large_targets() -> None:
    given = table()
    given.targets = torch.full((200,), 50_000)
    assert diverged(3, nn.Linear(3, 1), given, clipped=True).message_id == "train:diverged"
