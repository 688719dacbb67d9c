"""From a job as the stock client submits it to a fine-tune, the only job here (docs/users/jobs.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from runs.choices import free_stem
from runs.flavors import DEFAULT_FLAVOR
from runs.payloads import mapping, number, text
from runs.reports import BadReport
from training.recipe import Recipe, parse_recipe

IMAGE = "tuneyard"
PROGRAMS = (
    ("tuneyard", "finetune"),
    ("python", "-m", "training", "finetune"),
    ("python3", "-m", "training", "finetune"),
)
MAX_WORDS, MAX_WORD = 64, 64 * 1024
# What a container could have and a fine-tune has not.
_FOREIGN = ("secrets", "volumes", "expose", "ssh", "network", "resourceGroupId", "spaceId", "attempts")
_ENVIRONMENT = ("RECIPE", "TARGET")
_FILES = (".yaml", ".yml", ".json")
HOW = (
    f"This hub runs fine-tunes and no containers: the image must be {IMAGE!r} and the command "
    "'tuneyard finetune --recipe …' (see jobs in its documentation)."
)


@dataclass(frozen=True)
class JobSpec:
    """What `actions.submit` needs."""

    recipe: Recipe
    target: str
    flavor: str
    private: bool | None = None
    timeout_seconds: int | None = None
    labels: dict[str, str] = field(default_factory=dict)


def read_spec(body: dict[str, Any], namespace: str) -> JobSpec:
    """The fine-tune that a job's body describes, to be published in `namespace`.

    Raises BadReport for whatever is no fine-tune, RecipeError for a recipe that cannot be used.
    """
    for name in _FOREIGN:
        if body.get(name):
            raise BadReport(f"A fine-tune has no {name!r}; leave it out.")
    if text(body, "dockerImage", 500) != IMAGE:
        raise BadReport(HOW)
    options = _options(_words(body, "command") + _words(body, "arguments"))
    environment = _texts_by_name(body, "environment", _ENVIRONMENT)
    source = options.get("recipe") or environment.get("RECIPE")
    if not source:
        raise BadReport("The job has no recipe: give it with --recipe, or in the environment as RECIPE.")
    recipe = parse_recipe(source)
    return JobSpec(
        recipe=recipe,
        target=_target(options.get("target") or environment.get("TARGET") or "", namespace, recipe),
        flavor=text(body, "flavor", 32, DEFAULT_FLAVOR),
        private={"private": True, "public": False}.get(options.get("visibility", "")),
        timeout_seconds=number(body, "timeoutSeconds"),
        labels=labels(body),
    )


def labels(body: dict[str, Any]) -> dict[str, str]:
    """The `labels` of a body; whether they are good ones, the action says."""
    return _texts_by_name(body, "labels")


def _words(body: dict[str, Any], name: str) -> list[str]:
    value = body.get(name) or []
    few = isinstance(value, list) and len(value) <= MAX_WORDS
    if not few or not all(isinstance(word, str) and len(word) <= MAX_WORD for word in value):
        raise BadReport(f"{name} must be a list of at most {MAX_WORDS} words.")
    return value


def _options(words: list[str]) -> dict[str, str]:
    """What stands behind `tuneyard finetune`: `--recipe`, `--target`, `--private`, `--public`; a file's name
    means that the recipe itself is in the environment."""
    program = next((one for one in PROGRAMS if tuple(words[: len(one)]) == one), None)
    if program is None:
        raise BadReport(HOW)
    found: dict[str, str] = {}
    rest = iter(words[len(program) :])
    for word in rest:
        name, is_set, value = word.partition("=")
        if name in ("--recipe", "--target"):
            found[name[2:]] = value if is_set else _next(rest, name)
        elif word in ("--private", "--public"):
            found["visibility"] = word[2:]
        elif word.startswith("-") or not word.endswith(_FILES):
            taken = "--recipe, --target, --private and --public"
            raise BadReport(f"'tuneyard finetune' has no {word[:60]!r}: it takes {taken}.")
    return found


def _next(words: Iterator[str], name: str) -> str:
    value = next(words, None)
    if value is None:
        raise BadReport(f"{name} needs a value behind it.")
    return value


def _target(asked: str, namespace: str, recipe: Recipe) -> str:
    """`namespace/name`; where no name is asked for, one that says what was trained on what."""
    owner, _, name = asked.strip().rpartition("/")
    if owner and owner.lower() != namespace.lower():
        raise BadReport(f"A job of {namespace[:96]} publishes there, not to {asked[:120]!r}.")
    if not name:
        name = free_stem(namespace, "-".join(repo.rpartition("/")[2] for repo in recipe.repos))
    return f"{namespace}/{name}"


def _texts_by_name(body: dict[str, Any], name: str, allowed: tuple[str, ...] | None = None) -> dict[str, str]:
    found = mapping(body, name, 128 * 1024)
    for key, value in found.items():
        if allowed is not None and key not in allowed:
            raise BadReport(f"A fine-tune knows no environment variable but {' and '.join(allowed)}.")
        if not isinstance(value, str):
            raise BadReport(f"{name} must hold texts only.")
    return found
