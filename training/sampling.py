"""Rare classes: shown as often as the others, or counted for more."""

from __future__ import annotations

import torch
from torch import Tensor

from training.device import step_seed


def balanced_order(targets: Tensor, batch: int, seed: int, epoch: int) -> Tensor:
    """As many rows as there are, every class as often as the others to one; targets are classes [n].

    Each class is walked through in shuffled passes that go on from epoch to epoch, so that over a run no
    row of it is shown more than once more often than another. A function of its arguments alone, which makes
    a resumed run see the same rows; the lone last image sits out as in `batches.epoch_order`.
    """
    classes = [torch.nonzero(targets == label).flatten() for label in targets.unique().tolist()]
    share, rest = divmod(len(targets), len(classes))
    picked = []
    for index, rows in enumerate(classes):
        # `rest` classes have one row more; which ones goes round, so that it evens out as well.
        start, stop = (
            when * share + _extras(when * rest, index, len(classes)) for when in (epoch, epoch + 1)
        )
        picked.append(_walk(rows, start, stop, step_seed(seed, index)))
    chosen = torch.cat(picked)
    generator = torch.Generator().manual_seed(step_seed(seed, -1 - epoch))
    order = chosen[torch.randperm(len(chosen), generator=generator)]
    return order[:-1] if batch > 1 and len(order) > 1 and len(order) % batch == 1 else order


def balanced_weights(counts: Tensor) -> Tensor:
    """n / (k n_c) for counts n_c [C] of n rows in k classes: mean 1 over the rows. 0 for a class of none."""
    present = counts > 0
    weights = counts.sum() / (present.sum() * counts.clamp_min(1))
    return torch.where(present, weights, torch.zeros_like(weights))


def effective_weights(counts: Tensor, beta: float = 0.999) -> Tensor:
    """(1 - beta) / (1 - beta^n_c), scaled to mean 1 over the classes (Cui et al. 2019); counts n_c [C].

    0 for a class of none. beta 0 weighs all classes alike, beta near 1 as `balanced_weights` does.
    """
    present = counts > 0
    weights = (1 - beta) / (1 - beta ** counts.double().clamp_min(1))
    weights = torch.where(present, weights, torch.zeros_like(weights))
    return (weights * present.sum() / weights.sum()).float()


def positive_weights(counts: Tensor, rows: int) -> Tensor:
    """(n - n_c) / n_c, the weight of a label's positives that balances them with its negatives [C].

    Counts [C] of `rows` rows. 1 for a label that all rows or none of them have.
    """
    mixed = (counts > 0) & (counts < rows)
    return torch.where(mixed, (rows - counts) / counts.clamp_min(1), torch.ones(len(counts)))


def _extras(numbers: int, index: int, classes: int) -> int:
    """How many of 0..numbers-1 are `index` modulo `classes`."""
    return max(0, -((index - numbers) // classes))


def _walk(rows: Tensor, start: int, stop: int, seed: int) -> Tensor:
    """Places start..stop-1 of an endless walk through `rows`, shuffled anew for every pass."""
    first, last = start // len(rows), (stop - 1) // len(rows)
    passes = [
        rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(step_seed(seed, number)))]
        for number in range(first, last + 1)
    ]
    if not passes:
        return rows[:0]
    skipped = first * len(rows)
    return torch.cat(passes)[start - skipped : stop - skipped]
