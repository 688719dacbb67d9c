from __future__ import annotations

import math
import warnings

import pytest
import torch

from training import schedules


def factors(kind: str, total: int, warmup: float) -> list[float]:
    return [schedules.lr_factor(step, total, kind, warmup) for step in range(total)]


@pytest.mark.parametrize("warmup", [0.0, 0.12, 0.3, 0.45, 0.9])
@pytest.mark.parametrize("total", [2, 3, 10, 97])
def test_one_cycle_is_torchs(warmup: float, total: int) -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.5, momentum=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=total, pct_start=warmup)
        rates, momenta = [], []
        for _ in range(total):
            rates.append(optimizer.param_groups[0]["lr"])
            momenta.append(optimizer.param_groups[0]["momentum"])
            optimizer.step()
            if len(rates) < total:
                cycle.step()
    assert [0.5 * factor for factor in factors("one-cycle", total, warmup)] == pytest.approx(rates)
    ours = [schedules.one_cycle_momentum(step, total, warmup) for step in range(total)]
    assert ours == pytest.approx(momenta)


def test_one_cycle_of_a_single_step_is_finite() -> None:
    for total, warmup in ((1, 0.0), (1, 0.5), (10, 0.1), (2, 0.5)):
        assert all(0 < factor <= 1 for factor in factors("one-cycle", total, warmup))


@pytest.mark.parametrize("kind", schedules.SCHEDULES)
@pytest.mark.parametrize("total", [1, 2, 7, 50])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.9])
def test_every_factor_is_above_0_and_at_most_1(kind: str, total: int, warmup: float) -> None:
    assert all(0 < factor <= 1 for factor in factors(kind, total, warmup))


def test_cosine_and_linear_fall_as_torchs_do() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    rates = []
    for _ in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cosine.step()
    assert factors("cosine", 20, 0.0) == pytest.approx(rates)
    assert factors("linear", 20, 0.0) == pytest.approx([1 - step / 20 for step in range(20)])
    assert factors("constant", 4, 0.0) == [1.0] * 4


def test_warm_up_rises_by_equal_steps() -> None:
    for kind in ("cosine", "linear", "constant"):
        assert factors(kind, 20, 0.2)[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    half = factors("cosine", 20, 0.2)[12]
    assert half == pytest.approx(0.5 * (1 + math.cos(math.pi * 8 / 16)))


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="staircase"):
        schedules.lr_factor(0, 10, "staircase", 0.1)
