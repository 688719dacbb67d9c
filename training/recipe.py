"""The contract: what a fine-tuning run is, as data. The web process and the GPU box both read recipes here.

A recipe is `recipe.yaml` in a repo. It is checked whole and strictly, before anything is fetched or queued:
every number has bounds, every unknown field is refused, and all problems are told at once.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from training.errors import UserError

MAX_TEXT_BYTES = 64 * 1024
COMMAND = "python -m training finetune recipe.yaml --out ./out"
SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


@dataclass(frozen=True)
class Problem:
    """One thing wrong: `field` is the dotted path (`optim.lr`), `message` a whole sentence for the user."""

    field: str
    message: str


class RecipeError(UserError):
    """The recipe cannot be used; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("recipe:invalid", " ".join(problem.message for problem in problems))
        self.problems = problems


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


@dataclass(frozen=True)
class DatasetSpec:
    """Which images to learn from. `image_size` in pixels (null: the model's own)."""

    repo: str = _required_text()
    revision: str | None = _text(None)
    train_split: str = _text("train", 100)
    validation_split: str | None = _text(None, 100)
    validation_fraction: float = _number(0.1, at_least=0.0, at_most=0.5)
    image_column: str = _text("image", 100)
    label_column: str = _text("label", 100)
    image_size: int | None = _number(None, at_least=16, at_most=1024)
    max_train_images: int | None = _number(None, at_least=2, at_most=10_000_000)
    augment: str = _choice("none", "none", "light", "strong")


@dataclass(frozen=True)
class StrategySpec:
    """Which part learns. `lr_decay` multiplies the learning rate once per stage below the head."""

    kind: str = _choice("head", "head", "last-stages", "full")
    stages: int = _number(1, at_least=1, at_most=100)
    lr_decay: float = _number(1.0, above=0.0, at_most=1.0)


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
    schedule: str = _choice("cosine", "cosine", "constant")
    label_smoothing: float = _number(0.0, at_least=0.0, below=1.0)
    grad_clip: float | None = _number(None, above=0.0, at_most=1000.0)


@dataclass(frozen=True)
class EarlyStoppingSpec:
    """Stop after `patience` epochs without val/accuracy rising by more than `min_delta` (null: never)."""

    patience: int | None = _number(None, at_least=1, at_most=1000)
    min_delta: float = _number(0.0, at_least=0.0, at_most=1.0)


@dataclass(frozen=True)
class BenchmarkSpec:
    repo: str = _required_text()
    revision: str | None = _text(None)
    task_id: str = _text("default", 100)
    split: str = _text("test", 100)


@dataclass(frozen=True)
class Recipe:
    base_model: BaseModelSpec
    dataset: DatasetSpec
    version: int = _number(1, at_least=1, at_most=1)
    task: str = _choice("image-classification", "image-classification")
    init: str = _choice("pretrained", "pretrained", "scratch")
    strategy: StrategySpec = StrategySpec()
    optim: OptimSpec = OptimSpec()
    early_stopping: EarlyStoppingSpec = EarlyStoppingSpec()
    benchmark: BenchmarkSpec | None = None
    seed: int = _number(0, at_least=0, at_most=2**31 - 1)
    deterministic: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Plain nested dictionaries in the order of the documentation, ready for JSON or YAML."""
        plain = dataclasses.asdict(self)
        order = ("version", "task", "base_model", "init", "dataset")
        return {name: plain[name] for name in order} | plain


def parse_recipe(source: Mapping[str, Any] | str) -> Recipe:
    """Read a recipe from YAML text (at most 64 KiB) or a mapping. Raises `RecipeError` with every problem."""
    plain = _load_yaml(source) if isinstance(source, str) else source
    problems: list[Problem] = []
    recipe = _read_section(Recipe, plain, "", problems)
    if recipe is not None and not problems:
        problems.extend(_contradictions(recipe))
    if recipe is None or problems:
        raise RecipeError(problems)
    return typing.cast(Recipe, recipe)


def dump_recipe(recipe: Recipe) -> str:
    """YAML that `parse_recipe` reads back to an equal recipe; the first line is the command that runs it."""
    return f"# {COMMAND}\n" + yaml.safe_dump(recipe.as_dict(), sort_keys=False, allow_unicode=True)


class _StrictLoader(yaml.SafeLoader):
    """Plain data only, and no key twice: YAML's silent last-one-wins would hide a user's mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                twice = f"the field {_show(key.value)} is given twice"
                raise yaml.MarkedYAMLError(problem=twice, problem_mark=key.start_mark)
            seen.add(str(key.value) if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep)


def _load_yaml(text: str) -> Any:
    if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        raise RecipeError([Problem("", "The recipe is larger than 64 KiB.")])
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise RecipeError([Problem("", f"The recipe is not valid YAML{line}: {error.problem}.")]) from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError):
        raise RecipeError([Problem("", "The recipe is not valid YAML.")]) from None


