"""The axes of a sweep: fields of a recipe with the values to try, and the points that they make.

Pure, and read on both sides of the wire: the hub makes runs of the points, the command line reads the text.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from training.recipe import Problem, Recipe, RecipeError, parse_recipe
from training.recipe_reading import SCIENTIFIC, load_yaml, show
from training.recipe_study import MAX_CHOICES, Range, Space, grid, grid_size, read_space, with_changes

MAX_AXES = 12
MAX_POINTS = 200
MAX_PROBLEMS = 20
SEED = "seed"
MODES = ("grid", "random")
# Up to here a grid is written out to be drawn from; larger ones are drawn point by point.
WRITTEN_OUT = 20_000
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_SPAN = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})(\s+log)?")

Point = dict[str, Any]


def read_axis(text: str) -> tuple[str, Any]:
    """One line of people's own, `optim.lr: 0.001, 0.003` (or `=`), or `optim.lr: 1e-4 .. 1e-1 log`, as the
    name and what JSON has for it. Raises RecipeError."""
    name, _, rest = (text if "=" not in text.partition(":")[0] else text.replace("=", ":", 1)).partition(":")
    name, rest = name.strip(), rest.strip()
    if not name or not rest:
        raise RecipeError(
            [Problem("axes", f"{show(text.strip())} is no axis: write optim.lr: 0.001, 0.003.")]
        )
    span = _SPAN.fullmatch(rest)
    if span:
        return name, {"low": _plain(span[1]), "high": _plain(span[2]), "log": bool(span[3])}
    values = load_yaml(rest if rest.startswith("[") and rest.endswith("]") else f"[{rest}]")
    return name, [_plain(value) for value in values] if isinstance(values, list) else values


def read_axes_text(text: str) -> dict[str, Any]:
    """Several lines of `read_axis`; blank ones and `#` comments are passed over. Raises RecipeError with all
    that is wrong."""
    axes: dict[str, Any] = {}
    problems: list[Problem] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            name, values = read_axis(line)
        except RecipeError as error:
            problems += error.problems
            continue
        if name in axes:
            problems.append(Problem("axes", f"The axis {name[:60]} is given twice."))
        axes[name] = values
    if problems:
        raise RecipeError(problems[:MAX_PROBLEMS])
    return axes


def axis_text(name: str, values: Any) -> str:
    """What `read_axis` reads back."""
    if isinstance(values, Mapping):
        return f"{name}: {values['low']} .. {values['high']}" + (" log" if values.get("log") else "")
    return f"{name}: {', '.join(json.dumps(value, ensure_ascii=False) for value in values)}"


def read_axes(recipe: Recipe, given: Mapping[str, Any]) -> tuple[Space, list[Problem]]:
    """The axes as choices and ranges, in the order given, and what is wrong with them.

    `seed` may be one, unlike in a study's search; of other fields what a search may change. Values that no
    recipe takes are `judge`'s to find.
    """
    if not 1 <= len(given) <= MAX_AXES:
        return {}, [
            Problem("axes", f"axes must name 1 to {MAX_AXES} fields of the recipe, each with values.")
        ]
    plain = {str(name): _plain_values(values) for name, values in given.items()}
    space, found = read_space(recipe, {name: values for name, values in plain.items() if name != SEED})
    problems = [Problem(*(text.replace("study.search.space.", "axes.") for text in both)) for both in found]
    if SEED in plain:
        seeds = plain[SEED]
        if isinstance(seeds, list) and 1 <= len(seeds) <= MAX_CHOICES:
            space[SEED] = seeds
        else:
            problems.append(Problem("axes.seed", f"axes.seed must be a list of at most {MAX_CHOICES} seeds."))
    for name, values in space.items():
        if isinstance(values, list) and (twice := _repeated(values)):
            problems.append(Problem(f"axes.{name}", f"axes.{name} has {twice[0]} twice."))
    return {name: space[name] for name in plain if name in space}, problems


def plain_axes(space: Space) -> dict[str, Any]:
    """As `read_axes` reads them, for JSON."""
    return {
        name: values
        if isinstance(values, list)
        else {"low": values.low, "high": values.high, "log": values.log}
        for name, values in space.items()
    }


def points_of(space: Space, *, mode: str, samples: int | None, past: Sequence[Point] = ()) -> list[Point]:
    """The points to run, early ones telling of all axes; the same words always give the same points.

    `grid`: every combination. `random`: `samples` drawn settings, each with every seed where `seed` is an
    axis. Those of `past` are left out. Raises RecipeError where that cannot be, or is too much.
    """
    if mode not in MODES:
        raise _wrong("mode", f"mode must be one of {', '.join(MODES)}, got {show(mode)}.")
    found = _whole_grid(space, samples, past) if mode == "grid" else _drawn(space, samples, past)
    if len(found) > MAX_POINTS:
        raise _wrong("axes", f"That is {len(found):,} runs; at most {MAX_POINTS} are queued at once.")
    return spread(found, space)


def spread(points: Sequence[Point], space: Space) -> list[Point]:
    """Reordered so that after any number of points each value of each axis has been tried about as often."""
    rest = sorted(points, key=key_of)
    random.Random(_seed_of(space)).shuffle(rest)  # noqa: S311 (an order, no secret)
    seen: Counter[tuple[str, str]] = Counter()
    ordered: list[Point] = []
    while rest:
        best = min(rest, key=lambda point: sum(seen[item] for item in _items(point)))
        rest.remove(best)
        ordered.append(best)
        seen.update(_items(best))
    return ordered


def judge(recipe: Recipe, points: Sequence[Point]) -> tuple[list[Recipe], list[Problem]]:
    """The recipe at each point, and what is wrong, told by axis and value, or by the point where a value is
    wrong beside others only. At most `MAX_PROBLEMS` problems."""
    plain, made = recipe.as_dict(), []
    problems: dict[str, Problem] = {}
    for point in points:
        try:
            made.append(parse_recipe(with_changes(plain, point)))
        except RecipeError as error:
            for problem in told_at(point, error.problems):
                problems.setdefault(problem.message, problem)
        if len(problems) >= MAX_PROBLEMS:
            break
    return made, list(problems.values())[:MAX_PROBLEMS]


def told_at(point: Point, problems: Sequence[Problem]) -> Iterator[Problem]:
    """Problems of one point's recipe, as the problems of the sweep's axes that they are."""
    for problem in problems:
        if problem.field in point:
            name = problem.field
            yield Problem(f"axes.{name}", f"axes.{name}: {problem.message}")
        else:
            where = ", ".join(f"{name} {show(value)}" for name, value in point.items())
            yield Problem(problem.field, f"With {where}: {problem.message}")


def values_at(recipe: Mapping[str, Any], names: Sequence[str]) -> Point:
    """What a recipe, as plain dictionaries, has for these fields; None where a section is missing."""
    found: Point = {}
    for name in names:
        place: Any = recipe
        for part in name.split("."):
            place = place.get(part) if isinstance(place, Mapping) else None
        found[name] = place
    return found


def key_of(point: Mapping[str, Any]) -> str:
    """The same text for the same point; 1 and 1.0 are one number."""
    return json.dumps({name: _comparable(value) for name, value in point.items()}, sort_keys=True)


def _whole_grid(space: Space, samples: int | None, past: Sequence[Point]) -> list[Point]:
    if samples is not None:
        raise _wrong("samples", "samples is of the mode random; a grid has as many runs as combinations.")
    for name, values in space.items():
        if isinstance(values, Range):
            raise _wrong(f"axes.{name}", f"axes.{name} is a range; a grid needs a list, or mode random.")
    if grid_size(space) > WRITTEN_OUT:
        text = f"That is {grid_size(space):,} runs; at most {MAX_POINTS} are queued at once."
        raise _wrong("axes", text)
    known = {key_of(point) for point in past}
    return [point for point in grid(space) if key_of(point) not in known]


def _drawn(space: Space, samples: int | None, past: Sequence[Point]) -> list[Point]:
    if samples is None or not 1 <= samples <= MAX_POINTS:
        raise _wrong("samples", f"samples must be 1 to {MAX_POINTS}: how many settings are drawn.")
    drawn = {name: values for name, values in space.items() if name != SEED}
    known = {key_of({name: value for name, value in point.items() if name != SEED}) for point in past}
    if not drawn:
        raise _wrong("axes", "mode random needs an axis beside the seed; every seed is taken anyway.")
    settings = _settings(drawn, samples, known)
    if len(settings) < samples:
        text = f"samples must be at most {len(settings)}: there are no more different settings."
        raise _wrong("samples", text)
    seeds = [{SEED: seed} for seed in space[SEED]] if isinstance(space.get(SEED), list) else [{}]  # type: ignore[union-attr]
    return [setting | seed for setting in settings for seed in seeds]


def _settings(space: Space, samples: int, known: set[str]) -> list[Point]:
    """Different settings that are not known, fewer than `samples` only where there are no more."""
    dice = random.Random(f"{_seed_of(space)} {len(known)}")  # noqa: S311 (a draw, no secret)
    is_finite = all(isinstance(values, list) for values in space.values())
    if is_finite and grid_size(space) <= WRITTEN_OUT:
        left = [point for point in grid(space) if key_of(point) not in known]
        return dice.sample(left, min(samples, len(left)))
    found: list[Point] = []
    for _ in range(50 * samples):
        point = {name: _draw(values, dice) for name, values in space.items()}
        if key_of(point) not in known and len(found) < samples:
            known = known | {key_of(point)}
            found.append(point)
    return found


def _draw(values: list[Any] | Range, dice: random.Random) -> Any:
    if isinstance(values, list):
        return dice.choice(values)
    low, high = values.low, values.high
    log = math.log if values.log else float
    value = dice.uniform(log(low), log(high))
    value = math.exp(value) if values.log else value
    if isinstance(low, int) and isinstance(high, int):
        return min(max(round(value), low), high)
    # Four digits say as much as sixteen, and can be read.
    return min(max(float(f"{value:.4g}"), float(low)), float(high))


def _items(point: Point) -> Iterator[tuple[str, str]]:
    return ((name, json.dumps(_comparable(value))) for name, value in point.items())


def _seed_of(space: Space) -> str:
    return json.dumps({name: str(values) for name, values in space.items()}, sort_keys=True)


def _comparable(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 2**53 else value


def _repeated(values: Sequence[Any]) -> list[str]:
    counted = Counter(json.dumps(_comparable(value), default=str) for value in values)
    return [text for text, count in counted.items() if count > 1]


def _plain_values(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {str(name): _plain(value) for name, value in values.items()}
    return [_plain(value) for value in values] if isinstance(values, list | tuple) else values


def _plain(value: Any) -> Any:
    """Numbers as numbers: YAML 1.1 reads 1e-3 as text, which is how everybody writes a learning rate."""
    if isinstance(value, str) and len(value) < 40:
        if SCIENTIFIC.fullmatch(value.strip()):
            return float(value)
        if re.fullmatch(_NUMBER, value.strip()):
            return float(value) if "." in value or "e" in value.lower() else int(value)
    return value


def _wrong(field: str, text: str) -> RecipeError:
    return RecipeError([Problem(field, text)])
