from __future__ import annotations

import torch

from training.language.batches import IGNORED, TokenRows, packed_rows, plain_rows
from training.language.encoding import Tokens

CPU = torch.device("cpu")


def tokens(*lengths: int) -> Tokens:
    """Example i holds the tokens 100 i + 1, 100 i + 2, …; the last half is to be learnt."""
    rows = [[100 * index + place + 1 for place in range(length)] for index, length in enumerate(lengths)]
    learn = [[place >= length // 2 and place > 0 for place in range(length)] for length in lengths]
    starts = torch.tensor([0, *lengths]).cumsum(0)
    flat = torch.tensor([item for row in rows for item in row], dtype=torch.int32)
    return Tokens(flat, torch.tensor([item for row in learn for item in row]), starts)


def test_a_plain_batch_is_filled_up_at_its_end() -> None:
    inputs, labels = plain_rows(tokens(4, 2), 7).take(torch.tensor([1, 0]), CPU)
    assert inputs["input_ids"].tolist() == [[101, 102, 7, 7], [1, 2, 3, 4]]
    assert inputs["position_ids"].tolist() == [[0, 1, 2, 3]] * 2
    assert labels.tolist() == [[IGNORED, 102, IGNORED, IGNORED], [IGNORED, IGNORED, 3, 4]]
    assert torch.equal(inputs["labels"], labels)


def test_a_packed_batch_counts_positions_anew_for_every_example() -> None:
    packed = TokenRows(tokens(4, 2, 3), [[0, 1], [2]], 7)
    inputs, labels = packed.take(torch.tensor([0, 1]), CPU)
    assert inputs["input_ids"].tolist() == [[1, 2, 3, 4, 101, 102], [201, 202, 203, 7, 7, 7]]
    assert inputs["position_ids"].tolist() == [[0, 1, 2, 3, 0, 1], [0, 1, 2, 0, 0, 0]]
    assert labels[0].tolist() == [IGNORED, IGNORED, 3, 4, IGNORED, 102]
    assert labels[1].tolist() == [IGNORED, 202, 203, *[IGNORED] * 3]


def test_packing_keeps_every_example_once_and_is_tight() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 90, (500,), generator=generator).tolist()
    rows = packed_rows(tokens(*lengths), 0, 100).rows
    assert sorted(item for row in rows for item in row) == list(range(500))
    filled = [sum(lengths[item] for item in row) for row in rows]
    assert max(filled) <= 100
    # Best-fit decreasing: at most 11/9 of the fewest rows that could hold them, plus one.
    assert len(rows) <= 11 / 9 * sum(lengths) / 100 + 1
    # No two rows would fit into one.
    assert min(sorted(filled)[0] + sorted(filled)[1], 101) == 101
    assert packed_rows(tokens(*lengths), 0, 100).rows == rows


def test_the_fingerprint_is_of_tokens_and_of_rows() -> None:
    one = plain_rows(tokens(4, 2), 7)
    assert one.fingerprint() == plain_rows(tokens(4, 2), 7).fingerprint()
    assert one.fingerprint() != plain_rows(tokens(4, 3), 7).fingerprint()
    assert one.fingerprint() != TokenRows(tokens(4, 2), [[0, 1]], 7).fingerprint()