def _read_section(section: type, plain: Any, path: str, problems: list[Problem]) -> Any:
    """Build one dataclass from `plain`, noting every problem; None if it cannot be built."""
    if not isinstance(plain, Mapping):
        message = f"{path or 'The recipe'} must be a mapping of fields, got {_show(plain)}."
        problems.append(Problem(path, message))
        return None
    hints = typing.get_type_hints(section)
    before = len(problems)
    problems.extend(_unknown_fields(plain, list(hints), path))
    values: dict[str, Any] = {}
    for spec in dataclasses.fields(section):
        name = f"{path}.{spec.name}" if path else spec.name
        if spec.name in plain:
            values[spec.name] = _read_value(hints[spec.name], spec.metadata, plain[spec.name], name, problems)
        elif spec.default is dataclasses.MISSING:
            problems.append(Problem(name, f"{name} is missing."))
    return section(**values) if len(problems) == before else None


def _unknown_fields(plain: Mapping[Any, Any], known: list[str], path: str) -> list[Problem]:
    problems = []
    for key in plain:
        if key in known:
            continue
        shown = str(key)[:60]
        name = f"{path}.{shown}" if path else shown
        near = difflib.get_close_matches(shown, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else f" Known fields: {', '.join(known)}."
        problems.append(Problem(name, f"{name} is not a field of a recipe.{hint}"))
    return problems


def _read_value(hint: Any, bounds: Mapping[str, Any], value: Any, name: str, problems: list[Problem]) -> Any:
    """Check one value against its type hint and bounds."""
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(arm for arm in typing.get_args(hint) if arm is not type(None))
    if dataclasses.is_dataclass(hint):
        return _read_section(typing.cast(type, hint), value, name, problems)
    reader = {bool: _read_bool, int: _read_int, float: _read_float, str: _read_text}[hint]
    try:
        return reader(value, bounds)
    except ValueError as refusal:
        problems.append(Problem(name, f"{name} must be {refusal}, got {_show(value)}."))
        return None


def _read_bool(value: Any, bounds: Mapping[str, Any]) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _read_int(value: Any, bounds: Mapping[str, Any]) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number")
    _check_bounds(value, bounds)
    return value


def _read_float(value: Any, bounds: Mapping[str, Any]) -> float:
    # YAML 1.1 reads 1e-3 as text, which is how everybody writes a learning rate.
    if isinstance(value, str) and len(value) < 40 and SCIENTIFIC.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number")
    # Bounds first: a whole number of 400 digits does not fit a float.
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a finite number")
    _check_bounds(value, bounds)
    return float(value)


def _check_bounds(value: float, bounds: Mapping[str, Any]) -> None:
    if "above" in bounds and not value > bounds["above"]:
        raise ValueError(f"above {bounds['above']:g}")
    if "at_least" in bounds and not value >= bounds["at_least"]:
        raise ValueError(f"at least {_plain(bounds['at_least'])}")
    if "below" in bounds and not value < bounds["below"]:
        raise ValueError(f"below {bounds['below']:g}")
    if "at_most" in bounds and not value <= bounds["at_most"]:
        raise ValueError(f"at most {_plain(bounds['at_most'])}")


def _read_text(value: Any, bounds: Mapping[str, Any]) -> str:
    choices = bounds.get("choices")
    if choices:
        if value not in choices:
            raise ValueError(choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}")
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError("text")
    if len(value) > bounds["limit"]:
        raise ValueError(f"at most {bounds['limit']} characters long")
    if not value.isprintable():
        raise ValueError("text without control characters")
    return value


def _contradictions(recipe: Recipe) -> list[Problem]:
    """Rules between fields."""
    problems = []
    data, benchmark = recipe.dataset, recipe.benchmark
    if recipe.init == "scratch" and recipe.strategy.kind != "full":
        text = "strategy.kind must be full when init is scratch: frozen random layers never learn."
        problems.append(Problem("strategy.kind", text))
    if data.validation_split == data.train_split:
        text = "dataset.validation_split must differ from dataset.train_split."
        problems.append(Problem("dataset.validation_split", text))
    if recipe.early_stopping.patience and not data.validation_split and data.validation_fraction == 0:
        text = "early_stopping.patience needs a validation split or a validation_fraction above 0."
        problems.append(Problem("early_stopping.patience", text))
    learned_from = (data.train_split, data.validation_split)
    if benchmark and benchmark.repo == data.repo and benchmark.split in learned_from:
        text = "benchmark.split must not be a split the run learns from or is steered by."
        problems.append(Problem("benchmark.split", text))
    return problems


def _plain(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def _show(value: Any) -> str:
    """What the user gave, short and on one line; never the inside of a collection."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple | set):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
