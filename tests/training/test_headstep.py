"""The written-out step of a linear head moves the weights as autograd and the public optimizer do."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.headstep import HeadStep
from training.optim import set_lr

MakeOptimizer = Callable[[list[dict[str, object]]], torch.optim.Optimizer]

OPTIMIZERS: dict[str, MakeOptimizer] = {
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=1e-2, fused=True),
    "adamw-one-group": lambda groups: torch.optim.AdamW(
        [{**group, "weight_decay": 0.1} for group in groups], lr=1e-2, fused=True
    ),
    "adam": lambda groups: torch.optim.Adam(groups, lr=1e-2, fused=True),
    "adamw-unfused": lambda groups: torch.optim.AdamW(groups, lr=1e-2),
    "adamw-amsgrad": lambda groups: torch.optim.AdamW(groups, lr=1e-2, fused=True, amsgrad=True),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9),
}


def groups_of(head: nn.Linear) -> list[dict[str, object]]:
    return [
        {"params": [head.weight], "weight_decay": 0.1},
        {"params": [head.bias], "weight_decay": 0.0},
    ]


def features() -> tuple[Tensor, Tensor, nn.Linear]:
    torch.manual_seed(0)
    inputs, targets = torch.randn(60, 32), torch.randint(0, 5, (60,))
    return inputs, targets, nn.Linear(32, 5)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("smoothing", "clip"), [(0.0, None), (0.2, 0.05)])
def test_it_moves_as_the_general_loop_does(name: str, smoothing: float, clip: float | None) -> None:
    inputs, targets, head = features()
    twin = copy.deepcopy(head)
    mine, theirs = OPTIMIZERS[name](groups_of(head)), OPTIMIZERS[name](groups_of(twin))
    quick = HeadStep(head, mine, inputs, targets, label_smoothing=smoothing, grad_clip=clip)
    losses, hits = 0.0, 0.0
    for number in range(40):
        for group in (*mine.param_groups, *theirs.param_groups):
            group["lr"] = 0.01 / (1 + number)
        rows = torch.randperm(60)[:7]
        quick.step(rows)
        logits = twin(inputs[rows])
        loss = F.cross_entropy(logits, targets[rows], label_smoothing=smoothing)
        theirs.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(twin.parameters(), clip)
        theirs.step()
        losses += float(loss.detach()) * 7
        hits += float((logits.argmax(1) == targets[rows]).sum())
    assert torch.allclose(head.weight, twin.weight, atol=1e-5)
    assert torch.allclose(head.bias, twin.bias, atol=1e-5)
    loss_sum, correct, images = quick.drain()
    assert float(loss_sum) == pytest.approx(losses, rel=1e-4)
    assert (float(correct), images) == (hits, 280)
    assert quick.drain()[2] == 0


def test_the_optimizers_state_is_its_own_and_can_be_taken_over() -> None:
    inputs, targets, head = features()
    optimizer = OPTIMIZERS["adamw"](groups_of(head))
    quick = HeadStep(head, optimizer, inputs, targets)
    rows = [torch.randperm(60)[:8] for _ in range(20)]
    for chosen in rows[:10]:
        quick.step(chosen)
    kept_head, kept_state = copy.deepcopy(head.state_dict()), copy.deepcopy(optimizer.state_dict())
    for chosen in rows[10:]:
        quick.step(chosen)

    again = nn.Linear(32, 5)
    again.load_state_dict(kept_head)
    other = OPTIMIZERS["adamw"](groups_of(again))
    other.load_state_dict(kept_state)
    resumed = HeadStep(again, other, inputs, targets)
    for chosen in rows[10:]:
        resumed.step(chosen)
    assert torch.equal(again.weight, head.weight)
    assert torch.equal(again.bias, head.bias)
    assert {float(state["step"]) for state in other.state.values()} == {20.0}


def test_many_steps_at_once_are_the_same_steps() -> None:
    inputs, targets, head = features()
    twin = copy.deepcopy(head)
    mine, theirs = OPTIMIZERS["adamw"](groups_of(head)), OPTIMIZERS["adamw"](groups_of(twin))
    for group in (*mine.param_groups, *theirs.param_groups):
        group["lr_scale"] = 1.0
    many, single = HeadStep(head, mine, inputs, targets), HeadStep(twin, theirs, inputs, targets)
    for length in (60, 3, 29):  # with a shorter step at the end, and with nothing but one
        order = torch.randperm(60)[:length]
        rates = [0.01 / (1 + number) for number in range(-(-length // 7))]
        many.run(order, 7, rates)
        for rows, rate in zip(order.split(7), rates, strict=True):
            single.run(rows, len(rows), [rate])
    assert torch.equal(head.weight, twin.weight)
    assert torch.equal(head.bias, twin.bias)
    steps = {float(state["step"]) for state in (*mine.state.values(), *theirs.state.values())}
    assert steps == {9.0 + 1 + 5}
    assert many.drain()[2] == single.drain()[2] == 92


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_moving_momentum_moves_it_as_the_general_loop(name: str) -> None:
    inputs, targets, head = features()
    twin = copy.deepcopy(head)
    mine, theirs = OPTIMIZERS[name](groups_of(head)), OPTIMIZERS[name](groups_of(twin))
    for group in (*mine.param_groups, *theirs.param_groups):
        group["lr_scale"] = 1.0
    quick = HeadStep(head, mine, inputs, targets)
    order = torch.cat([torch.randperm(60) for _ in range(3)])
    rates = [0.01 / (1 + number) for number in range(26)]
    momenta = [0.95 - 0.004 * number for number in range(26)]
    quick.run(order, 7, rates, momenta)
    for rows, rate, momentum in zip(order.split(7), rates, momenta, strict=True):
        set_lr(theirs, rate, momentum)
        theirs.zero_grad()
        F.cross_entropy(twin(inputs[rows]), targets[rows]).backward()
        theirs.step()
    assert torch.allclose(head.weight, twin.weight, atol=1e-5)
    plain = copy.deepcopy(twin)
    assert not torch.allclose(plain.weight, features()[2].weight, atol=1e-3)


def test_it_takes_only_what_it_can_do() -> None:
    table = torch.randn(4, 8)
    assert HeadStep.fits(nn.Linear(8, 3), table)
    assert not HeadStep.fits(nn.Linear(8, 3, bias=False), table)
    assert not HeadStep.fits(nn.Sequential(nn.Linear(8, 3)), table)
    assert not HeadStep.fits(nn.Linear(8, 3), torch.randn(4, 3, 8, 8))
    assert not HeadStep.fits(nn.Linear(8, 3), table.double())
    assert not HeadStep.fits(nn.Linear(8, 3).requires_grad_(False), table)


def test_small_steps_take_one_thread_and_give_the_others_back() -> None:
    inputs, targets, head = features()
    quick = HeadStep(head, OPTIMIZERS["sgd"](groups_of(head)), inputs, targets)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with quick.threads(8):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with quick.threads(1_000_000):
            assert torch.get_num_threads() == 2
        with pytest.raises(KeyError), quick.threads(8):
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
