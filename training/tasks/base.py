"""What the loop needs of a task, and what a task gets: the contract between `finetune` and `tasks/`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.batches import EVAL_BATCH
from training.learning import Parts
from training.recipe import Recipe
from training.reporting import Reporter
from training.stopping import Watched

T = TypeVar("T")


class Glance(Protocol):
    """What a preflight puts between a task and its rows: see `training.preflight_glance`.

    `share`: how many times more rows there are than were loaded.
    """

    @property
    def share(self) -> float: ...

    def load(self, rows: list[int], work: Callable[[list[int]], T], at_most: int | None) -> T: ...


@dataclass(frozen=True)
class Plan:
    """What a run is made from. `base_dir` is None where the recipe names no base model.

    `on_epoch` hears after every validation what is watched, its value turned so that larger is better, and
    the number of the epoch from 0; what it raises ends the run. `glance` is there in a preflight only.
    """

    recipe: Recipe
    base_dir: Path | None
    data_dir: Path
    work_dir: Path
    cache_dir: Path
    device: torch.device
    reporter: Reporter
    on_epoch: Callable[[Watched, float, int], None] | None = None
    glance: Glance | None = None

    def load(self, rows: list[int], work: Callable[[list[int]], T], *, at_most: int | None = None) -> T:
        """What `work` makes of rows (ascending) that cost time each; of some of them in a preflight, of at
        most `at_most` where more would cost more time later on."""
        return work(rows) if self.glance is None else self.glance.load(rows, work, at_most)

    def all_of(self, rows: int) -> int:
        """How many rows a run has where so many were loaded."""
        return rows if self.glance is None else round(rows * self.glance.share)

    def base(self) -> Path:
        """The base model's directory, where the task cannot do without."""
        assert self.base_dir is not None  # the recipe's own rules see to it
        return self.base_dir


@dataclass(frozen=True)
class StepResult:
    """`loss` is the mean over the micro-batch, `output` what `Task.measure` reads.

    `correct`: how many rows were right, where that has a meaning. `weight`: of how many things `loss` is the
    mean, where these are not the rows (the words of answers); an optimizer step is then their mean too.
    """

    loss: Tensor
    output: Any
    correct: Tensor | None = None
    weight: Tensor | None = None


class Examples(Protocol):
    """Rows that can be taken in any order; inputs and targets are tensors, or tuples or dicts of them."""

    def __len__(self) -> int: ...

    def take(self, rows: Tensor, device: torch.device, seed: int | None = None) -> tuple[Any, Any]:
        """One batch on `device`; `seed` draws what is random about it, None leaves it out."""

    def fingerprint(self) -> str:
        """Equal for equal rows: a checkpoint fits only the data it was made with."""


class Task(Protocol):
    """`labels` may be empty; `metric` is the measure that early stopping watches, without its `val/`.

    `counts_hits`: steps tell `correct`. `is_softmax`: the loss of `step` is the cross-entropy of one label a
    row with `label_smoothing`, and nothing else, so that a linear head may take its short step.
    """

    labels: list[str]
    metric: str
    higher_is_better: bool
    counts_hits: bool
    is_softmax: bool

    def step(self, learner: nn.Module, inputs: Any, targets: Any) -> StepResult:
        """Forward pass and loss of one micro-batch; the loop does backward."""

    def measure(self, pairs: Iterable[tuple[Any, Any]]) -> dict[str, float]:
        """`loss` and the task's measures over a whole split; outputs and targets come batch by batch, on the
        CPU, in order."""


@dataclass
class Prepared:
    """What the loop runs on.

    `learner` maps a batch's inputs to what `task` takes: the whole net, or its head alone where features are
    cached. `stages`: learning parameter names of the whole net, a list a stage, the head last. `save` writes
    a finished model directory. `order(epoch)`: the rows of an epoch, where the plain shuffle will not do;
    every epoch has the same number.
    """

    network: Parts
    learner: nn.Module
    stages: list[list[str]]
    task: Task
    train: Examples
    val: Examples | None
    device: torch.device
    save: Callable[[Path], None]
    order: Callable[[int], Tensor] | None = None
    eval_batch: int = EVAL_BATCH


class Report(Protocol):
    """A measured model: `value` of `metric` over `n` rows with its 95 % interval."""

    n: int
    lo: float
    hi: float

    @property
    def metric(self) -> str: ...

    @property
    def value(self) -> float: ...

    def as_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Measured:
    """The report of most tasks. `metrics`: every number by name; `tables`: by class, by horizon, …;
    `intervals`: the 95 % bounds of other metrics than the first; `told`: truth and prediction of every row,
    class indices or numbers, where a row has one, for comparing two models row by row."""

    n: int
    metric: str
    value: float
    lo: float
    hi: float
    metrics: dict[str, float] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    told: tuple[NDArray[Any], NDArray[Any]] | None = field(default=None, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, the numbers of `metrics` among the others."""
        own = {"n": self.n, "metric": self.metric, "value": self.value, "lo": self.lo, "hi": self.hi}
        bounds = {name: list(ends) for name, ends in self.intervals.items()}
        return {**self.metrics, **own, **({"intervals": bounds} if bounds else {}), **self.tables}


class TaskKind(Protocol):
    """One task. `library` loads the published directory (a card's `library_name`, where config.json names
    none); `example` is an input for `predict`, as one would type it on a command line."""

    pipeline_tag: str
    library: str
    example: str

    def prepare(self, plan: Plan) -> Prepared:
        """Read data and base, check that they fit, build the net. Raises `UserError` before any step."""

    def evaluate(
        self, model_dir: Path, data_dir: Path, split: str, *, recipe: Recipe, reporter: Reporter
    ) -> Report:
        """Measure a finished model on every row of a split, with the columns that `recipe.dataset` names."""

    def predict(self, model_dir: Path, given: str) -> Any:
        """The answer to one input, JSON-able; `given` is a path or text, as the command line has it."""

    def usage(self, repo: str, config: dict[str, Any]) -> str:
        """Python that loads the published repo with the stock library of its kind, for the card."""
