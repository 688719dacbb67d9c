"""Who takes which rows of a step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from training.distributed import World
from training.microbatches import MicroBatches
from training.sharing import Piece, pieces

PLAIN, NORM = nn.Linear(2, 2), nn.BatchNorm1d(2)


def dealt(micro: MicroBatches, rows: torch.Tensor, size: int, *, even: bool = False) -> list[list[Piece]]:
    return [pieces(micro, rows, 100, World(rank, size), even=even) for rank in range(size)]


@given(st.integers(1, 70), st.integers(1, 20), st.integers(1, 5), st.booleans(), st.booleans())
def test_every_row_is_taken_once(rows: int, batch: int, size: int, norm: bool, even: bool) -> None:
    micro = MicroBatches(batch, NORM if norm else PLAIN)
    found = dealt(micro, torch.arange(rows), size, even=even)
    taken = [row for mine in found for piece in mine if piece.counts for row in piece.rows.tolist()]
    assert sorted(taken) == list(range(rows))
    assert all(len(piece.rows) > 0 for mine in found for piece in mine)
    if even:
        assert len({len(mine) for mine in found}) == 1
    else:
        assert all(piece.counts for mine in found for piece in mine)
    seeds = [piece.seed for mine in found for piece in mine if piece.counts]
    assert len(set(seeds)) == len(seeds)


@given(st.integers(2, 70), st.integers(4, 20), st.integers(2, 5))
def test_batch_statistics_get_two_rows(rows: int, batch: int, size: int) -> None:
    micro = MicroBatches(batch, NORM)
    if rows % batch == 1:
        return  # the order of an epoch leaves that row out
    found = dealt(micro, torch.arange(rows), size)
    assert min(len(piece.rows) for mine in found for piece in mine) >= 2


def test_whole_micro_batches_stay_whole() -> None:
    micro, rows = MicroBatches(4, NORM), torch.arange(16)
    alone = pieces(micro, rows, 100, World())
    first, second = dealt(micro, rows, 2)
    for mine, kept in ((first, alone[::2]), (second, alone[1::2])):
        assert [piece.seed for piece in mine] == [piece.seed for piece in kept]
        assert all(torch.equal(one.rows, other.rows) for one, other in zip(mine, kept, strict=True))


def test_other_steps_are_cut_evenly() -> None:
    found = dealt(MicroBatches(8, PLAIN), torch.arange(8), 3)
    assert [[len(piece.rows) for piece in mine] for mine in found] == [[3], [3], [2]]


def test_a_process_may_have_nothing_to_do() -> None:
    rows = torch.arange(2)
    assert [len(mine) for mine in dealt(MicroBatches(8, NORM), rows, 2)] == [1, 0]
    idle = dealt(MicroBatches(8, NORM), rows, 2, even=True)[1]
    assert [piece.counts for piece in idle] == [False]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pieces_fit_in_what_memory_holds(size: int) -> None:
    micro = MicroBatches(8, PLAIN)
    assert micro.halve()
    found = dealt(micro, torch.arange(24), size)
    assert max(len(piece.rows) for mine in found for piece in mine) <= micro.size
