"""The next steps of a series, with quantiles: traffic, air, energy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training import learning
from training.device import pick_device, reproducible
from training.errors import UserError
from training.learning import Network
from training.losses import Loss, make_loss
from training.recipe import Recipe, SeriesData
from training.reporting import Reporter
from training.series.examples import ENOUGH_WINDOWS, WindowExamples, to_features
from training.series.forecast import forecast
from training.series.fracast import Fracast
from training.series.opening import open_net, quantiles_of
from training.series.published import Forecasting, load_forecaster, save_forecaster
from training.series.published import usage as usage_of
from training.series.reading import Panel, read_panel
from training.series.rows import Columns
from training.series.scoring import Scores, collect
from training.series.windows import Windows, cut, fit_scaler, make_windows, rolling_stride, scaler_for
from training.splits import parquet_files, table_file
from training.tasks.base import Examples, Measured, Plan, Prepared, StepResult

Batch = dict[str, Tensor]
EVAL_BATCH = 64


class TimeSeriesForecasting:
    """The kind: what `task_kind` answers."""

    pipeline_tag, library = "time-series-forecasting", "tuneyard"
    example = '{"history": [1.5, 2.0, 1.7], "start": "2024-05-01 13:00"}'

    def prepare(self, plan: Plan) -> Prepared:
        recipe, data = plan.recipe, series_data(plan.recipe)
        quantiles = quantiles_of(recipe, data)
        before = [data.train_split] if data.validation_split else []
        panel = read_panel(
            plan.data_dir,
            data.validation_split or data.train_split,
            columns_of(data),
            before=before,
            fill_limit=data.max_gap,
            log=plan.reporter.log,
        )
        net, kind, shape = open_net(recipe, data, plan.base_dir)
        border = panel.begins if data.validation_split else cut(panel, data.validation_fraction)
        learnt, held = _windows(panel, data, border, padded=kind == "fracast")
        scaler = fit_scaler(panel, data.season, border)
        about = Forecasting(
            kind=kind,
            columns=panel.columns,
            grid=panel.grid,
            context=data.context,
            horizon=data.horizon,
            quantiles=quantiles,
            season=data.season,
            max_gap=data.max_gap,
            instance_norm=kind == "fracast" or data.scaling == "instance",
            series=panel.names,
            scaler=scaler,
            shape=shape,
        )
        tell_windows(plan.reporter, panel, learnt, held)
        return _prepared(plan, net, about, WindowExamples(learnt, scaler), WindowExamples(held, scaler))

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        """Rolling forecasts over the whole split, one after the other without overlap.

        Histories reach back into the splits that the recipe learned from, where the data set has them.
        """
        net, about = load_forecaster(model_dir)
        data = series_data(recipe)
        before = _earlier_splits(data_dir, split, data)
        columns = _columns_for(about, data)
        panel = read_panel(
            data_dir, split, columns, before=before, fill_limit=about.max_gap, log=reporter.log
        )
        if panel.grid != about.grid:
            text = f"The model forecasts steps of {about.grid.period}, the split {split!r} has steps of"
            raise UserError("data:other-grid", f"{text} {panel.grid.period}.")
        windows = make_windows(
            panel,
            about.context,
            about.horizon,
            first=panel.begins,
            stride=rolling_stride(about.horizon, about.season),
            padded=about.takes_holes,
        )
        if not len(windows):
            raise UserError("data:too-short", _too_short(split, about.context, about.horizon))
        scaler = scaler_for(about.scaler, about.series, panel, about.season, strict=not about.instance_norm)
        scores = score(net, WindowExamples(windows, scaler), about, reporter)
        found, (low, high) = scores.metrics(), scores.interval()
        tables = {"by_step": scores.by_step()}
        return Measured(len(windows), "mase", found["mase"], low, high, found, tables)

    def predict(self, model_dir: Path, given: str) -> dict[str, Any]:
        """`given`: a JSON object, or the path of one, with `history` and what `forecast` describes."""
        net, about = load_forecaster(model_dir)
        return forecast(net, about, given)

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        return usage_of(repo, config)


class ForecastTask:
    """Losses are in units of each track's spread, so that series of all sizes count alike."""

    metric, higher_is_better = "mase", False
    counts_hits = is_softmax = False

    def __init__(self, loss: Loss, quantiles: tuple[float, ...]) -> None:
        self.labels: list[str] = []
        self.loss, self.quantiles = loss, quantiles

    def step(self, learner: nn.Module, inputs: Batch, targets: Batch) -> StepResult:
        output = learner(inputs)
        return StepResult(self._loss(output, targets), output, weight=targets["observed"].sum())

    def measure(self, pairs: Iterable[tuple[Tensor, Batch]]) -> dict[str, float]:
        """`loss` and what `Scores` tells; outputs [B, horizon, outputs], targets as `WindowExamples`."""
        kept = list(pairs)
        counts = [float(targets["observed"].sum()) for _, targets in kept]
        losses = [float(self._loss(output, targets)) for output, targets in kept]
        mean = sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)
        return {"loss": mean, **collect(kept, self.quantiles).metrics()}

    def _loss(self, output: Tensor, targets: Batch) -> Tensor:
        """Over measured values alone."""
        measured = targets["observed"]
        seen = output[measured]
        return self.loss(seen if self.quantiles else seen[:, 0], targets["values"][measured])


