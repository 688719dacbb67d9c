"""Measures of recommendations, against torchmetrics, scikit-learn and the definitions spelled out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchmetrics.functional.retrieval as tm
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from tests.training.measures import examples
from training.errors import UserError
from training.measures import ranking as measure


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_measures_agree_with_torchmetrics_and_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    users, items, k = 6, 25, int(generator.integers(1, 26))
    # Above 0: torchmetrics takes an item that scores less as not recommended at all.
    scores = generator.random((users, items)) + 0.01
    relevant = generator.random((users, items)) < 0.2
    relevant[:, 3] = True
    ranked = measure.rank(scores, items)
    assert (ranked == np.argsort(-scores, axis=1)).all()
    hits, totals = measure.hits_of(ranked, [np.flatnonzero(row).tolist() for row in relevant])
    pairs = [(torch.tensor(a), torch.tensor(b)) for a, b in zip(scores, relevant, strict=True)]
    for ours, theirs in (
        (measure.recall, tm.retrieval_recall),
        (measure.precision, tm.retrieval_precision),
        (measure.hit_rate, tm.retrieval_hit_rate),
    ):
        wanted = np.mean([float(theirs(*pair, top_k=k)) for pair in pairs])
        assert ours(hits, totals, k) == pytest.approx(wanted, abs=1e-6)
    wanted = np.mean([float(tm.retrieval_reciprocal_rank(*pair)) for pair in pairs])
    assert measure.mrr(hits, totals) == pytest.approx(wanted, abs=1e-6)
    wanted = sk.ndcg_score(relevant.astype(float), scores, k=k)
    assert measure.ndcg(hits, totals, k) == pytest.approx(wanted)
    wanted = np.mean([sk.average_precision_score(*pair) for pair in zip(relevant, scores, strict=True)])
    assert measure.mean_average_precision(hits, totals, items) == pytest.approx(wanted)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_map_at_k_by_its_definition(k: int) -> None:
    ranked, relevant = examples.ranked(4)
    hits, totals = measure.hits_of(ranked, relevant)
    wanted = []
    for row, own in zip(ranked, relevant, strict=True):
        shares = [
            len(set(row[:place]) & set(own)) / place for place in range(1, k + 1) if row[place - 1] in own
        ]
        wanted.append(sum(shares) / min(len(own), k))
    assert measure.mean_average_precision(hits, totals, k) == pytest.approx(np.mean(wanted))
    assert measure.summary(hits, totals, (k,))[f"map@{k}"] == pytest.approx(np.mean(wanted))


def test_users_without_relevant_items_are_left_out() -> None:
    hits, totals = measure.hits_of([[1, 2], [3, 4]], [[2], []])
    assert measure.recall(hits, totals, 2) == 1.0
    assert measure.mrr(hits, totals) == 0.5
    assert measure.mrr(hits, totals, k=1) == 0.0
    nobody = measure.hits_of([[1, 2]], [[]])
    assert math.isnan(measure.ndcg(*nobody, 2))
    assert measure.summary(*nobody, (1, 2)) == {}


def test_a_constant_model_gains_nothing_by_where_the_relevant_item_stands() -> None:
    """With ties in index order a constant model would find item 0 of every user, always."""
    found = []
    for seed in range(200):
        ranked = measure.rank(np.zeros((3, 20)), 5, seed=seed)
        found.append(measure.recall(*measure.hits_of(ranked, [[0]] * 3), 5))
    assert np.mean(found) == pytest.approx(5 / 20, abs=0.1)
    assert (measure.rank(np.zeros((3, 20)), 5, seed=1) == measure.rank(np.zeros((3, 20)), 5, seed=1)).all()


def test_seen_items_are_never_recommended() -> None:
    ranked = measure.rank([[5.0, 4, 3], [1, 2, 3]], 3, seen=[[1, 0, 0], [1, 1, 1]])
    assert ranked.tolist() == [[1, 2, -1], [-1, -1, -1]]
    hits, totals = measure.hits_of(ranked, [[2], [0]])
    assert hits.tolist() == [[False, True, False], [False, False, False]]
    assert measure.recall(hits, totals, 3) == 0.5


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: measure.recall(np.zeros((0, 3)), [], 2), "no rows"),
        (lambda: measure.rank([[1.0, math.nan]], 1), "scores hold NaN"),
        (lambda: measure.hits_of([[1, 1]], [[1]]), "user 1 hold an item twice"),
        (lambda: measure.hits_of([[1, 2]], [[1], [2]]), "1 users have recommendations, but 2"),
        (lambda: measure.hits_of([[0.5, 2]], [[1]]), "whole numbers"),
        (lambda: measure.hits_of([["a", "b"]], [[1]]), "whole numbers"),
        (lambda: measure.hits_of([[1, -2]], [[1]]), "must be at least"),
        (lambda: measure.hits_of([[1], [1, 2]], [[1], [1]]), "ragged"),
        (lambda: measure.recall([[1, 1]], [1], 2), "User 1 has more hits than relevant items"),
        (lambda: measure.recall([[1, 0]], [1, 1], 2), "relevant items have the shape 2; it must be 1"),
    ],
)
def test_bad_input_is_told_in_a_sentence(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        call()


@pytest.mark.parametrize("k", [0, 3])
def test_k_must_be_a_number_of_places(k: int) -> None:
    with pytest.raises(ValueError, match="k must lie between 1 and the 2"):
        measure.recall([[1, 0]], [1], k)
    with pytest.raises(ValueError, match="k must lie between 1 and the 2"):
        measure.rank([[1, 0]], k)
