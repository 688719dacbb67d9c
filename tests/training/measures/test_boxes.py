"""Detections and masks: numbers pinned from pycocotools, and scikit-learn and torchvision on random input."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from torchvision.ops import box_iou

from tests.training.measures import examples
from tests.training.measures.pin import PINS
from training.errors import UserError
from training.measures import boxes as measure
from training.measures import masks

PINNED = json.loads(PINS.read_text())["boxes"]
NOTHING = measure.Detections([], [], [])


def sides(scene: list[Any]) -> tuple[list[measure.Objects], list[measure.Detections]]:
    return (
        [measure.Objects(one["boxes"], one["labels"]) for one in scene],
        [measure.Detections(one["found"], one["found_labels"], one["scores"]) for one in scene],
    )


@pytest.mark.parametrize("seed", range(len(PINNED)))
def test_precision_is_that_of_pycocotools(seed: int) -> None:
    found = measure.mean_average_precision(*sides(examples.scene(seed)), classes=4)
    pinned = PINNED[seed]
    ours = {"ap": found.ap, "ap50": found.ap50, "ap75": found.ap75, "recall": found.recall}
    assert ours == pytest.approx({name: pinned[name] for name in ours}, abs=1e-12)
    # pycocotools says −1 of a class without objects.
    assert np.nan_to_num(found.per_class, nan=-1).tolist() == pytest.approx(pinned["per_class"], abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_overlaps_are_those_of_torchvision(seed: int) -> None:
    generator = np.random.default_rng(seed)
    corners = generator.random((2, 9, 4)) * 50
    boxes = np.concatenate([corners[..., :2], corners[..., :2] + corners[..., 2:]], axis=2)
    wanted = box_iou(*map(torch.tensor, boxes)).numpy()
    np.testing.assert_allclose(measure.box_iou(*boxes), wanted, atol=1e-12)


def test_perfect_detections_and_none() -> None:
    box = [[0, 0, 10, 10]]
    perfect = measure.mean_average_precision(
        [measure.Objects(box, [1])], [measure.Detections(box, [1], [0.3])], classes=2
    )
    assert (perfect.ap, perfect.ap50, perfect.ap75, perfect.recall) == pytest.approx((1, 1, 1, 1))
    missed = measure.mean_average_precision([measure.Objects(box, [1])], [NOTHING], classes=2)
    assert (missed.ap, missed.recall) == (0, 0)
    empty = measure.mean_average_precision([measure.Objects([], [])], [NOTHING], classes=2)
    assert math.isnan(empty.ap)
    assert math.isnan(empty.recall)
    assert measure.box_iou([[1, 1, 1, 1]], [[1, 1, 1, 1]]) == 0.0


def test_an_object_is_found_once() -> None:
    box = [0, 0, 10, 10]
    twice = measure.Detections([box, box], [0, 0], [0.9, 0.8])
    objects = measure.Objects([box, [50, 50, 60, 60]], [0, 0])
    # Precision 1 up to recall 0.5, which 51 of the 101 points reach.
    found = measure.mean_average_precision([objects], [twice], classes=1)
    assert found.ap == pytest.approx(51 / 101)
    assert found.recall == 0.5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_measures_of_masks_agree_with_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth, guess = generator.integers(0, 4, (2, 3, 8, 9), dtype=np.uint8)
    truth[generator.random(truth.shape) < 0.2] = 255
    matrix = sum(masks.pixel_confusion(*pair, classes=5) for pair in zip(truth, guess, strict=True))
    assert isinstance(matrix, np.ndarray)
    flat = truth[truth != 255], guess[truth != 255]
    assert masks.mean_iou(matrix) == pytest.approx(sk.jaccard_score(*flat, average="macro"))
    assert masks.dice(matrix) == pytest.approx(sk.f1_score(*flat, average="macro"))
    assert masks.pixel_accuracy(matrix) == pytest.approx(sk.accuracy_score(*flat))
    assert math.isnan(masks.per_class_iou(matrix)[4])
    assert masks.summary(matrix)["mean_iou"] == masks.mean_iou(matrix)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: measure.mean_average_precision([], [], 2), "no rows"),
        (lambda: measure.mean_average_precision([], [NOTHING], 2), "0 and 1 images"),
        (lambda: measure.box_iou([[0, 0, 1, math.nan]], [[0, 0, 1, 1]]), "NaN"),
        (lambda: measure.box_iou([[0, 0, 1]], [[0, 0, 1, 1]]), "shape 1 × 3; it must be any × 4"),
        (lambda: measure.box_iou([[0, 0, 1, 1], [5, 0, 1, 1]], []), "Box 2 ends before it begins"),
        (
            lambda: measure.mean_average_precision([measure.Objects([[0, 0, 1, 1]], [2])], [NOTHING], 2),
            "objects in image 1 hold class 2",
        ),
        (
            lambda: measure.mean_average_precision([measure.Objects([], [1])], [NOTHING], 2),
            "objects in image 1 have the shape 1; it must be 0",
        ),
        (
            lambda: measure.mean_average_precision(
                [measure.Objects([], [])], [measure.Detections([[0, 0, 1, 1]], [0], [math.nan])], 2
            ),
            "scores in image 1 hold NaN",
        ),
        (lambda: masks.pixel_confusion(np.zeros((2, 2), int), np.zeros((2, 3), int), 2), "must be the same"),
        (lambda: masks.pixel_confusion([[0.5]], [[0.0]], 2), "whole numbers"),
        (lambda: masks.pixel_confusion([[2]], [[0]], 2), "true mask holds class 2"),
        (lambda: masks.pixel_confusion([[1]], [[-1]], 2), "predicted mask holds class -1"),
        (lambda: masks.mean_iou(np.zeros((2, 2), np.int64)), "no rows"),
    ],
)
def test_bad_input_is_told_in_a_sentence(call: Callable[[], object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        call()


@pytest.mark.parametrize("seed", [0, 3])
def test_the_interval_is_that_of_images_drawn_again(seed: int) -> None:
    """What matches what is found once; the plain way measures every draw anew."""
    truths, found = sides(examples.scene(seed))
    generator, plain = np.random.default_rng(7), []
    for _ in range(100):
        rows = generator.integers(len(truths), size=len(truths))
        # Drawn rows in the order of the images: equal scores then stand as they do where images are counted.
        drawn = [[one[row] for row in sorted(rows)] for one in (truths, found)]
        plain.append(measure.mean_average_precision(*drawn, classes=4).ap)
    kept = [value for value in plain if not math.isnan(value)]
    wanted = np.quantile(kept, (0.025, 0.975)).tolist()
    assert measure.map_interval(truths, found, 4, resamples=100, seed=7) == pytest.approx(wanted, abs=1e-12)


def test_without_objects_there_is_no_interval() -> None:
    low, high = measure.map_interval([measure.Objects([], [])], [NOTHING], 2)
    assert math.isnan(low)
    assert math.isnan(high)
