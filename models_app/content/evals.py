"""Evaluation files: a dataset's `eval.yaml` makes it a benchmark, a model's `.eval_results/` hold results."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from models_app.content.yaml_text import BadYaml, load_plain_yaml

MAX_TASKS = 100
MAX_RESULTS = 1000
DIGITS = 9  # values that agree to this many decimals are the same result
_REPO_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_LOWER_IS_BETTER = re.compile(
    r"loss|error|perplexity|pinball|(?:^|_)(?:wer|cer|ter|mae|mse|rmse|fid|brier|latency"
    r"|mape|smape|wape|mase|wql|msle|rmsle|medae|crps|nll)(?:$|_)",
    re.I,
)
Row = TypeVar("Row")
# Metrics that are proportions of examples, from 0 to 1.
SHARES = ("accuracy", "acc", "f1", "macro_f1", "micro_f1", "recall", "precision", "token_accuracy")


@dataclass(frozen=True)
class BenchmarkTask:
    """One leaderboard of a benchmark: models are scored on `split` by `metric`."""

    id: str
    split: str = "test"
    metric: str = "accuracy"
    higher_is_better: bool = True
    pipeline_tag: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The row kept in `Benchmark.tasks`."""
        return dict(self.__dict__)


@dataclass(frozen=True)
class BenchmarkSpec:
    """What `eval.yaml` says."""

    name: str
    description: str
    tasks: list[BenchmarkTask]


@dataclass(frozen=True)
class ResultEntry:
    """One entry of a results file, in the format of huggingface_hub's `_eval_results.py`."""

    dataset_id: str
    task_id: str
    value: float
    revision: str = ""
    date: date | None = None
    verify_token: str = ""
    source: dict[str, str] = field(default_factory=dict)
    notes: str = ""


def parse_benchmark(text: str) -> tuple[BenchmarkSpec | None, list[str]]:
    """(benchmark, problems) of an `eval.yaml`; no benchmark when it has no usable task."""
    try:
        plain = load_plain_yaml(text)
    except BadYaml as refusal:
        return None, [f"eval.yaml: {refusal}"]
    if not isinstance(plain, dict) or not isinstance(plain.get("tasks"), list):
        return None, ["eval.yaml: it must be a mapping with a list of tasks."]
    problems: list[str] = []
    tasks: dict[str, BenchmarkTask] = {}
    for number, item in enumerate(plain["tasks"][:MAX_TASKS], 1):
        task = _task(item)
        if task is None:
            problems.append(f"eval.yaml: task {number} needs an id of at most 100 characters.")
        elif task.id in tasks:
            problems.append(f"eval.yaml: the task {task.id} is given twice.")
        else:
            tasks[task.id] = task
    if len(plain["tasks"]) > MAX_TASKS:
        problems.append(f"eval.yaml: only the first {MAX_TASKS} tasks are used.")
    if not tasks:
        return None, [*problems, "eval.yaml: it names no task."]
    return BenchmarkSpec(
        _short(plain.get("name"), 200), _short(plain.get("description"), 4000), list(tasks.values())
    ), problems


def _task(item: Any) -> BenchmarkTask | None:
    task_id = item.get("id") if isinstance(item, dict) else None
    if not isinstance(task_id, str) or not 0 < len(task_id) <= 100:
        return None
    metric = _short(item.get("metric"), 64) or "accuracy"
    higher = item.get("higher_is_better")
    return BenchmarkTask(
        id=task_id,
        split=_short(item.get("split"), 100) or "test",
        metric=metric,
        higher_is_better=higher if isinstance(higher, bool) else not lower_is_better(metric),
        pipeline_tag=_short(item.get("pipeline_tag"), 64),
    )


def lower_is_better(metric: str) -> bool:
    """Whether the name is of an error or a cost; of all others larger is better."""
    return bool(_LOWER_IS_BETTER.search(metric))


def parse_results(text: str) -> tuple[list[ResultEntry], list[str]]:
    """(entries, problems) of one `.eval_results/*.yaml`; an entry that is not sound is left out and told."""
    try:
        plain = load_plain_yaml(text)
    except BadYaml as refusal:
        return [], [str(refusal)]
    if not isinstance(plain, list):
        return [], ["A results file must be a list of entries."]
    entries: list[ResultEntry] = []
    problems: list[str] = []
    for number, item in enumerate(plain[:MAX_RESULTS], 1):
        try:
            entries.append(_entry(item))
        except ValueError as refusal:
            problems.append(f"Entry {number}: {refusal}")
    if len(plain) > MAX_RESULTS:
        problems.append(f"Only the first {MAX_RESULTS} entries are used.")
    return entries, problems


def _entry(item: Any) -> ResultEntry:
    dataset = item.get("dataset") if isinstance(item, dict) else None
    if not isinstance(dataset, dict):
        raise ValueError("dataset must be a mapping with id and task_id.")
    dataset_id, task_id = dataset.get("id"), dataset.get("task_id")
    if not isinstance(dataset_id, str) or not _REPO_ID.fullmatch(dataset_id):
        raise ValueError("dataset.id must be the id of a dataset (namespace/name).")
    if not isinstance(task_id, str) or not 0 < len(task_id) <= 100:
        raise ValueError("dataset.task_id must be text of at most 100 characters.")
    value = item.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("value must be a finite number.")
    source = item["source"] if isinstance(item.get("source"), dict) else {}
    return ResultEntry(
        dataset_id=dataset_id,
        task_id=task_id,
        value=float(value),
        revision=_short(dataset.get("revision"), 64),
        date=_date(item.get("date")),
        verify_token=item["verifyToken"] if isinstance(item.get("verifyToken"), str) else "",
        source={key: _short(source[key], 500) for key in _SOURCE_KEYS if key in source},
        notes=_short(item.get("notes"), 1000),
    )


_SOURCE_KEYS = ("url", "name", "user", "org")


def _short(value: Any, limit: int) -> str:
    return value.strip()[:limit] if isinstance(value, str) else ""


def _date(value: Any) -> date | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        return datetime.fromisoformat(value.strip()).date()
    except ValueError:
        return None


def rank(
    rows: Iterable[Row], *, value: Callable[[Row], float | None], higher_is_better: bool = True
) -> list[tuple[int, Row]]:
    """[(rank, row)], best first. Equal values share a rank and the next rank is skipped (1, 2, 2, 4).

    Values are equal when they agree to 9 decimals. None and NaN come last and share the last rank.
    Rows of one rank keep the order they came in.
    """

    def key(row: Row) -> tuple[bool, float]:
        number = value(row)
        if number is None or math.isnan(number):
            return True, 0.0
        return False, round(-number if higher_is_better else number, DIGITS)

    ranked: list[tuple[int, Row]] = []
    last_key: tuple[bool, float] | None = None
    for place, row in enumerate(sorted(rows, key=key), 1):
        same = key(row) == last_key
        ranked.append((ranked[-1][0] if same else place, row))
        last_key = key(row)
    return ranked


def wilson(successes: float, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """The Wilson score interval (95 % by default) of `successes` in `n` trials, both ends in 0..1.

    Raises ValueError unless 0 <= successes <= n and n >= 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"need 0 <= successes <= n and n >= 1, got {successes} of {n}")
    share, z2 = successes / n, z * z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - reach), min(1.0, middle + reach)
