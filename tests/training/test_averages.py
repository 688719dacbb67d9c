from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.averages import Average


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def wander(given: nn.Module, steps: int, optimizer: torch.optim.Optimizer) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        given(torch.randn(8, 4)).square().sum().backward()
        optimizer.step()


def test_past_the_warm_up_it_is_torchs_own() -> None:
    given = net()
    # A decay of 0.1 is never warmed up: (1 + t) / (10 + t) begins there.
    ours = Average(given.state_dict(), 0.1)
    theirs = AveragedModel(given, multi_avg_fn=get_ema_multi_avg_fn(0.1), use_buffers=True)
    theirs.update_parameters(given)
    optimizer = torch.optim.SGD(given.parameters(), lr=0.1)
    for step in range(6):
        wander(given, 1, optimizer)
        ours.update(step)
        theirs.update_parameters(given)
    expected = theirs.module.state_dict()
    for name, tensor in ours.mean.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, expected[name], msg=name)
    assert int(ours.mean["1.num_batches_tracked"]) == 6


def test_the_decay_is_warmed_up() -> None:
    live = {"w": torch.zeros(1)}
    average = Average(live, 0.99)
    expected = 0.0
    for step in range(2000):
        live["w"].fill_(float(step))
        average.update(step)
        decay = min(0.99, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert float(average.mean["w"]) == pytest.approx(expected, rel=1e-4)
    # Far from the start it trails by decay / (1 - decay) steps.
    assert 1999 - expected == pytest.approx(99, abs=1)


def test_the_mean_is_measured_and_the_live_weights_come_back() -> None:
    given = net()
    average = Average(given.state_dict(), 0.9)
    wander(given, 3, torch.optim.SGD(given.parameters(), lr=0.1))
    average.update(0)
    live, mean = copy.deepcopy(given.state_dict()), copy.deepcopy(average.mean)
    with average.in_place():
        assert_equal(dict(given.state_dict()), mean)
    assert_equal(dict(given.state_dict()), dict(live))
    assert_equal(average.mean, mean)


def test_it_goes_on_from_its_state() -> None:
    given = net()
    optimizer = torch.optim.SGD(given.parameters(), lr=0.1)
    whole = Average(given.state_dict(), 0.9)
    wander(given, 2, optimizer)
    whole.update(0)
    kept = {name: tensor.clone() for name, tensor in whole.state().items()}
    resumed = Average(given.state_dict(), 0.9)
    resumed.restore(kept)
    wander(given, 2, optimizer)
    whole.update(1)
    resumed.update(1)
    assert_equal(whole.mean, resumed.mean)
    with pytest.raises(KeyError):
        resumed.restore({})


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name
