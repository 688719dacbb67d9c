"""Two models on the same rows: tests against scipy's, and what is said about them."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from scipy import stats

from training.errors import UserError
from training.measures import regression
from training.measures.paired import Comparison, compare, compare_accuracy, mcnemar


@pytest.mark.parametrize(("one", "other"), [(0, 0), (5, 0), (3, 9), (40, 41), (700, 500), (0, 2000)])
def test_mcnemars_test_is_the_binomial_one(one: int, other: int) -> None:
    first = [1] * one + [0] * other + [1, 0]
    second = [0] * one + [1] * other + [1, 0]
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (one, other)
    wanted = stats.binomtest(one, one + other).pvalue if one + other else 1.0
    assert found.p_value == pytest.approx(wanted, rel=1e-9)


def answers(rows: int, first: float, second: float, seed: int = 0) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 4, rows)
    return truth, *(
        np.where(generator.random(rows) < share, truth, (truth + 1) % 4) for share in (first, second)
    )


def test_a_clear_difference_is_told_with_its_interval() -> None:
    truth, first, second = answers(2000, 0.9, 0.85)
    found = compare_accuracy(truth, first, second, names=("Ours", "Theirs"))
    assert found.better == "Ours"
    assert found.difference == pytest.approx(np.mean(first == truth) - np.mean(second == truth))
    figures = re.fullmatch(r"Ours is better by (.*) points \((.*) to (.*)\)\.", found.verdict)
    assert figures
    wanted = (100 * found.difference, 100 * found.lo, 100 * found.hi)
    assert [float(figure) for figure in figures.groups()] == pytest.approx(wanted, abs=0.051)
    assert found.lo < found.difference < found.hi
    assert found.first == np.mean(first == truth)
    turned = compare_accuracy(truth, second, first, names=("Theirs", "Ours"))
    assert turned.better == "Ours"
    assert turned.p_value == found.p_value
    assert json.loads(json.dumps(found.as_dict()))["verdict"] == found.verdict


def test_a_small_difference_is_called_none() -> None:
    truth, first, second = answers(200, 0.9, 0.895)
    found = compare_accuracy(truth, first, second)
    assert found.better is None
    assert found.verdict.startswith("A and B cannot be told apart: ")
    assert found.p_value > 0.05


def test_the_same_answers_do_equally_well() -> None:
    truth, first, _ = answers(50, 0.8, 0.8)
    found = compare_accuracy(truth, first, first)
    assert (found.verdict, found.p_value) == ("A and B do equally well.", 1.0)


def test_five_rows_of_difference_are_not_enough_though_the_bootstrap_says_so() -> None:
    truth = np.zeros(100, dtype=int)
    second = np.where(np.arange(100) < 5, 1, 0)
    found = compare_accuracy(truth, truth, second)
    assert found.lo > 0
    assert found.p_value == pytest.approx(2 * 0.5**5)
    assert found.better is None
    assert found.verdict.startswith("A and B cannot be told apart: A leads by 5.0 points (")
    assert found.verdict.endswith("), which may be chance (p = 0.06).")


def test_errors_are_better_when_lower() -> None:
    generator = np.random.default_rng(0)
    truth = generator.normal(size=300)
    near, far = truth + generator.normal(0, 0.5, 300), truth + generator.normal(0, 1, 300)
    found = compare(
        regression.mae, (truth, near), (truth, far), higher_is_better=False, unit="km", names=("near", "far")
    )
    assert found.better == "near"
    assert found.difference == pytest.approx(regression.mae(truth, near) - regression.mae(truth, far))
    assert re.fullmatch(r"near is better by 0\.\d+ km \(0\.\d+ to 0\.\d+\)\.", found.verdict)
    assert found.p_value < 0.01


def test_pairing_sees_what_two_separate_intervals_do_not() -> None:
    """Rows differ a lot, models little but always in the same way."""
    generator = np.random.default_rng(0)
    truth, hard = np.zeros(200), generator.lognormal(2, 1, 200)
    found = compare(regression.mae, (truth, hard), (truth, hard + 0.1), higher_is_better=False, unit="")
    assert found.better == "A"
    assert (found.lo, found.hi) == pytest.approx((-0.1, -0.1))


def test_no_difference_is_found_about_as_often_as_promised() -> None:
    found = [compare_accuracy(*answers(300, 0.8, 0.8, seed), resamples=300).better for seed in range(200)]
    assert 200 - found.count(None) <= 18


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.012, 0.003, 0.021), "A is better by 1.2 points (0.3 to 2.1)."),
        ((-0.12, -0.21, -0.03), "B is better by 12 points (3 to 21)."),
        ((0.004, -0.005, 0.013), "A and B cannot be told apart: A leads by 0.4 points (−0.5 to 1.3)."),
        ((0.009, 0.0003, 0.018), "A is better by 0.90 points (0.03 to 1.80)."),
        ((0.0, -0.01, 0.01), "A and B cannot be told apart: the difference is 0.0 points (−1.0 to 1.0)."),
        ((0.1, 0.1, 0.1), "A is better by 10 points (10 to 10)."),
    ],
)
def test_figures_show_as_many_digits_as_the_interval_bears(
    values: tuple[float, float, float], said: str
) -> None:
    p_value = 0.2 if "apart" in said else 0.01
    assert Comparison(("A", "B"), 0.9, 0.9, *values, p_value, 0.95, 100).verdict == said


def test_bad_input_is_told_in_a_sentence() -> None:
    with pytest.raises(UserError, match="2 and 1 answers of the two models"):
        mcnemar([1, 0], [1])
    with pytest.raises(UserError, match="2 and 1 targets and predictions"):
        compare_accuracy([1, 0], [1, 0], [1])
    with pytest.raises(UserError, match="at least 2 rows"):
        compare_accuracy([1], [1], [0])
    with pytest.raises(ValueError, match="level"):
        compare(np.mean, ([1, 2],), ([1, 2],), level=2)
    with pytest.raises(ValueError, match="percentile or bca"):
        compare(np.mean, ([1, 2],), ([1, 2],), method="t")
