from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from training.microbatches import MicroBatches

PLAIN, NORMED = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


def test_untouched_it_cuts_as_the_recipe_says() -> None:
    cut = MicroBatches(4, NORMED)
    assert [len(piece) for piece in cut.split(torch.arange(10))] == [4, 4, 2]


@pytest.mark.parametrize("net", [PLAIN, NORMED])
@pytest.mark.parametrize("rows", range(2, 40))
def test_halved_pieces_are_all_the_rows_in_order(net: nn.Module, rows: int) -> None:
    cut = MicroBatches(16, net)
    while True:
        pieces = cut.split(torch.arange(rows))
        assert torch.cat(pieces).tolist() == list(range(rows))
        sizes = [len(piece) for piece in pieces]
        if cut.size < 16:
            assert min(sizes) >= min(cut.smallest, rows)
            assert max(sizes) <= cut.size + (cut.smallest - 1)
        if not cut.halve():
            break
    assert cut.size == (1 if net is PLAIN else 2)


def test_there_is_an_end_to_halving() -> None:
    assert not MicroBatches(1, PLAIN).halve()
    assert not MicroBatches(3, NORMED).halve()
    assert MicroBatches(3, PLAIN).halve()
    assert MicroBatches(3, copy.deepcopy(NORMED).requires_grad_(False)).halve()
