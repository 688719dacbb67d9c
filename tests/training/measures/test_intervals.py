"""Bootstrap intervals against scipy's, against known distributions, and in pieces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from training.errors import UserError
from training.measures import classification, regression, resampling, tokens
from training.measures.intervals import bootstrap, proportion, wilson
from training.measures.resampling import Replicates, with_bca
from training.measures.units import columns


def mean(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=1)


def skewed(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(size=rows)


def influences_of_mean(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / len(values)


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_bounds_are_scipys_on_the_same_replicates(method: str, level: float) -> None:
    values = skewed(40)
    theirs = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=level,
        method=method,
        n_resamples=999,
        rng=np.random.default_rng(1),
    )
    drawn = theirs.bootstrap_distribution
    ours = Replicates(float(values.mean()), drawn, 0)
    if method == "bca":
        ours = with_bca(float(values.mean()), drawn, influences_of_mean(values))
    assert ours.bounds(level) == pytest.approx(tuple(theirs.confidence_interval), rel=1e-9)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_are_scipys_up_to_the_draws(method: str) -> None:
    truth, guess = skewed(60), skewed(60, seed=1)
    ours = bootstrap(regression.mae, truth, guess, method=method, resamples=6000)
    theirs = stats.bootstrap(
        (truth, guess), regression.mae, paired=True, vectorized=False, method=method, n_resamples=6000, rng=2
    )
    spread = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.estimate == pytest.approx(regression.mae(truth, guess))
    assert (ours.lo, ours.hi) == pytest.approx(tuple(theirs.confidence_interval), abs=0.05 * spread)


def test_an_interval_of_95_percent_holds_the_truth_about_as_often() -> None:
    held = {"percentile": 0, "bca": 0}
    for seed in range(400):
        values = np.random.default_rng(seed).normal(5, 2, 40)
        for method in held:
            found = bootstrap(mean, values, method=method, resamples=500, seed=seed, batched=True)
            held[method] += found.lo <= 5 <= found.hi
    # Three standard errors around 0.94, the known shortfall at 40 rows.
    assert held["percentile"] / 400 == pytest.approx(0.94, abs=0.036)
    assert held["bca"] / 400 == pytest.approx(0.94, abs=0.036)


def test_draws_depend_on_the_seed_and_not_on_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    values, strata = skewed(50), np.arange(50) % 3
    found = {}
    for size in (resampling.MAX_BYTES, 10_000):
        monkeypatch.setattr(resampling, "MAX_BYTES", size)
        for name, layers in (("all", None), ("strata", strata)):
            made = bootstrap(mean, values, seed=4, strata=layers, batched=True, resamples=300)
            assert found.setdefault(name, made) == made
    assert bootstrap(mean, values, seed=5, batched=True, resamples=300) != found["all"]
    one_by_one = bootstrap(np.mean, values, seed=4, resamples=300)
    assert (one_by_one.lo, one_by_one.hi) == pytest.approx((found["all"].lo, found["all"].hi))


def test_pieces_hold_memory_down(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def watched(values: np.ndarray) -> np.ndarray:
        seen.append(values.nbytes)
        return values.mean(axis=1)

    monkeypatch.setattr(resampling, "MAX_BYTES", 100_000)
    bootstrap(watched, skewed(1000), resamples=200, batched=True)
    assert len(seen) > 60
    assert max(seen) <= 100_000


def test_strata_keep_every_class_at_its_number() -> None:
    targets = np.repeat([0, 1], [3, 97])
    counts: list[int] = []

    def zeros(labels: np.ndarray) -> float:
        counts.append(int((labels == 0).sum()))
        return float(np.mean(labels))

    bootstrap(zeros, targets, strata=targets, method="percentile", resamples=200)
    assert set(counts) == {3}
    named = bootstrap(zeros, targets, strata=["a"] * 3 + ["b"] * 97, method="bca", resamples=200)
    assert named.lo == named.hi == pytest.approx(0.97)


def test_strata_narrow_what_they_explain() -> None:
    values = np.concatenate([skewed(50), 100 + skewed(50, seed=1)])
    strata = np.repeat([0, 1], 50)
    loose = bootstrap(mean, values, batched=True)
    tight = bootstrap(mean, values, strata=strata, batched=True)
    assert tight.hi - tight.lo < (loose.hi - loose.lo) / 10
    # Two samples, as scipy knows them: the mean of both means.
    theirs = stats.bootstrap(
        (values[:50], values[50:]), lambda a, b, axis: (a.mean(axis) + b.mean(axis)) / 2, method="BCa", rng=3
    )
    width = tight.hi - tight.lo
    assert (tight.lo, tight.hi) == pytest.approx(tuple(theirs.confidence_interval), abs=0.08 * width)


def test_groups_of_rows_left_out_give_the_same_acceleration(monkeypatch: pytest.MonkeyPatch) -> None:
    values = columns([np.sort(skewed(4000))])
    found = []
    for most in (4000, 400):
        monkeypatch.setattr(resampling, "MAX_LEFT_OUT", most)
        found.append(
            resampling.replicate(mean, values, bca=True, resamples=100, seed=0, batched=True).acceleration
        )
    exact = stats.skew(values[0]) / (6 * math.sqrt(4000))
    assert found[0] == pytest.approx(exact)
    assert found[1] == pytest.approx(exact, rel=0.5)


def test_the_p_value_is_where_the_interval_touches() -> None:
    values = skewed(80)
    draws = resampling.replicate(mean, columns([values]), bca=True, resamples=4000, seed=0, batched=True)
    for level in (0.8, 0.9, 0.95):
        for bound in draws.bounds(level):
            assert draws.p_value(bound) == pytest.approx(1 - level, rel=0.05)
    assert draws.p_value(draws.estimate) > 0.9
    assert 0 < draws.p_value(-100) < 0.001


def test_undefined_resamples_are_counted_and_most_are_refused() -> None:
    targets, scores = np.array([0, 1] + [1] * 3), np.arange(5.0)
    found = bootstrap(classification.roc_auc, targets, scores, method="percentile")
    # A draw without the single 0: (4/5)^5 of them.
    assert found.undefined / found.resamples == pytest.approx(0.8**5 + 0.2**5, abs=0.04)
    with pytest.raises(UserError, match="not defined on these rows"):
        bootstrap(classification.roc_auc, [1, 1], [0.1, 0.2])
    with pytest.raises(UserError, match="most resampled rows"):
        bootstrap(lambda rows: 1.0 if len(set(rows)) > 2 else math.nan, [1, 2, 3])
    assert bootstrap(classification.roc_auc, [0, 1], [0.1, 0.2], strata=[0, 1]).undefined == 0


def test_constant_rows_leave_no_room() -> None:
    found = bootstrap(mean, np.ones(10), batched=True)
    assert (found.estimate, found.lo, found.hi) == (1, 1, 1)


def test_rows_may_be_tags_of_any_length() -> None:
    truth = [["B-A", "O"], ["O"], ["B-A", "I-A", "O"]] * 10
    guess = [["B-A", "O"], ["B-A"], ["B-A", "O", "O"]] * 10
    found = bootstrap(lambda a, b: tokens.entity_report(a, b).micro.f1, truth, guess, resamples=200)
    assert found.lo < found.estimate < found.hi
    even = [["O", "B-A"], ["O", "O"]] * 5
    assert bootstrap(tokens.token_accuracy, even, even, resamples=20).estimate == 1.0


def test_a_share_has_its_wilson_interval() -> None:
    found = proportion([1] * 81 + [0] * 182)
    assert (found.lo, found.hi) == pytest.approx(wilson(81, 263))
    assert proportion([1, 1, 1]).hi == 1.0
    wanted = stats.binomtest(81, 263).proportion_ci(0.9, method="wilson")
    narrow = proportion([1] * 81 + [0] * 182, level=0.9)
    assert (narrow.lo, narrow.hi) == pytest.approx((wanted.low, wanted.high))
    assert narrow.as_dict()["method"] == "wilson"


def test_bad_input_is_told_in_a_sentence() -> None:
    for rows, said in (([[1.0]], "at least 2 rows"), ([[1, 2], [1]], "2, 1 rows"), ([[]], "at least 2 rows")):
        with pytest.raises(UserError, match=said):
            bootstrap(np.mean, *rows)
    with pytest.raises(UserError, match="strata for 1"):
        bootstrap(np.mean, [1, 2], strata=[1])
    with pytest.raises(UserError, match="no rows"):
        proportion([])
    with pytest.raises(UserError, match="NaN"):
        bootstrap(regression.mae, [1, math.nan], [1, 2])


@pytest.mark.parametrize("wrong", [{"level": 95}, {"method": "basic"}, {"resamples": 0}])
def test_options_that_do_not_exist_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        bootstrap(np.mean, [1, 2], **wrong)


def test_rows_of_a_group_come_together() -> None:
    """20 series of 50 windows, windows of a series alike: there are 20 numbers to draw from, not 1,000."""
    generator = np.random.default_rng(0)
    level, groups = generator.normal(size=20), np.repeat(np.arange(20), 50)
    values = level[groups] + generator.normal(0, 0.1, 1000)
    mixed = generator.permutation(1000)
    found = bootstrap(np.mean, values[mixed], groups=groups[mixed])
    series = bootstrap(np.mean, values.reshape(20, 50).mean(axis=1))
    assert (found.lo, found.hi) == pytest.approx((series.lo, series.hi))
    naive = bootstrap(np.mean, values)
    assert found.hi - found.lo > 5 * (naive.hi - naive.lo)
    faster = bootstrap(mean, values[mixed], groups=groups[mixed], batched=True)
    assert (faster.lo, faster.hi) == pytest.approx((found.lo, found.hi))


def test_groups_of_any_size_are_drawn_whole() -> None:
    groups = np.array([0, 1, 1, 2, 2, 2])
    seen: list[list[int]] = []

    def remember(rows: np.ndarray) -> float:
        seen.append(np.bincount(groups[rows], minlength=3).tolist())
        return float(len(rows))

    found = bootstrap(remember, np.arange(6), groups=groups, resamples=200, strata=[0, 0, 0, 1, 1, 1])
    for counts in seen[:201]:
        assert counts[1] % 2 == counts[2] % 3 == 0
        assert (counts[0] + counts[1] // 2, counts[2]) == (2, 3)
    assert (found.lo, found.hi) == (5, 7)


def test_groups_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(UserError, match="one stratum"):
        bootstrap(np.mean, [1, 2, 3], groups=["a", "a", "b"], strata=[0, 1, 1])
    with pytest.raises(UserError, match="at least 2 groups"):
        bootstrap(np.mean, [1, 2, 3], groups=["a", "a", "a"])
    with pytest.raises(UserError, match="groups for 1"):
        bootstrap(np.mean, [1, 2, 3], groups=["a"])