def score(net: nn.Module, examples: WindowExamples, about: Forecasting, reporter: Reporter) -> Scores:
    """Forecast every window and collect the errors, in the series' own units."""
    device = pick_device()
    net = net.to(device).eval()
    pairs = []
    with reproducible(0, True), torch.inference_mode():
        for rows in torch.arange(len(examples)).split(EVAL_BATCH):
            reporter.check()
            inputs, targets = examples.take(rows, device)
            cpu = {name: tensor.cpu() for name, tensor in targets.items()}
            pairs.append((net(inputs).float().cpu(), cpu))
    return collect(pairs, about.quantiles)


def series_data(recipe: Recipe) -> SeriesData:
    """The recipe's data set as this task has it."""
    assert isinstance(recipe.dataset, SeriesData)  # the recipe's task decides its class
    return recipe.dataset


def columns_of(data: SeriesData) -> Columns:
    known, past = data.known_columns or (), data.past_columns or ()
    return Columns(data.time_column, data.target_columns, data.series_column, known, past)


def tell_windows(reporter: Reporter, panel: Panel, learnt: Windows, held: Windows) -> None:
    what = f"{len(panel.bounds):,} series of {panel.grid.period}, {len(panel):,} steps"
    reporter.log(f"{what}: {len(learnt):,} windows to learn from, {len(held):,} to validate")


def _prepared(
    plan: Plan, net: nn.Module, about: Forecasting, learnt: WindowExamples, held: WindowExamples
) -> Prepared:
    stages: Any = net.stages
    network = Network(net, "head", stages())
    learning_stages = learning.freeze(network, plan.recipe.strategy)
    net.to(plan.device)
    levels = about.quantiles
    kind = "quantile" if levels else plan.recipe.loss.kind
    task = ForecastTask(make_loss(kind, delta=plan.recipe.loss.delta, levels=levels or (0.5,)), levels)
    learner: nn.Module = net
    train: Examples = learnt
    val: Examples | None = held if len(held) else None
    if isinstance(net, Fracast) and plan.recipe.strategy.kind == "head":
        plan.reporter.stage("features")
        learner = net.head

        def features(examples: WindowExamples) -> Examples:
            check = plan.reporter.check

            def load(some: list[int]) -> Examples:
                return to_features(net, examples.pick(some), plan.cache_dir, plan.device, check)

            return plan.load(list(range(len(examples))), load, at_most=ENOUGH_WINDOWS)

        train, val = features(learnt), features(held) if len(held) else None

    def save(model_dir: Path) -> None:
        save_forecaster(network, about, model_dir, base_dir=plan.base_dir)

    return Prepared(network, learner, learning_stages, task, train, val, plan.device, save)


def _windows(panel: Panel, data: SeriesData, border: list[int], *, padded: bool) -> tuple[Windows, Windows]:
    """To learn from: all that ends before `border`; to validate: all that begins there, side by side."""
    context, horizon = data.context, data.horizon
    learnt = make_windows(panel, context, horizon, last=border, stride=data.stride, padded=padded)
    learnt = learnt.thin(data.max_train_windows)
    stride = rolling_stride(horizon, data.season)
    held = make_windows(panel, context, horizon, first=border, stride=stride, padded=padded)
    if not len(learnt):
        raise UserError("data:too-short", _too_short(data.train_split, context, horizon))
    asked = data.validation_split is not None or data.validation_fraction > 0
    if asked and not len(held):
        text = (
            f"The part held out to validate is shorter than dataset.horizon, {horizon} steps, or unmeasured"
        )
        raise UserError("data:too-short", f"{text}; hold out more, or set dataset.validation_fraction to 0.")
    return learnt, held


def _too_short(split: str, context: int, horizon: int) -> str:
    need = f"{context} steps of history and {horizon} to forecast in one piece"
    return (
        f"No series of the split {split!r} has {need}; choose a smaller dataset.context or dataset.max_gap."
    )


def _earlier_splits(data_dir: Path, split: str, data: SeriesData) -> list[str]:
    names = dict.fromkeys([data.train_split, data.validation_split or "validation"])
    order = [name for name in names if parquet_files(data_dir, name) or table_file(data_dir, name, ("csv",))]
    return order[: order.index(split)] if split in order else order


def _columns_for(about: Forecasting, data: SeriesData) -> Columns:
    """The recipe's columns; the model's own where the recipe only has the defaults."""
    plain = SeriesData(repo=data.repo)
    named = columns_of(data)
    if named == columns_of(plain):
        return about.columns
    ours = (len(about.columns.targets), len(about.columns.known), len(about.columns.past))
    if ours != (len(named.targets), len(named.known), len(named.past)):
        text = (
            f"The model reads {ours[0]} target, {ours[1]} known and {ours[2]} past columns; the recipe names"
        )
        raise UserError(
            "data:bad-columns", f"{text} {len(named.targets)}, {len(named.known)}, {len(named.past)}."
        )
    return named
