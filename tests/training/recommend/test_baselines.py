from __future__ import annotations

import numpy as np
import pytest
import torch

from training.recommend import baselines
from training.recommend.baselines import Biases, Pairs
from training.recommend.batches import DrawnPairs, HeldOut, Seen
from training.recommend.reading import latest


def pairs() -> Pairs:
    users, items = np.array([1, 1, 2, 2, 3]), np.array([1, 2, 1, 3, 3])
    return Pairs(users, items, np.array([5.0, 4.0, 3.0, 1.0, 2.0]), 3, 3)


def test_biases_by_hand() -> None:
    found = Biases.fit(pairs(), shrinkage=5.0)
    assert found.mean == 3.0
    # Item 1 was rated 5 and 3: deviations of 2 and 0 over 2 + 5.
    assert found.items[1] == pytest.approx(2 / 7)
    assert found.items[3] == pytest.approx(-3 / 7)
    # User 1: (5 - 3 - 2/7) + (4 - 3 - 1/6), over 2 + 5.
    assert found.users[1] == pytest.approx((2 - 2 / 7 + 1 - 1 / 6) / 7)
    assert found.predict(np.array([0]), np.array([0]))[0] == 3.0


def test_neighbours_answer_as_their_own_formula_says() -> None:
    assert baselines.popularity(pairs()).tolist() == [2, 1, 2]
    scores = baselines.neighbour_scores(pairs(), np.array([3]))
    # User 3 met item 3 alone: met by users 2 and 3; item 1 by 1 and 2, item 2 by 1.
    assert scores[0].tolist() == pytest.approx([0.5, 0.0, 0.0])
    found = baselines.item_neighbours(pairs(), np.array([3, 0]), np.array([1, 1]))
    assert found[1] == Biases.fit(pairs()).predict(np.array([0]), np.array([1]))[0]
    assert np.isfinite(found).all()


def test_negatives_are_never_met_and_follow_the_seed() -> None:
    generator = np.random.default_rng(0)
    users, items = generator.integers(1, 6, 40), generator.integers(1, 31, 40)
    seen = Seen.of(users, items, 5, 30)
    rows = DrawnPairs(torch.from_numpy(users), torch.from_numpy(items), seen, 30, 8)
    inputs, targets = rows.take(torch.arange(40), torch.device("cpu"), seed=3)
    assert inputs["items"].shape == (40, 9)
    assert targets.tolist() == [0] * 40
    met = set(zip(users.tolist(), items.tolist(), strict=True))
    drawn = inputs["items"][:, 1:]
    assert not any(
        (user, item) in met for user, row in zip(users.tolist(), drawn.tolist(), strict=True) for item in row
    )
    again, _ = rows.take(torch.arange(40), torch.device("cpu"), seed=3)
    other, _ = rows.take(torch.arange(40), torch.device("cpu"), seed=4)
    assert torch.equal(inputs["items"], again["items"])
    assert not torch.equal(inputs["items"], other["items"])


def test_held_out_items_leave_out_what_was_met_and_count_what_is_unknown() -> None:
    seen = Seen.of(np.array([1, 1, 2]), np.array([1, 2, 3]), 2, 4)
    names = np.array(["a", "a", "a", "b", "c"], dtype=object)
    items = np.array(["p", "q", "r", "s", "p"], dtype=object)
    held = HeldOut((names, items), np.array([1, 1, 1, 2, 0]), np.array([1, 4, 0, 3, 1]), seen)
    # b met nothing new; c is a stranger.
    assert held.users.tolist() == [1, 0]
    inputs, targets = held.take(torch.arange(2), torch.device("cpu"))
    assert inputs["users"].tolist() == [1, 0]
    assert targets["relevant"].int().tolist() == [[0, 0, 0, 1], [1, 0, 0, 0]]
    assert targets["seen"].int().tolist() == [[1, 1, 0, 0], [0, 0, 0, 0]]
    assert targets["missed"].tolist() == [1, 0]


def test_the_latest_rows() -> None:
    users, times = np.array(["a", "b", "a", "a"], dtype=object), np.array([3.0, 0.0, 1.0, 2.0])
    assert latest(users, times, 0.1) == ([1, 2, 3], [0])
    assert latest(users, times, 0.0) == ([0, 1, 2, 3], [])
