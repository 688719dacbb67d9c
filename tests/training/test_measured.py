"""The table of what tasks are measured by tells what the measuring functions really give."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training import measured
from training.language.measuring import likelihood
from training.measures import classification, masks, multilabel, ranking, text, tokens
from training.recipe import TASK_DATA
from training.recommend.judging import RatingTask
from training.series.scoring import Scores
from training.tasks import TASKS
from training.tasks.image_regression import scores_of

TRUTH, SHARES = np.array([0, 1, 1]), np.array([[0.7, 0.3], [0.2, 0.8], [0.6, 0.4]])
GOALS, TOLD = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.5, 2.0])
MANY = np.array([[1, 0], [0, 1]])
HITS = np.array([[True] + [False] * 9])


def _forecasts() -> dict[str, float]:
    values, levels = np.array([[1.0, 2.0]]), (0.1, 0.5, 0.9)
    outputs = values[..., None] + np.array([-1.0, 0.5, 1.0])
    return Scores(values, np.ones((1, 2), bool), np.ones(1), outputs, levels).metrics()


FOUND = {
    "text-classification": lambda: classification.summary(TRUTH, SHARES),
    "tabular-classification": lambda: classification.summary(TRUTH, SHARES),
    "multimodal-classification": lambda: classification.summary(TRUTH, SHARES),
    "image-multilabel": lambda: multilabel.summary(MANY, MANY * 0.9),
    "image-regression": lambda: scores_of(GOALS, TOLD),
    "token-classification": lambda: tokens.summary([["B-a", "O"]], [["B-a", "O"]]),
    "translation": lambda: likelihood(torch.ones(2, 3)) | text.summary(["a b"], [["a b"]]),
    "summarization": lambda: likelihood(torch.ones(2, 3)) | text.summary(["a b"], [["a b"]]),
    "text-generation": lambda: likelihood(torch.ones(2, 3)),
    "time-series-forecasting": _forecasts,
    "semantic-segmentation": lambda: masks.summary(np.eye(2, dtype=np.int64)),
    "recommendation": lambda: ranking.summary(HITS, np.array([1])),
}


@pytest.mark.parametrize("task", FOUND)
def test_every_number_that_a_task_gives_is_in_the_table(task: str) -> None:
    assert set(FOUND[task]()) - set(measured.METRICS[task]) == set()


def test_the_table_knows_every_task() -> None:
    assert set(measured.METRICS) == set(TASK_DATA) == set(TASKS)


def test_what_early_stopping_watches_is_measured_too() -> None:
    assert RatingTask.metric in measured.metrics_of("recommendation", {"rating_column": "stars"})


def test_a_recommender_of_ratings_is_not_ranked() -> None:
    rating = measured.metrics_of("recommendation", {"objective": "auto", "rating_column": "stars"})
    ranks = measured.metrics_of("recommendation", {"objective": "softmax", "rating_column": "stars"})
    assert "rmse" in rating
    assert "ndcg@10" not in rating
    assert "ndcg@10" in ranks
    assert "rmse" not in ranks


def test_tasks_are_found_by_their_metric() -> None:
    assert measured.tasks_measuring("mase") == ["time-series-forecasting"]
    assert "image-classification" in measured.tasks_measuring("accuracy")
    assert measured.tasks_measuring("elo") == []
    assert measured.metrics_of("juggling") == ()
