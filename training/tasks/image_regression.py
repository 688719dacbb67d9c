"""A number per image: a price, a count, a probability. Learned standardised, told in its own unit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training.errors import UserError
from training.evaluate import outputs_on
from training.imageruns import ImageRun, image_data
from training.imagetargets import Numbers, read_numbers
from training.imageusage import usage_of
from training.losses import Loss
from training.measures import regression
from training.measures.checks import defined
from training.measures.drawings import scatter_of
from training.measures.errors import error_intervals
from training.model import load_network
from training.objectives import of_numbers, quantile_levels
from training.predict import Predictor
from training.recipe import Recipe
from training.reporting import Reporter
from training.spec import NUMBER, Scale
from training.tasks.base import Measured, Plan, Prepared, StepResult

RESAMPLES = 1000
MEASURES = (regression.rmse, regression.mae, regression.r2, regression.spearman)
# fp32 keeps seven digits: of targets that differ by less, the outputs would be noise.
LEAST_SPREAD = 1e-5


class ImageRegression:
    """The kind. The hub's official pipeline tags have none for numbers from images; this is the nearest."""

    pipeline_tag, library, example = "image-classification", "timm", "photo.png"

    def prepare(self, plan: Plan) -> Prepared:
        column = image_data(plan.recipe).label_column
        run = ImageRun(plan, lambda name: _read(plan.data_dir, name, plan.recipe), lambda held, train: held)
        values = run.split.values[run.rows]
        scale = scale_of(values, column)
        run.tell(f"{column} from {values.min():g} to {values.max():g}")
        levels = quantile_levels(plan.recipe)
        task = ScalarTask(scale, of_numbers(plan.recipe), levels)
        labels = [f"{column}, quantile {level:g}" for level in levels] or [column]

        def targets(split: Numbers, rows: list[int]) -> Tensor:
            return torch.from_numpy((split.values[rows] - scale.mean) / scale.std).float()

        return run.prepared(task, targets, labels, problem=NUMBER, scale=scale, quantiles=levels)

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        """R², or RMSE where the split's numbers are all equal, with its bootstrap interval.

        Of a model that tells quantiles, the median counts; `pinball` and `coverage` judge all of them.
        """
        network = load_network(model_dir, NUMBER)
        found = _read(data_dir, split, recipe)
        outputs, levels = outputs_on(network, found, reporter).double().numpy(), network.spec.quantiles
        told = outputs[:, point_of(levels)]
        scores = {**scores_of(found.values, told), **quantile_scores(found.values, outputs, levels)}
        metric = "r2" if "r2" in scores else "rmse"
        reporter.check()
        bounds = error_intervals(found.values, told, scores, resamples=RESAMPLES)
        lo, hi = bounds.pop(metric)
        pair, tables = (found.values, told), {"scatter": scatter_of(found.values, told)}
        return Measured(
            len(found), metric, scores[metric], lo, hi, scores, tables, intervals=bounds, told=pair
        )

    def predict(self, model_dir: Path, given: str) -> dict[str, Any]:
        """`{target, value}`, the value in the target's own unit; of a model that tells quantiles the median,
        and all of them by level, rising."""
        predictor = Predictor(model_dir, NUMBER)
        outputs, levels = predictor.outputs(Path(given)), predictor.spec.quantiles
        if not levels:
            return {"target": predictor.spec.labels[0], "value": float(outputs[0])}
        # Quantiles learned side by side may cross; sorted they are no worse (Chernozhukov et al. 2010).
        rising = dict(zip(map(str, levels), outputs.sort().values.tolist(), strict=True))
        target = predictor.spec.labels[0].rpartition(", quantile ")[0]
        return {"target": target, "value": rising["0.5"], "quantiles": rising}

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        """The published head gives numbers in their own unit: nothing is left to undo."""
        return usage_of(repo, config)


class ScalarTask:
    """Outputs [B, 1] and targets [B] are standardised; measures are in the target's own unit.

    With `quantiles` (rising, 0.5 among them) outputs are [B, quantiles], and the median is what is measured.

    `loss` counts while learning only: the loss that `measure` tells is always the mean squared error of the
    standardised numbers, so that validation losses of all recipes can be compared.
    """

    metric = "rmse"
    higher_is_better = counts_hits = is_softmax = False

    def __init__(self, scale: Scale, loss: Loss, quantiles: tuple[float, ...] = ()) -> None:
        self.scale, self.loss, self.quantiles = scale, loss, quantiles
        self.labels: list[str] = []

    def step(self, learner: nn.Module, inputs: Tensor, targets: Tensor) -> StepResult:
        outputs = learner(inputs)
        return StepResult(self.loss(outputs, targets), outputs)

    def measure(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """loss, rmse, mae, and r2 and spearman where they are defined; pinball and coverage of quantiles."""
        outputs, targets = zip(*pairs, strict=True)
        every, truth = torch.cat(outputs).double(), torch.cat(targets).double()
        told = every[:, point_of(self.quantiles)]
        loss = float(F.mse_loss(told, truth))
        if not np.isfinite(loss):
            return {"loss": loss, "rmse": loss}
        if not bool(every.isfinite().all()):
            # Of the other quantiles the loss says nothing.
            return {"loss": float("nan"), "rmse": float("nan")}
        values = self._in_units(truth)
        spread = quantile_scores(values, self._in_units(every), self.quantiles)
        return {"loss": loss, **scores_of(values, self._in_units(told)), **spread}

    def _in_units(self, standardised: Tensor) -> NDArray[np.float64]:
        found: NDArray[np.float64] = standardised.numpy() * self.scale.std + self.scale.mean
        return found


def scale_of(values: NDArray[np.float64], column: str) -> Scale:
    """Mean and deviation of the training part. `UserError` `data:constant-target` where nothing differs."""
    mean, std = float(values.mean()), float(values.std())
    if np.ptp(values) == 0:
        text = f"All training images have the same {column!r}, {mean:g}: there is nothing to learn."
        raise UserError("data:constant-target", text)
    if std < LEAST_SPREAD * abs(mean):
        text = f"The numbers in {column!r} differ by less than a hundred-thousandth of their size, {mean:g}; "
        raise UserError("data:constant-target", text + "subtract what they have in common first.")
    return Scale(mean, std)


def scores_of(truth: NDArray[np.float64], told: NDArray[np.float64]) -> dict[str, float]:
    """RMSE, MAE, R² and Spearman's correlation, without those that these rows leave undefined."""
    return defined({measure.__name__: measure(truth, told) for measure in MEASURES})


def point_of(quantiles: tuple[float, ...]) -> int:
    """Which output is the one number: the median, where there are quantiles."""
    return quantiles.index(0.5) if quantiles else 0


def quantile_scores(
    truth: NDArray[np.float64], outputs: NDArray[np.float64], quantiles: tuple[float, ...]
) -> dict[str, float]:
    """Of outputs [n, quantiles]: the pinball loss, mean over the levels, and the share of the truth [n] that
    the outermost two hold. Nothing where there are no quantiles."""
    if not quantiles:
        return {}
    bounds = np.sort(outputs, axis=1).T
    losses = [
        regression.pinball_loss(truth, told, level) for level, told in zip(quantiles, bounds, strict=True)
    ]
    return {
        "pinball": float(np.mean(losses)),
        "coverage": regression.coverage(truth, bounds[0], bounds[-1]),
    }


def _read(data_dir: Path, name: str, recipe: Recipe) -> Numbers:
    data = image_data(recipe)
    return read_numbers(data_dir, name, image_column=data.image_column, label_column=data.label_column)
