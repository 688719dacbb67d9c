"""The contract: what a fine-tuning run is, as data. The web process and the GPU box both read recipes here.

A recipe is `recipe.yaml` in a repo. It is checked whole and strictly, before anything is fetched or queued:
every number has bounds, every unknown field is refused, and all problems are told at once.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from training import remedies
from training.recipe_reading import MAX_TEXT_BYTES, Problem, RecipeError, load_yaml, read_section
from training.recipe_study import Range, StudySpec, corners, read_space, with_changes

__all__ = ["MAX_TEXT_BYTES", "Problem", "Recipe", "RecipeError", "dump_recipe", "parse_recipe"]

COMMAND = "python -m training finetune recipe.yaml --out ./out"


def _number(default: Any, **bounds: Any) -> Any:
    """Field with bounds: `above` (exclusive), `at_least`, `below` (exclusive), `at_most`."""
    return field(default=default, metadata=bounds)


def _choice(default: str, *choices: str) -> Any:
    return field(default=default, metadata={"choices": choices})


def _text(default: Any, limit: int = 200) -> Any:
    return field(default=default, metadata={"limit": limit})


def _required_text(limit: int = 200) -> Any:
    return field(metadata={"limit": limit})


@dataclass(frozen=True)
class BaseModelSpec:
    """`repo` is `namespace/name`, or a directory for the command line; `revision` an oid once submitted."""

    repo: str = _required_text()
    revision: str | None = _text(None)


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """Where the rows to learn from are; each task adds its own columns.

    With `folds` the training rows are cut into so many parts, alike in their classes, and part number `fold`
    validates in place of a fraction.
    """

    repo: str = _required_text()
    revision: str | None = _text(None)
    train_split: str = _text("train", 100)
    validation_split: str | None = _text(None, 100)
    validation_fraction: float = _number(0.1, at_least=0.0, at_most=0.5)
    folds: int | None = _number(None, at_least=2, at_most=100)
    fold: int = _number(0, at_least=0, at_most=99)


@dataclass(frozen=True, kw_only=True)
class ImageData(DatasetSpec):
    """Images and their classes. `image_size` in pixels (null: the model's own)."""

    image_column: str = _text("image", 100)
    label_column: str = _text("label", 100)
    image_size: int | None = _number(None, at_least=16, at_most=1024)
    max_train_images: int | None = _number(None, at_least=2, at_most=10_000_000)
    augment: str = _choice("none", "none", "light", "strong", "randaugment")
    mix: str = _choice("none", "none", "mixup", "cutmix")
    mix_alpha: float | None = _number(None, above=0.0, at_most=100.0)


@dataclass(frozen=True, kw_only=True)
class ScalarImageData(ImageData):
    """Images and a number each; the numbers are learned standardised and told in their own units."""

    label_column: str = _text("target", 100)


@dataclass(frozen=True, kw_only=True)
class TagImageData(ImageData):
    """Images and any number of labels each: a column of lists, or `label_columns` of 0 and 1."""

    label_column: str = _text("labels", 100)
    label_columns: tuple[str, ...] | None = _text(None, 100)


@dataclass(frozen=True, kw_only=True)
class TableData(DatasetSpec):
    """Rows of a table. `columns` null: all but the target; `categorical` null: those that hold text.

    `quantiles` of a number, 0.5 among them, are learned in place of the number itself, by the loss `auto`.
    """

    target_column: str = _required_text(100)
    columns: tuple[str, ...] | None = _text(None, 100)
    categorical: tuple[str, ...] | None = _text(None, 100)
    target_transform: str = _choice("standardize", "none", "standardize", "log")
    numeric_encoding: str = _choice("quantile", "quantile", "standardize")
    quantiles: tuple[float, ...] | None = _number(None, above=0.0, below=1.0)
    max_train_rows: int | None = _number(None, at_least=2, at_most=10_000_000)


@dataclass(frozen=True, kw_only=True)
class SeriesData(DatasetSpec):
    """Series on a regular grid of time; `context`, `horizon` and `season` in steps of that grid.

    `known_columns` are given for the future too, `past_columns` up to now only. `quantiles`, 0.5 among them,
    are what the loss `auto` learns; the other losses learn one forecast.
    """

    time_column: str = _text("timestamp", 100)
    target_columns: tuple[str, ...] = _text(("value",), 100)
    series_column: str | None = _text(None, 100)
    known_columns: tuple[str, ...] | None = _text(None, 100)
    past_columns: tuple[str, ...] | None = _text(None, 100)
    context: int = _number(168, at_least=2, at_most=10_000)
    horizon: int = _number(24, at_least=1, at_most=2_000)
    season: int = _number(24, at_least=1, at_most=10_000)
    stride: int = _number(1, at_least=1, at_most=2_000)
    max_gap: int = _number(24, at_least=0, at_most=10_000)
    max_train_windows: int | None = _number(None, at_least=2, at_most=10_000_000)
    scaling: str = _choice("instance", "instance", "standard")
    quantiles: tuple[float, ...] = _number((0.1, 0.5, 0.9), above=0.0, below=1.0)


@dataclass(frozen=True, kw_only=True)
class TextData(DatasetSpec):
    """Texts and their classes; `second_text_column` for pairs. `max_tokens` counts the special ones too."""

    text_column: str = _text("text", 100)
    second_text_column: str | None = _text(None, 100)
    label_column: str = _text("label", 100)
    max_tokens: int = _number(128, at_least=4, at_most=8192)
    pooling: str = _choice("auto", "auto", "cls", "mean")
    max_train_rows: int | None = _number(None, at_least=2, at_most=10_000_000)


@dataclass(frozen=True, kw_only=True)
class TokenData(DatasetSpec):
    """Lists of words and of their tags."""

    tokens_column: str = _text("tokens", 100)
    tags_column: str = _text("tags", 100)
    max_tokens: int = _number(128, at_least=4, at_most=8192)
    max_train_rows: int | None = _number(None, at_least=2, at_most=10_000_000)


@dataclass(frozen=True, kw_only=True)
class ChatData(DatasetSpec):
    """Conversations: lists of {role, content}, or a column of prompts and one of answers, or plain text.

    `max_new_tokens` bounds the answers when they are measured.
    """

    messages_column: str = _text("messages", 100)
    prompt_column: str | None = _text(None, 100)
    answer_column: str | None = _text(None, 100)
    text_column: str | None = _text(None, 100)
    max_tokens: int = _number(512, at_least=8, at_most=32_768)
    max_new_tokens: int = _number(128, at_least=1, at_most=4096)
    packing: bool = False
    max_train_rows: int | None = _number(None, at_least=2, at_most=10_000_000)


@dataclass(frozen=True)
class NetworkSpec:
    """A net without a base model; what is null, the task chooses. Widths in units, `dropout` a share."""

    kind: str = _text("auto", 40)
    width: int | None = _number(None, at_least=1, at_most=16_384)
    depth: int | None = _number(None, at_least=1, at_most=200)
    heads: int | None = _number(None, at_least=1, at_most=256)
    dropout: float = _number(0.1, at_least=0.0, below=1.0)


@dataclass(frozen=True)
class LoraSpec:
    """Low-rank adapters; `targets` null: every linear layer. `base_precision` is how the frozen base is held
    while they learn; `merge` publishes a whole model instead of the adapter.
    """

    rank: int = _number(8, at_least=1, at_most=1024)
    alpha: float = _number(16.0, above=0.0, at_most=10_000.0)
    dropout: float = _number(0.0, at_least=0.0, below=1.0)
    targets: tuple[str, ...] | None = _text(None, 100)
    rslora: bool = False
    dora: bool = False
    base_precision: str = _choice("fp32", "fp32", "bf16", "int8", "nf4")
    merge: bool = False


@dataclass(frozen=True)
class HeadSpec:
    """The new head: one linear layer, or Linear, ReLU, Linear with `hidden` units between. It reads what the
    network's `own` last layer reads, or the `average` of the last feature maps, past dense layers before it.
    """

    hidden: int | None = _number(None, at_least=1, at_most=65_536)
    pooling: str = _choice("own", "own", "average")


@dataclass(frozen=True)
class StrategySpec:
    """Which part learns. `lr_decay` multiplies the learning rate once per stage below the head.

    `unfreeze_every`, in epochs, is of `gradual`; `probe_epochs` and `probe_lr` are of `lp-ft`.
    `checkpoint_activations` computes them twice instead of keeping them.
    """

    kind: str = _choice("head", "head", "last-stages", "gradual", "full", "lp-ft", "lora")
    head: HeadSpec = HeadSpec()
    stages: int = _number(1, at_least=1, at_most=100)
    lr_decay: float = _number(1.0, above=0.0, at_most=1.0)
    unfreeze_every: int = _number(1, at_least=1, at_most=1000)
    probe_epochs: int = _number(5, at_least=1, at_most=1000)
    probe_lr: float = _number(1e-3, above=0.0, at_most=10.0)
    l2_sp: float = _number(0.0, at_least=0.0, at_most=10.0)
    lora: LoraSpec | None = None
    checkpoint_activations: bool = False


@dataclass(frozen=True)
class LossSpec:
    """What is minimised; `auto` is the task's own. `gamma` is of `focal`, `delta` of `huber`."""

    kind: str = _choice("auto", "auto", "cross-entropy", "focal", "mse", "mae", "huber")
    gamma: float = _number(2.0, at_least=0.0, at_most=10.0)
    delta: float = _number(1.0, above=0.0, at_most=1e6)
    class_weights: str = _choice("none", "none", "balanced", "effective")


@dataclass(frozen=True)
class OptimSpec:
    name: str = _choice("adamw", "adamw", "adam", "sgd")
    lr: float = _number(1e-3, above=0.0, at_most=10.0)
    momentum: float = _number(0.9, at_least=0.0, below=1.0)
    weight_decay: float = _number(0.0, at_least=0.0, at_most=10.0)
    epochs: int = _number(3, at_least=1, at_most=1000)
    batch_size: int = _number(32, at_least=1, at_most=4096)
    grad_accum_steps: int = _number(1, at_least=1, at_most=256)
    warmup_fraction: float = _number(0.1, at_least=0.0, at_most=0.9)
    schedule: str = _choice("cosine", "cosine", "linear", "constant", "one-cycle")
    label_smoothing: float = _number(0.0, at_least=0.0, below=1.0)
    grad_clip: float | None = _number(None, above=0.0, at_most=1000.0)
    ema: float | None = _number(None, above=0.0, below=1.0)


@dataclass(frozen=True)
class EarlyStoppingSpec:
    """Stop after `patience` epochs in which `metric` (null: the task's) did not gain over `min_delta`."""

    patience: int | None = _number(None, at_least=1, at_most=1000)
    metric: str | None = _text(None, 100)
    min_delta: float = _number(0.0, at_least=0.0, at_most=1.0)


@dataclass(frozen=True)
class BenchmarkSpec:
    repo: str = _required_text()
    revision: str | None = _text(None)
    task_id: str = _text("default", 100)
    split: str = _text("test", 100)


# What each task's data set is told by. The web reads this table too; the modules are in training/tasks.
TASK_DATA: dict[str, type[DatasetSpec]] = {
    "image-classification": ImageData,
    "image-multilabel": TagImageData,
    "image-regression": ScalarImageData,
    "tabular-classification": TableData,
    "tabular-regression": TableData,
    "time-series-forecasting": SeriesData,
    "text-classification": TextData,
    "token-classification": TokenData,
    "text-generation": ChatData,
}
# Their nets need no base model: without one, `network` describes what is trained from scratch.
WITHOUT_BASE = ("tabular-classification", "tabular-regression", "time-series-forecasting")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    base_model: BaseModelSpec | None = None
    dataset: DatasetSpec
    version: int = _number(1, at_least=1, at_most=1)
    task: str = _choice("image-classification", *TASK_DATA)
    init: str = _choice("pretrained", "pretrained", "scratch")
    network: NetworkSpec | None = None
    strategy: StrategySpec = StrategySpec()
    loss: LossSpec = LossSpec()
    sampling: str = _choice("shuffled", "shuffled", "balanced")
    optim: OptimSpec = OptimSpec()
    early_stopping: EarlyStoppingSpec = EarlyStoppingSpec()
    benchmark: BenchmarkSpec | None = None
    study: StudySpec | None = None
    seed: int = _number(0, at_least=0, at_most=2**31 - 1)
    deterministic: bool = True

    @property
    def repos(self) -> tuple[str, ...]:
        """The base model's name, where there is one, and the data set's."""
        return (*((self.base_model.repo,) if self.base_model else ()), self.dataset.repo)

    def as_dict(self) -> dict[str, Any]:
        """Plain nested dictionaries in the order of the documentation, ready for JSON or YAML."""
        plain = dataclasses.asdict(self)
        order = ("version", "task", "base_model", "init", "network", "dataset")
        return {name: plain[name] for name in order} | plain


def parse_recipe(source: Mapping[str, Any] | str) -> Recipe:
    """Read a recipe from YAML text (at most 64 KiB) or a mapping. Raises `RecipeError` with every problem."""
    plain = load_yaml(source) if isinstance(source, str) else source
    problems: list[Problem] = []
    task = plain.get("task", "image-classification") if isinstance(plain, Mapping) else None
    data = TASK_DATA.get(task, ImageData) if isinstance(task, str) else ImageData
    if isinstance(plain, Mapping) and plain.get("base_model") is None and task not in WITHOUT_BASE:
        problems.append(Problem("base_model", "base_model is missing."))
    recipe = read_section(Recipe, plain, "", problems, {"dataset": data})
    if recipe is not None and not problems:
        problems.extend(_contradictions(recipe))
    if recipe is None or problems:
        raise RecipeError(problems)
    return typing.cast(Recipe, recipe)


def dump_recipe(recipe: Recipe) -> str:
    """YAML that `parse_recipe` reads back to an equal recipe; the first line is the command that runs it."""
    return f"# {COMMAND}\n" + yaml.safe_dump(recipe.as_dict(), sort_keys=False, allow_unicode=True)


def _base_problems(recipe: Recipe) -> list[Problem]:
    if recipe.base_model is not None:
        if recipe.network is not None:
            text = "network describes a net without a base; leave it out, or leave base_model out."
            return [Problem("network", text)]
        return []
    if recipe.init != "scratch":
        return [Problem("init", "init must be scratch when there is no base_model, got 'pretrained'.")]
    return []


def _remedy_problems(recipe: Recipe) -> list[Problem]:
    """Rules of strategies, losses and augmentation."""
    return [Problem(name, text) for name, text in remedies.problems(recipe)]


def _contradictions(recipe: Recipe) -> list[Problem]:
    """Rules between fields."""
    problems = _base_problems(recipe) + _remedy_problems(recipe)
    data, benchmark = recipe.dataset, recipe.benchmark
    if recipe.init == "scratch" and recipe.strategy.kind != "full":
        text = "strategy.kind must be full when init is scratch: frozen random layers never learn."
        problems.append(Problem("strategy.kind", text))
    if data.validation_split == data.train_split:
        text = "dataset.validation_split must differ from dataset.train_split."
        problems.append(Problem("dataset.validation_split", text))
    if data.folds and data.validation_split:
        text = "dataset.folds takes the place of dataset.validation_split; leave one of them out."
        problems.append(Problem("dataset.folds", text))
    if data.folds and recipe.task == "time-series-forecasting":
        text = "dataset.folds would learn from the future of a series; leave it out."
        problems.append(Problem("dataset.folds", text))
    if data.fold and data.fold >= (data.folds or 1):
        text = f"dataset.fold must be below dataset.folds, got {data.fold}."
        problems.append(Problem("dataset.fold", text))
    steered = data.validation_split or data.folds or data.validation_fraction > 0
    if recipe.early_stopping.patience and not steered:
        text = "early_stopping.patience needs a validation split or a validation_fraction above 0."
        problems.append(Problem("early_stopping.patience", text))
    learned_from = (data.train_split, data.validation_split)
    if benchmark and benchmark.repo == data.repo and benchmark.split in learned_from:
        text = "benchmark.split must not be a split the run learns from or is steered by."
        problems.append(Problem("benchmark.split", text))
    return problems + (_study_problems(recipe) if recipe.study and not problems else [])


def _study_problems(recipe: Recipe) -> list[Problem]:
    study, problems = recipe.study, []
    assert study is not None
    if study.folds and recipe.dataset.folds:
        text = "study.folds sets dataset.folds for each of its runs; leave dataset.folds out."
        problems.append(Problem("study.folds", text))
    if study.leave_one_out and recipe.strategy.kind != "head":
        text = "study.leave_one_out needs strategy.kind head: it is exact on cached features only."
        problems.append(Problem("study.leave_one_out", text))
    if study.search is None:
        return problems
    space, found = read_space(recipe, study.search.space)
    problems += [Problem(name, text) for name, text in found]
    if study.search.method == "grid" and any(isinstance(values, Range) for values in space.values()):
        text = "study.search.method grid needs lists of choices, not ranges."
        problems.append(Problem("study.search.method", text))
    for name, value in corners(space):
        try:
            parse_recipe(with_changes(recipe.as_dict(), {name: value}))
        except RecipeError as error:
            where = f"study.search.space.{name}"
            problems.append(Problem(where, f"{where}: {error.problems[0].message}"))
    return problems
