"""Learning rates over a run as arithmetic on the step: a resumed run needs no state to go on."""

from __future__ import annotations

import math

SCHEDULES = ("cosine", "linear", "constant", "one-cycle")
# One-cycle as torch's OneCycleLR has it: starts at a 25th of the top, ends at a 10,000th of the start, and
# momentum goes the other way (Smith & Topin 2018).
START_SHARE = 1 / 25
END_SHARE = START_SHARE / 10_000
MOMENTUM_LOW, MOMENTUM_HIGH = 0.85, 0.95


def lr_factor(step: int, total_steps: int, kind: str, warmup_fraction: float) -> float:
    """Share of the highest learning rate at step 0..total_steps-1, above 0 and at most 1.

    All rise in the first `warmup_fraction` of the steps: linearly from above 0, one-cycle along a half
    cosine. Then they fall to 0 along a half cosine or a line, stay, or for one-cycle fall to 4e-6. Raises
    `ValueError` for another kind.
    """
    if kind not in SCHEDULES:
        raise ValueError(f"No schedule is called {kind!r}.")
    if kind == "one-cycle":
        return _one_cycle(step, total_steps, warmup_fraction, START_SHARE, 1.0, END_SHARE)
    warmup = math.floor(warmup_fraction * total_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, total_steps - warmup)
    return {"cosine": 0.5 * (1.0 + math.cos(math.pi * done)), "linear": 1.0 - done, "constant": 1.0}[kind]


def one_cycle_momentum(step: int, total_steps: int, warmup_fraction: float) -> float:
    """Momentum (for Adam beta 1) of one-cycle: lowest where the learning rate is highest."""
    return _one_cycle(step, total_steps, warmup_fraction, MOMENTUM_HIGH, MOMENTUM_LOW, MOMENTUM_HIGH)


def _one_cycle(step: int, total_steps: int, rising: float, start: float, top: float, end: float) -> float:
    """The phases of OneCycleLR (two, cosine): the top is at `rising` of the steps, the end at the last one.

    Where its first phase has no length OneCycleLR divides by zero; here the run begins at the top.
    """
    peak = rising * total_steps - 1
    if step <= peak:
        return top if peak == 0 else _half_cosine(start, top, step / peak)
    # OneCycleLR without a first phase counts from one step before the run.
    return _half_cosine(top, end, (step - peak) / (total_steps - 1 - peak))


def _half_cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))
