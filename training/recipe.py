"""The contract: what a fine-tuning run is, as data. The web process and the GPU box both read recipes here.

A recipe is `recipe.yaml` in a repo. It is checked whole and strictly, before anything is fetched or queued:
every number has bounds, every unknown field is refused, and all problems are told at once.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from training import remedies
from training.recipe_data import (
    TASK_DATA,
    WITHOUT_BASE,
    ChatData,
    DatasetSpec,
    DetectionData,
    FusedData,
    ImageData,
    InteractionData,
    PairData,
    ScalarImageData,
    SegmentationData,
    SeriesData,
    TableData,
    TagImageData,
    TextData,
    TokenData,
)
from training.recipe_fields import choice, number, required_text, text
from training.recipe_reading import MAX_TEXT_BYTES, Problem, RecipeError, load_yaml, read_section
from training.recipe_study import Range, StudySpec, corners, read_space, with_changes

__all__ = [
    "MAX_TEXT_BYTES",
    "TASK_DATA",
    "WITHOUT_BASE",
    "ChatData",
    "DatasetSpec",
    "DetectionData",
    "FusedData",
    "ImageData",
    "InteractionData",
    "PairData",
    "Problem",
    "Recipe",
    "RecipeError",
    "ScalarImageData",
    "SegmentationData",
    "SeriesData",
    "TableData",
    "TagImageData",
    "TextData",
    "TokenData",
    "dump_recipe",
    "parse_recipe",
]

COMMAND = "python -m training finetune recipe.yaml --out ./out"


@dataclass(frozen=True)
class BaseModelSpec:
    """`repo` is `namespace/name`, or a directory for the command line; `revision` an oid once submitted."""

    repo: str = required_text()
    revision: str | None = text(None)


@dataclass(frozen=True)
class NetworkSpec:
    """A net without a base model; what is null, the task chooses. Widths in units, `dropout` a share."""

    kind: str = text("auto", 40)
    width: int | None = number(None, at_least=1, at_most=16_384)
    depth: int | None = number(None, at_least=1, at_most=200)
    heads: int | None = number(None, at_least=1, at_most=256)
    dropout: float = number(0.1, at_least=0.0, below=1.0)


@dataclass(frozen=True)
class LoraSpec:
    """Low-rank adapters; `targets` null: every linear layer. `base_precision` is how the frozen base is held
    while they learn; `merge` publishes a whole model instead of the adapter.
    """

    rank: int = number(8, at_least=1, at_most=1024)
    alpha: float = number(16.0, above=0.0, at_most=10_000.0)
    dropout: float = number(0.0, at_least=0.0, below=1.0)
    targets: tuple[str, ...] | None = text(None, 100)
    rslora: bool = False
    dora: bool = False
    base_precision: str = choice("fp32", "fp32", "bf16", "int8", "nf4")
    merge: bool = False


@dataclass(frozen=True)
class HeadSpec:
    """The new head: one linear layer, or Linear, ReLU, Linear with `hidden` units between. It reads what the
    network's `own` last layer reads, or the `average` of the last feature maps, past dense layers before it.
    """

    hidden: int | None = number(None, at_least=1, at_most=65_536)
    pooling: str = choice("own", "own", "average")


@dataclass(frozen=True)
class StrategySpec:
    """Which part learns. `lr_decay` multiplies the learning rate once per stage below the head.

    `unfreeze_every`, in epochs, is of `gradual`; `probe_epochs` and `probe_lr` are of `lp-ft`.
    `checkpoint_activations` computes them twice instead of keeping them.
    """

    kind: str = choice("head", "head", "last-stages", "gradual", "full", "lp-ft", "lora")
    head: HeadSpec = HeadSpec()
    stages: int = number(1, at_least=1, at_most=100)
    lr_decay: float = number(1.0, above=0.0, at_most=1.0)
    unfreeze_every: int = number(1, at_least=1, at_most=1000)
    probe_epochs: int = number(5, at_least=1, at_most=1000)
    probe_lr: float = number(1e-3, above=0.0, at_most=10.0)
    l2_sp: float = number(0.0, at_least=0.0, at_most=10.0)
    lora: LoraSpec | None = None
    checkpoint_activations: bool = False


@dataclass(frozen=True)
class LossSpec:
    """What is minimised; `auto` is the task's own. `gamma` is of `focal`, `delta` of `huber`."""

    kind: str = choice("auto", "auto", "cross-entropy", "focal", "mse", "mae", "huber")
    gamma: float = number(2.0, at_least=0.0, at_most=10.0)
    delta: float = number(1.0, above=0.0, at_most=1e6)
    class_weights: str = choice("none", "none", "balanced", "effective")


@dataclass(frozen=True)
class OptimSpec:
    name: str = choice("adamw", "adamw", "adam", "sgd")
    lr: float = number(1e-3, above=0.0, at_most=10.0)
    momentum: float = number(0.9, at_least=0.0, below=1.0)
    weight_decay: float = number(0.0, at_least=0.0, at_most=10.0)
    epochs: int = number(3, at_least=1, at_most=1000)
    batch_size: int = number(32, at_least=1, at_most=4096)
    grad_accum_steps: int = number(1, at_least=1, at_most=256)
    warmup_fraction: float = number(0.1, at_least=0.0, at_most=0.9)
    schedule: str = choice("cosine", "cosine", "linear", "constant", "one-cycle")
    label_smoothing: float = number(0.0, at_least=0.0, below=1.0)
    grad_clip: float | None = number(None, above=0.0, at_most=1000.0)
    ema: float | None = number(None, above=0.0, below=1.0)


@dataclass(frozen=True)
class EarlyStoppingSpec:
    """Stop after `patience` epochs in which `metric` (null: the task's) did not gain over `min_delta`."""

    patience: int | None = number(None, at_least=1, at_most=1000)
    metric: str | None = text(None, 100)
    min_delta: float = number(0.0, at_least=0.0, at_most=1.0)


@dataclass(frozen=True)
class BenchmarkSpec:
    repo: str = required_text()
    revision: str | None = text(None)
    task_id: str = text("default", 100)
    split: str = text("test", 100)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    base_model: BaseModelSpec | None = None
    dataset: DatasetSpec
    version: int = number(1, at_least=1, at_most=1)
    task: str = choice("image-classification", *TASK_DATA)
    init: str = choice("pretrained", "pretrained", "scratch")
    network: NetworkSpec | None = None
    strategy: StrategySpec = StrategySpec()
    loss: LossSpec = LossSpec()
    sampling: str = choice("shuffled", "shuffled", "balanced")
    optim: OptimSpec = OptimSpec()
    early_stopping: EarlyStoppingSpec = EarlyStoppingSpec()
    benchmark: BenchmarkSpec | None = None
    study: StudySpec | None = None
    precision: str = choice("auto", "auto", "fp32", "bf16")
    seed: int = number(0, at_least=0, at_most=2**31 - 1)
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
        # A fusion is described beside the encoders that it fuses, a decoder beside the net that it reads.
        beside = ("multimodal-classification", "semantic-segmentation", "object-detection")
        if recipe.network is not None and recipe.task not in beside:
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
