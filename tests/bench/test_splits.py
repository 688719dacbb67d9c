"""Splits: nothing lost, nothing twice, the same for ever."""

from __future__ import annotations

from collections import Counter

from bench.assets.emoji import families
from bench.assets.pictures import by_block, neighbours
from bench.assets.ratings import by_time
from bench.assets.splits import (
    Rows,
    grouped_split,
    hold_out,
    ordered_split,
    random_split,
    shuffled,
    stratified_split,
)


def _whole(splits: Rows, count: int) -> None:
    assert sorted(row for rows in splits.values() for row in rows) == list(range(count))


def test_random_splits_hold_every_row_once_in_their_shares() -> None:
    splits = random_split(1000)
    _whole(splits, 1000)
    assert {name: len(rows) for name, rows in splits.items()} == {
        "train": 700,
        "validation": 100,
        "test": 200,
    }
    assert random_split(1000, seed=1) != splits


def test_the_order_is_that_of_the_hash_for_ever() -> None:
    # sha256 of "0:0", "0:1"…: whoever changes this changes every published split.
    assert shuffled(range(8)) == [7, 4, 3, 2, 6, 0, 5, 1]


def test_classes_keep_their_shares() -> None:
    labels = ["rare"] * 10 + ["common"] * 990
    splits = stratified_split(labels)
    _whole(splits, 1000)
    assert [sum(labels[row] == "rare" for row in rows) for rows in splits.values()] == [7, 1, 2]
    first = [labels[row] for row in splits["train"][:200]]
    assert 0 < first.count("common") < 201
    assert splits["train"] != sorted(splits["train"])


def test_groups_are_never_torn_apart() -> None:
    groups = [row // 4 for row in range(400)]
    splits = grouped_split(groups)
    _whole(splits, 400)
    homes = {name: {groups[row] for row in rows} for name, rows in splits.items()}
    assert not homes["train"] & homes["test"]
    assert not homes["train"] & homes["validation"]
    assert not homes["validation"] & homes["test"]
    assert [len(rows) for rows in splits.values()] == [280, 40, 80]


def test_ordered_splits_follow_each_other() -> None:
    splits = ordered_split(10)
    assert splits == {"train": list(range(7)), "validation": [7], "test": [8, 9]}


def test_what_is_held_out_is_not_kept() -> None:
    kept, held = hold_out(range(100, 200), 0.1)
    assert len(held) == 10
    assert sorted(kept + held) == list(range(100, 200))


def test_each_persons_last_ratings_are_the_test() -> None:
    keys = [(user, 1000 - row, row) for user in (1, 2) for row in range(10)]
    splits = by_time(keys)
    _whole(splits, 20)
    for user in (1, 2):
        times = {
            name: [keys[row][1] for row in rows if keys[row][0] == user] for name, rows in splits.items()
        }
        assert [len(times[name]) for name in ("train", "validation", "test")] == [7, 1, 2]
        assert max(times["train"]) < min(times["validation"]) <= max(times["validation"]) < min(times["test"])


def test_blocks_of_neighbours_end_where_the_kind_changes() -> None:
    kinds = ["a"] * 5 + ["b"] * 2 + ["a"] * 3
    assert neighbours(kinds, 3) == [0, 0, 0, 1, 1, 2, 2, 3, 3, 3]


def test_blocks_stay_whole_and_kinds_in_their_shares() -> None:
    blocks = [row // 10 for row in range(1000)]
    kinds = ["a" if row < 500 else "b" for row in range(1000)]
    wrong = [int(row // 10 % 2) for row in range(1000)]
    splits = by_block(blocks, kinds, wrong)
    _whole(splits, 1000)
    assert Counter(
        len({name for name, rows in splits.items() if block in {blocks[r] for r in rows}})
        for block in range(100)
    ) == {1: 100}
    for rows in splits.values():
        assert Counter(kinds[row] for row in rows) == {"a": len(rows) / 2, "b": len(rows) / 2}
        assert 0.3 <= sum(wrong[row] for row in rows) / len(rows) <= 0.7


def test_emoji_of_one_family_stay_together() -> None:
    names = [
        f"{who} {deed}" for deed in ("running", "rowing", "singing", "cooking") for who in ("MAN", "WOMAN")
    ]
    splits = families(names, ["People"] * 8)
    _whole(splits, 8)
    for rows in splits.values():
        deeds = Counter(names[row].split()[1] for row in rows)
        assert set(deeds.values()) <= {2}
