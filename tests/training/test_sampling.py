from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from training import sampling


def targets(counts: list[int]) -> Tensor:
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]


@pytest.mark.parametrize("counts", [[90, 9, 1], [7, 7, 6], [50, 2], [5, 0, 3]])
def test_every_class_is_shown_as_often(counts: list[int]) -> None:
    given = targets(counts)
    for epoch in range(4):
        order = sampling.balanced_order(given, 1, 0, epoch)
        shown = torch.bincount(given[order], minlength=len(counts))
        assert len(order) == len(given)
        present = [int(n) for n, count in zip(shown, counts, strict=True) if count]
        assert max(present) - min(present) <= 1
        assert int(shown.sum()) == sum(present)


def test_over_a_run_the_rows_of_a_class_are_shown_alike() -> None:
    given = targets([90, 9, 2])
    orders = [sampling.balanced_order(given, 1, 4, epoch) for epoch in range(10)]
    shown = torch.bincount(torch.cat(orders), minlength=len(given))
    for label in range(3):
        times = shown[given == label]
        assert int(times.max() - times.min()) <= 1
    # 101 rows among three classes: who gets the odd ones goes round.
    by_class = torch.bincount(given[torch.cat(orders)], minlength=3)
    assert int(by_class.max() - by_class.min()) <= 1


def test_an_order_is_a_function_of_seed_and_epoch() -> None:
    given = targets([30, 5])
    order = sampling.balanced_order(given, 8, 1, 3)
    torch.manual_seed(77)
    assert torch.equal(order, sampling.balanced_order(given, 8, 1, 3))
    assert not torch.equal(order, sampling.balanced_order(given, 8, 1, 4))
    assert not torch.equal(order, sampling.balanced_order(given, 8, 2, 3))


def test_the_lone_last_image_sits_out() -> None:
    given = targets([6, 3])
    assert len(sampling.balanced_order(given, 4, 0, 0)) == 8
    assert len(sampling.balanced_order(given, 5, 0, 0)) == 9
    assert len(sampling.balanced_order(given, 1, 0, 0)) == 9


def test_balanced_weights_are_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    given = targets([90, 9, 1])
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=given.numpy())
    ours = sampling.balanced_weights(torch.bincount(given))
    assert ours.tolist() == pytest.approx(theirs.tolist(), rel=1e-6)
    assert float(ours[given].mean()) == pytest.approx(1.0)
    assert sampling.balanced_weights(torch.tensor([4, 0, 4])).tolist() == [1.0, 0.0, 1.0]


def test_effective_weights_are_the_papers() -> None:
    counts, beta = torch.tensor([500, 50, 5]), 0.99
    raw = [(1 - beta) / (1 - beta**count) for count in counts.tolist()]
    expected = [3 * value / sum(raw) for value in raw]
    assert sampling.effective_weights(counts, beta).tolist() == pytest.approx(expected, rel=1e-6)
    assert sampling.effective_weights(counts, 0.0).tolist() == [1.0, 1.0, 1.0]
    near = sampling.effective_weights(counts, 1 - 1e-9)
    inverse = sampling.balanced_weights(counts)
    assert (near / near.sum()).tolist() == pytest.approx((inverse / inverse.sum()).tolist(), rel=1e-3)
    assert sampling.effective_weights(torch.tensor([4, 0, 4])).tolist() == [1.0, 0.0, 1.0]


def test_positive_weights_balance_both_sides() -> None:
    weights = sampling.positive_weights(torch.tensor([2, 5, 0, 10]), 10)
    assert weights.tolist() == [4.0, 1.0, 1.0, 1.0]
