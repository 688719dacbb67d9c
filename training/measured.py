"""What each task is measured by, so that a benchmark that asks for something else is refused before a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CLASSES = (
    "accuracy", "macro_f1", "balanced_accuracy", "weighted_f1", "matthews", "log_loss", "brier",
    "calibration_error", "roc_auc", "average_precision",
)  # fmt: skip
_LIKELIHOOD = ("loss", "perplexity", "token_accuracy")
_WRITTEN = ("bleu", "chrf", "rouge1", "rouge2", "rougeL", "exact_match", "token_f1")
_RATINGS = ("rmse", "mae", "rmse_cold", "cold_rows")
# At 10 items, or at all where there are fewer.
_RANKS = (
    "mrr", "recall@10", "precision@10", "hit_rate@10", "ndcg@10", "map@10", "covered_items", "cold_users",
)  # fmt: skip
# Everything that the evaluation of a task may hold; some numbers need two classes or a learned logarithm.
METRICS: dict[str, tuple[str, ...]] = {
    "image-classification": ("accuracy", "macro_f1"),
    "image-multilabel": (
        "macro_f1", "micro_f1", "subset_accuracy", "hamming_loss", "mean_average_precision",
    ),
    "image-regression": ("r2", "rmse", "mae", "spearman", "pinball", "coverage"),
    "tabular-classification": _CLASSES,
    "tabular-regression": ("r2", "rmse", "mae", "rmse_log", "r2_log", "pinball", "coverage"),
    "time-series-forecasting": ("mase", "mae", "rmse", "wape", "wql", "coverage"),
    "text-classification": _CLASSES,
    "token-classification": (
        "f1", "macro_f1", "precision", "recall", "token_accuracy", "token_macro_f1", "words_behind_the_cut",
    ),
    "text-generation": (*_LIKELIHOOD, "exact_match", "token_f1", "chrf"),
    "translation": (*_LIKELIHOOD, *_WRITTEN),
    "summarization": (*_LIKELIHOOD, *_WRITTEN),
    "recommendation": (*_RATINGS, *_RANKS),
    "multimodal-classification": _CLASSES,
    "semantic-segmentation": ("mean_iou", "pixel_accuracy", "dice"),
    "object-detection": ("map", "map50", "map75", "recall"),
}  # fmt: skip


def metrics_of(task: str, dataset: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Names of what a run of this task can be measured by; empty for a task that is not in the table.

    `dataset`: the recipe's section, which decides whether a recommender tells ratings or ranks.
    """
    if task != "recommendation" or dataset is None:
        return METRICS.get(task, ())
    objective = dataset.get("objective", "auto")
    is_rating = objective == "rating" or (objective == "auto" and dataset.get("rating_column"))
    return _RATINGS if is_rating else _RANKS


def tasks_measuring(metric: str) -> list[str]:
    """Tasks whose runs can stand on a board of this metric."""
    return [task for task, names in METRICS.items() if metric in names]
