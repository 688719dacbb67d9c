"""What a recommender is taught and judged by: ratings in their own unit, or the order of unseen items."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.losses import Loss
from training.measures import ranking, regression
from training.tasks.base import StepResult

PLACES = 10


class RatingTask:
    """Learned as they are; measured inside the range of the training ratings, `low` to `high`."""

    metric = "rmse"
    higher_is_better = counts_hits = is_softmax = False

    def __init__(self, loss: Loss, low: float, high: float) -> None:
        self.loss, self.low, self.high, self.labels = loss, low, high, list[str]()

    def step(self, learner: nn.Module, inputs: Any, targets: Tensor) -> StepResult:
        scores = in_fp32(learner, inputs)[:, 0]
        return StepResult(self.loss(scores, targets), scores)

    def measure(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """loss, rmse, mae from scores [n, 1] and ratings [n]."""
        parts, goals = zip(*pairs, strict=True)
        scores, targets = torch.cat(parts)[:, 0], torch.cat(goals)
        loss = float(self.loss(scores, targets))
        if not np.isfinite(loss):
            return {"loss": loss, "rmse": loss}
        truth, guess = targets.double().numpy(), scores.double().clamp(self.low, self.high).numpy()
        return {"loss": loss, "rmse": regression.rmse(truth, guess), "mae": regression.mae(truth, guess)}


class RankingTask:
    """`bpr` (Rendle et al., 2009): every item met above one that was not. `softmax`: it among the drawn ones.

    Validation is on all items that the user has not seen, whatever was drawn while learning.
    """

    higher_is_better = True
    counts_hits = is_softmax = False

    def __init__(self, objective: str, items: int) -> None:
        self.objective, self.labels = objective, list[str]()
        self.places = min(PLACES, items)
        self.metric = f"ndcg@{self.places}"

    def step(self, learner: nn.Module, inputs: Any, targets: Tensor) -> StepResult:
        scores = in_fp32(learner, inputs)
        if self.objective == "bpr":
            return StepResult(F.softplus(scores[:, 1:] - scores[:, :1]).mean(), scores)
        return StepResult(F.cross_entropy(scores, targets), scores)

    def measure(self, pairs: Iterable[tuple[Tensor, dict[str, Tensor]]]) -> dict[str, float]:
        """loss: mean -log share of a held-out item among the unseen ones; recall, precision, NDCG, MAP and
        hit rate at 10, and MRR, over all unseen items."""
        hits, totals, losses = [], [], []
        for scores, targets in pairs:
            if not bool(scores.isfinite().all()):
                return {"loss": float("nan"), self.metric: float("nan")}
            losses.append(_losses(scores, targets))
            found, total = hits_and_totals(scores, targets)
            hits.append(found)
            totals.append(total)
        loss = float(torch.cat(losses).mean())
        return {"loss": loss, **ranking.summary(np.concatenate(hits), np.concatenate(totals), (self.places,))}


def hits_and_totals(scores: Tensor, targets: dict[str, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """bool [B, items], best item first, and how many each user has [B]; nothing is recommended twice."""
    ranked = ranking.rank(scores, scores.shape[1], seen=targets["seen"])
    relevant = targets["relevant"].numpy()
    found = np.take_along_axis(relevant, np.maximum(ranked, 0), axis=1) & (ranked >= 0)
    return found, relevant.sum(1) + targets["missed"].numpy()


def in_fp32(learner: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    """Nets this small gain nothing from bf16."""
    with torch.autocast(inputs["users"].device.type, enabled=False):
        found: Tensor = learner(inputs)
    return found


def _losses(scores: Tensor, targets: dict[str, Tensor]) -> Tensor:
    logs = scores.masked_fill(targets["seen"], -torch.inf).log_softmax(1)
    return -logs[targets["relevant"]]
