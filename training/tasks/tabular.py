"""A number or a class for every row of a table: MLP with numerical embeddings, FT-Transformer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from training import objectives
from training.device import reproducible
from training.errors import UserError
from training.measures.drawings import scatter_of
from training.measures.errors import error_intervals
from training.recipe import Recipe
from training.reporting import Reporter
from training.tabular.judging import (
    ClassTask,
    NumberTask,
    number_measures,
    quantile_measures,
)
from training.tabular.loading import TabularModel, load_tabular
from training.tabular.preparing import prepare_table
from training.tabular.reading import class_names, read_file
from training.tabular.rows import Splits, read_split, table_data
from training.tabular.targets import (
    ClassTarget,
    NumberTarget,
    Target,
    class_places,
    fit_classes,
    read_classes,
    read_numbers,
    skewness,
)
from training.tasks.base import Measured, Plan, Prepared, Task
from training.tasks.reports import class_report

RESAMPLES = 1000
SKEWED = 1.0


class TabularKind:
    """What both kinds share: the net, its files, answers to single rows."""

    pipeline_tag = ""
    library = "tuneyard"
    example = "rows.csv"

    def predict(self, model_dir: Path, given: str) -> list[Any]:
        """An answer a row: a number, quantiles by level, or `[{label, score}]` (of a single row: that list).

        `given`: a CSV, JSON-lines or Parquet file, or a row as a JSON object.
        """
        model = self._model(model_dir)
        if given.lstrip().startswith(("{", "[")):
            answers = model.predict(_rows(given))
        else:
            answers = model.answers(read_file(Path(given)))
        one = len(answers) == 1 and isinstance(answers[0], list)
        return answers[0] if one else answers

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        row = repr(config.get("example") or {})
        return f"""# No stock library loads a table model with its preprocessing: this one is Tuneyard's own,
# and needs torch and safetensors only.
from huggingface_hub import snapshot_download
from training.tabular.loading import load_tabular

model = load_tabular(snapshot_download("{repo}"))
print(model.predict([{row}]))"""

    def _model(self, model_dir: Path) -> TabularModel:
        model = load_tabular(model_dir)
        if model.task != self.pipeline_tag:
            text = f"The model was made for the task {model.task[:60]!r}, not for {self.pipeline_tag}."
            raise UserError("model:wrong-kind", text)
        return model


class TabularRegression(TabularKind):
    """A number a row, learned on the scale of `dataset.target_transform`, measured in its own unit."""

    pipeline_tag = "tabular-regression"

    def prepare(self, plan: Plan) -> Prepared:
        data, splits = table_data(plan.recipe), Splits(plan, by_class=False)
        name, log = data.target_column, data.target_transform == "log"
        values = [read_numbers(table, name, log=log) for table in splits.both]
        quantiles = objectives.quantile_levels(plan.recipe)
        target: Target = NumberTarget.fit(name, values[0], data.target_transform, quantiles)
        if data.target_transform == "standardize" and values[0].min() > 0 and skewness(values[0]) > SKEWED:
            text = f"{name!r} is skewed to large values: dataset.target_transform log may learn it better."
            plan.reporter.log(text)

        def learned(kept: Target) -> list[Tensor]:
            assert isinstance(kept, NumberTarget)
            return [kept.to_learn(part) for part in values]

        loss = objectives.of_numbers(plan.recipe)
        return prepare_table(plan, splits, target, learned, lambda kept: NumberTask(kept, loss))

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        """R² with its bootstrap interval; rmse and mae in the target's unit."""
        model, table = self._model(model_dir), read_split(data_dir, split, table_data(recipe))
        target = model.preprocessing.target
        assert isinstance(target, NumberTarget)  # its task says so, and loading checked it
        truth = read_numbers(table, table_data(recipe).target_column, log=target.log)
        reporter.check()
        with reproducible(0, True):
            outputs = model.outputs(table)
        guess = target.restore(target.point(outputs))
        found = {**number_measures(target, truth, guess), **quantile_measures(target, truth, outputs)}
        bounds = error_intervals(truth, guess, found, resamples=RESAMPLES)
        lo, hi = bounds.pop("r2")
        tables = {"scatter": scatter_of(truth, guess)}
        return Measured(
            table.rows, "r2", found["r2"], lo, hi, found, tables, intervals=bounds, told=(truth, guess)
        )


class TabularClassification(TabularKind):
    """A class a row: softmax cross-entropy."""

    pipeline_tag = "tabular-classification"

    def prepare(self, plan: Plan) -> Prepared:
        data, splits = table_data(plan.recipe), Splits(plan, by_class=True)
        name = data.target_column
        declared = class_names(splits.train, plan.data_dir, name)
        found = [read_classes(table, name, declared) for table in splits.both]
        target = fit_classes(name, found[0], declared)
        plan.reporter.log(f"{len(target.classes):,} classes")

        def learned(kept: Target) -> list[Tensor]:
            assert isinstance(kept, ClassTarget)
            pairs = zip(found, splits.both, strict=True)
            return [class_places(kept, names, table) for names, table in pairs]

        def task(kept: Target) -> Task:
            assert isinstance(kept, ClassTarget)
            return ClassTask(list(kept.classes), plan.recipe.optim.label_smoothing)

        return prepare_table(plan, splits, target, learned, task)

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Measured:
        """Accuracy with its Wilson interval. Rows of a class that the model does not know count as wrong."""
        model, data = self._model(model_dir), table_data(recipe)
        table = read_split(data_dir, split, data)
        target = model.preprocessing.target
        assert isinstance(target, ClassTarget)
        names = read_classes(table, data.target_column, class_names(table, data_dir, data.target_column))
        labels = _known_first(target, names, split)
        reporter.check()
        with reproducible(0, True):
            outputs = model.outputs(table)
        place = {label: index for index, label in enumerate(labels)}
        return class_report(outputs, np.array([place[name] for name in names]), labels, len(target.classes))


def _known_first(target: ClassTarget, found: list[str], split: str) -> list[str]:
    """The model's classes, then those only the split has. Raises `UserError` where none is shared."""
    known = set(target.classes)
    if known.isdisjoint(found):
        ours, theirs = ", ".join(target.classes[:5]), ", ".join(sorted(set(found))[:5])
        text = f"The model tells {ours} apart, the split {split!r} holds {theirs}: no class in common."
        raise UserError("data:labels-mismatch", text[:400])
    return [*target.classes, *sorted(set(found) - known)]


def _rows(given: str) -> list[dict[str, Any]]:
    try:
        plain = json.loads(given)
    except (ValueError, RecursionError):
        plain = None
    rows = plain if isinstance(plain, list) else [plain]
    if not all(isinstance(row, dict) for row in rows):
        text = (
            "A row is a JSON object of columns and cells, or the path of a CSV, JSON-lines or Parquet file."
        )
        raise UserError("predict:bad-row", text)
    return rows
