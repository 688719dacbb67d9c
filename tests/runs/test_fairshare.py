"""The order of the queue: the bounds it promises, for any queue that a generator can think of."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from runs.fairshare import UNKNOWN_SECONDS, Slot, Waiting, in_order, starts

START = datetime(2026, 1, 1, tzinfo=UTC)
SERVED = st.dictionaries(st.integers(0, 6), st.floats(0, 1e6), max_size=7)


@st.composite
def queues(draw: st.DrawFn, *, equal: bool = False, classes: bool = False) -> list[Waiting]:
    """Up to 60 runs of up to 7 namespaces, as unevenly as may be."""
    count = draw(st.integers(1, 60))
    seconds = st.just(30.0) if equal else st.one_of(st.none(), st.floats(0, 5000))
    return [
        Waiting(
            run=number,
            namespace=draw(st.integers(0, 6)),
            since=START + timedelta(seconds=draw(st.integers(0, 50))),
            expected=draw(seconds),
            priority=draw(st.integers(-1, 1)) if classes else 0,
            is_preflight=draw(st.booleans()) if classes else False,
        )
        for number in range(count)
    ]


def before_nth(order: Sequence[Waiting], namespace: int, nth: int) -> list[Waiting]:
    """What other namespaces get before this one's n-th run (from 1)."""
    own = [place for place, one in enumerate(order) if one.namespace == namespace]
    return [one for one in order[: own[nth - 1]] if one.namespace != namespace]


@given(queues(classes=True), SERVED, st.randoms())
def test_every_run_comes_once_and_always_at_the_same_place(
    queue: list[Waiting], served: dict[int, float], chance: random.Random
) -> None:
    order = list(in_order(queue, served))
    assert sorted(one.run for one in order) == list(range(len(queue)))
    chance.shuffle(queue)
    assert list(in_order(queue, served)) == order


@given(queues(classes=True), SERVED)
def test_priority_then_measured_steps_then_age_within_a_namespace(
    queue: list[Waiting], served: dict[int, float]
) -> None:
    order = list(in_order(queue, served))
    ranks = [(-one.priority, not one.is_preflight) for one in order]
    assert ranks == sorted(ranks)
    for namespace in range(7):
        own = [one for one in order if one.namespace == namespace]
        assert own == sorted(own, key=lambda one: (-one.priority, not one.is_preflight, one.since, one.run))


@given(queues(equal=True), SERVED)
@settings(max_examples=300)
def test_an_nth_run_is_behind_n_runs_of_each_other_namespace_at_most(
    queue: list[Waiting], served: dict[int, float]
) -> None:
    order = list(in_order(queue, served))
    for namespace, count in Counter(one.namespace for one in queue).items():
        for nth in range(1, count + 1):
            others = Counter(one.namespace for one in before_nth(order, namespace, nth))
            assert all(number <= nth for number in others.values()), (namespace, nth, others)


@given(queues(), SERVED)
@settings(max_examples=300)
def test_in_seconds_nobody_gets_far_ahead_of_who_waits_too(
    queue: list[Waiting], served: dict[int, float]
) -> None:
    order = list(in_order(queue, served))
    longest = max(one.seconds for one in queue)
    for namespace in {one.namespace for one in queue}:
        given_to: dict[int, list[float]] = defaultdict(list)
        for one in before_nth(order, namespace, 1):
            given_to[one.namespace].append(one.seconds)
        assert all(sum(seconds[:-1]) <= longest * (1 + 1e-9) for seconds in given_to.values())
    left = Counter(one.namespace for one in queue)
    sums: dict[int, float] = defaultdict(float)
    for one in order:
        sums[one.namespace] += one.seconds
        left[one.namespace] -= 1
        waiting = [sums[namespace] for namespace, count in left.items() if count]
        if len(waiting) > 1:
            assert max(waiting) - min(waiting) <= 2 * longest * (1 + 1e-9)


def test_a_sweep_of_500_does_not_starve_a_small_run() -> None:
    sweep = [Waiting(n, 1, START, 60.0) for n in range(500)]
    small = Waiting(1000, 2, START + timedelta(hours=1), 60.0)
    assert [one.run for one in in_order([*sweep, small], {})].index(1000) == 1
    # also where the small one's people have computed for a week and the others never
    assert [one.run for one in in_order([*sweep, small], {2: 600_000.0})].index(1000) == 1


def test_who_has_long_runs_gets_fewer_of_them() -> None:
    long = [Waiting(n, 1, START, 600.0) for n in range(10)]
    short = [Waiting(100 + n, 2, START, 60.0) for n in range(100)]
    first = list(in_order([*long, *short], {}))[:44]
    assert Counter(one.namespace for one in first) == {1: 4, 2: 40}


def test_who_computed_more_lately_goes_second() -> None:
    queue = [Waiting(0, 1, START, 60.0), Waiting(1, 2, START + timedelta(seconds=9), 60.0)]
    assert [one.namespace for one in in_order(queue, {})] == [1, 2]
    assert [one.namespace for one in in_order(queue, {1: 10.0})] == [2, 1]


def test_a_namespace_at_its_limit_is_left_out_but_may_measure() -> None:
    queue = [Waiting(n, 1, START, 60.0) for n in range(4)] + [Waiting(9, 2, START, 60.0)]
    measured = Waiting(8, 1, START, 5.0, is_preflight=True)
    order = [one.run for one in in_order([*queue, measured], {}, {1: 2})]
    assert order == [8, 9, 0, 1]
    assert [one.run for one in in_order([*queue, measured], {}, {1: 0})] == [8, 9]


# --- when


def test_two_workers_take_the_queue_between_them() -> None:
    queue = [Waiting(n, 1, START, 60.0) for n in range(4)]
    assert list(starts(queue, [Slot(0.0), Slot(45.0)])) == [0.0, 45.0, 60.0, 105.0]


def test_nobody_can_tell_without_workers_or_lengths() -> None:
    queue = [Waiting(0, 1, START, None), Waiting(1, 1, START, 60.0)]
    assert list(starts(queue, [])) == [None, None]
    assert list(starts(queue, [Slot(None)])) == [None, None]
    assert list(starts(queue, [Slot(5.0)])) == [5.0, None]
    assert list(starts(queue, [Slot(5.0), Slot(30.0)])) == [5.0, 30.0]
    assert queue[0].seconds == UNKNOWN_SECONDS


def test_a_worker_of_ones_own_takes_ones_own_runs_only() -> None:
    queue = [Waiting(0, 1, START, 60.0), Waiting(1, 2, START, 60.0), Waiting(2, 2, START, 60.0)]
    assert list(starts(queue, [Slot(0.0, only=2)])) == [None, 0.0, 60.0]
