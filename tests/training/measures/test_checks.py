"""What all measures share: light to import, and tensors taken as they come."""

from __future__ import annotations

import json
import math
import pkgutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from training import measures
from training.errors import UserError
from training.measures import boxes, checks, masks, ranking
from training.measures.intervals import bootstrap


def test_measures_need_numpy_only() -> None:
    """The pages draw plots where no torch is, and `validate` must stay quick."""
    names = [f"training.measures.{module.name}" for module in pkgutil.iter_modules(measures.__path__)]
    assert len(names) > 20
    heavy = ("torch", "scipy", "sklearn", "transformers", "matplotlib", "django")
    code = f"import sys, {', '.join(names)}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr[-2000:]


def test_tensors_are_taken_as_they_come() -> None:
    half = torch.tensor([[0, 0, 4, 4.0]], dtype=torch.bfloat16, requires_grad=True)
    assert boxes.box_iou(half, half).tolist() == [[1.0]]
    assert boxes.box_iou(torch.zeros(0, 4), half).shape == (0, 1)
    found = boxes.mean_average_precision(
        [boxes.Objects(half, torch.tensor([0]))], [boxes.Detections(half, torch.tensor([0]), half[0, 2:3])], 1
    )
    assert found.ap == pytest.approx(1)
    mask = torch.tensor([[0, 1]])
    assert masks.pixel_accuracy(masks.pixel_confusion(mask, mask, 2)) == 1.0
    hits, relevant = ranking.hits_of(torch.tensor([[3, -1]]), [[3]])
    assert ranking.mrr(hits, relevant) == 1.0
    assert bootstrap(np.mean, torch.tensor([1.0, 2.0], dtype=torch.bfloat16)).estimate == 1.5


def test_what_is_not_defined_is_left_out() -> None:
    found = checks.defined({"a": np.float64(1), "b": math.nan, "c": math.inf, "d": 0})
    assert json.dumps(found) == '{"a": 1.0, "d": 0.0}'


def test_half_precision_probabilities_are_no_mistake() -> None:
    shares = torch.randn(50, 7, generator=torch.Generator().manual_seed(0)).softmax(1).bfloat16()
    assert checks.distributions(shares, 50).shape == (50, 7)
    with pytest.raises(UserError, match="row 1 are negative"):
        checks.distributions([[1.5, -0.5]], 1)


def test_whole_numbers_may_come_as_floats() -> None:
    assert checks.indices([0.0, 2.0], "targets").tolist() == [0, 2]
    assert checks.binary([True, False], "targets").tolist() == [True, False]
