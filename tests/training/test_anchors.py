from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from training.anchors import Anchor


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))


def anchored(given: nn.Sequential, alpha: float, beta: float) -> Anchor:
    return Anchor(list(given[0].parameters()), list(given[1].parameters()), alpha, beta)


def loss_of(given: nn.Module) -> Tensor:
    return given(torch.arange(8.0).reshape(2, 4)).square().mean()


def test_with_plain_sgd_it_is_the_penalty_in_the_loss() -> None:
    ours, theirs = net(), net()
    start = copy.deepcopy(theirs[0].state_dict())
    anchor = anchored(ours, 0.3, 0.2)
    mine = torch.optim.SGD(ours.parameters(), lr=0.01)
    other = torch.optim.SGD(theirs.parameters(), lr=0.01)
    for _ in range(10):
        mine.zero_grad()
        loss_of(ours).backward()
        anchor.pull(mine.param_groups)
        mine.step()

        other.zero_grad()
        loss = loss_of(theirs)
        for name, item in theirs[0].named_parameters():
            loss = loss + 0.3 / 2 * (item - start[name]).square().sum()
        for item in theirs[1].parameters():
            loss = loss + 0.2 / 2 * item.square().sum()
        loss.backward()
        other.step()
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_on_the_head_it_is_adamws_decay() -> None:
    ours, theirs = net(), net()
    anchor = Anchor([], list(ours.parameters()), 0.0, 0.5)
    mine = torch.optim.AdamW(ours.parameters(), lr=0.01, weight_decay=0.0)
    other = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.5)
    for given, optimizer in ((ours, mine), (theirs, other)):
        for _ in range(10):
            optimizer.zero_grad()
            loss_of(given).backward()
            if optimizer is mine:
                anchor.pull(mine.param_groups)
            optimizer.step()
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_the_penalty_is_its_formula() -> None:
    given = net()
    anchor = anchored(given, 0.4, 0.1)
    norms = sum(float(item.detach().square().sum()) for item in given[1].parameters())
    assert anchor.penalty() == pytest.approx(0.05 * norms)
    with torch.no_grad():
        given[0].bias += 2.0
    assert anchor.penalty() == pytest.approx(0.05 * norms + 0.2 * 3 * 4)


def test_what_does_not_learn_stays() -> None:
    given = net()
    anchor = anchored(given, 1.0, 1.0)
    with torch.no_grad():
        given[0].weight += 1.0
    kept = [item.detach().clone() for item in given.parameters()]
    given[0].weight.grad = torch.zeros_like(given[0].weight)
    anchor.pull([{"params": list(given.parameters()), "lr": 0.5}])
    moved = [not torch.equal(one, two) for one, two in zip(kept, given.parameters(), strict=True)]
    assert moved == [True, False, False, False]
    torch.testing.assert_close(given[0].weight, kept[0] - 0.5)
