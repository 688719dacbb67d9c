"""What people do with sweeps: queue many settings of one recipe at once, add more, stop them all."""

from __future__ import annotations

import re
import uuid as uuids
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.actor import Actor, Level
from models_app.access import Forbidden, LoginRequired, access_namespace
from models_app.actions.locking import check_credential
from models_app.actions.refusals import InvalidInput
from models_app.actions.repos import check_repo_name, remove_git
from models_app.models import Repo
from runs import actions
from runs.flavors import DEFAULT_FLAVOR
from runs.freezing import freeze
from runs.labels import labels_of
from runs.models import Run, Stage, Sweep
from runs.ties import Ties
from training.axes import MAX_PROBLEMS, Point, judge, key_of, plain_axes, points_of, read_axes, values_at
from training.recipe import Problem, Recipe, RecipeError, parse_recipe

# Of one sweep, with all that was added to it; at once as many as `training.axes.MAX_POINTS`.
MAX_RUNS = 1000
LONGEST_NAME = 90


@dataclass(frozen=True)
class Wish:
    """What every run of the sweep shares, as `actions.submit` takes it."""

    flavor: str = DEFAULT_FLAVOR
    private: bool | None = None
    timeout_seconds: int | None = None
    labels: Mapping[str, str] | None = None


NO_WISH = Wish()


@dataclass(frozen=True)
class Plan:
    """What is going to be run."""

    axes: dict[str, Any]
    points: list[Point]


def submit_sweep(
    actor: Actor,
    *,
    recipe: Recipe,
    axes: Mapping[str, Any],
    name: str = "",
    namespace: str | None = None,
    mode: str = "grid",
    samples: int | None = None,
    wish: Wish = NO_WISH,
    uuid: uuids.UUID | None = None,
) -> Sweep:
    """Queue one run for each point of the axes, publishing to `{name}-1`, `{name}-2` …: all, or none.

    Every run has the same commits. `name` empty: one that says what is trained on what. Raises RecipeError
    with every problem, those of values by axis and value (`axes.optim.lr`); what `actions.submit` raises.
    """
    if actor.user is None:
        raise LoginRequired("Sign in to start a sweep.")
    if actor.token is not None and actor.token.scopes.get("run"):
        raise Forbidden("A run's own token cannot start a sweep.")
    place = access_namespace(actor, namespace or None, Level.WRITE)
    stem = name.strip() or free_sweep_name(place.name, recipe)
    problems = [*_name_problems(stem), *_study_problems(recipe)]
    frozen = freeze(actor, recipe, problems)
    plan = planned(recipe, axes, mode=mode, samples=samples, problems=problems)
    if problems or frozen is None:
        raise RecipeError(problems)
    # Before the transaction: on SQLite nobody else writes while it lasts.
    recipes, _ = judge(frozen.recipe, plan.points)
    with _all_or_none() as made, transaction.atomic():
        sweep = Sweep.objects.create(
            namespace=place,
            created_by=actor.user,
            name=stem,
            recipe=frozen.recipe.as_dict(),
            axes=plan.axes,
            **({"uuid": uuid} if uuid is not None else {}),
        )
        _queue(actor, sweep, recipes, wish, first=0, made=made)
    return sweep


def extend_sweep(
    actor: Actor,
    *,
    sweep: Sweep,
    axes: Mapping[str, Any] | None = None,
    samples: int | None = None,
) -> Sweep:
    """Queue what more values make: `axes` are added to those there are, `samples` drawn anew from them.

    Settings that were tried are not tried again. The runs are like the first one's: same commits, hardware
    and visibility. Raises as `submit_sweep`.
    """
    with _all_or_none() as made, transaction.atomic():
        check_credential(actor)
        row = Sweep.objects.select_for_update().get(pk=sweep.pk)
        recipe, merged = parse_recipe(row.recipe), _merged(row.axes, axes or {})
        past = list(row.runs.order_by("sweep_index").values_list("recipe", "sweep_index"))
        tried = [values_at(plain, list(merged)) for plain, _ in past]
        problems: list[Problem] = []
        mode = "grid" if samples is None else "random"
        plan = planned(recipe, merged, mode=mode, samples=samples, problems=problems, past=tried)
        if not problems and not plan.points:
            problems.append(Problem("axes", "axes: all these settings are in the sweep already."))
        if len(past) + len(plan.points) > MAX_RUNS:
            problems.append(Problem("axes", f"axes: a sweep has at most {MAX_RUNS:,} runs."))
        if problems:
            raise RecipeError(problems)
        row.axes = plan.axes
        row.save(update_fields=["axes"])
        first = max((index for _, index in past if index is not None), default=-1) + 1
        recipes, _ = judge(recipe, plan.points)
        _queue(actor, row, recipes, _wish_of(row), first=first, made=made)
    return row


def cancel_sweep(actor: Actor, *, sweep: Sweep) -> int:
    """Stop every run that is not over, waiting ones first so that none begins meanwhile; how many there were.

    Raises RunHasEnded when there is none.
    """
    left = Run.objects.active().filter(sweep=sweep).select_related("created_by", "target_repo")
    waiting = left.filter(stage=Stage.SCHEDULING).order_by("-sweep_index")
    count = 0
    for run in [*waiting, *left.filter(stage=Stage.RUNNING)]:
        try:
            actions.cancel(actor, run=run)
        except actions.RunHasEnded:
            continue
        count += 1
    if not count:
        raise actions.RunHasEnded("Every run of this sweep has ended already.")
    return count


def planned(
    recipe: Recipe,
    axes: Mapping[str, Any],
    *,
    mode: str,
    samples: int | None,
    problems: list[Problem],
    past: Sequence[Point] = (),
) -> Plan:
    """The axes as they are kept and the points in the order to be queued; notes every problem, and has no
    points where there is one."""
    space, found = read_axes(recipe, axes)
    problems += found
    if found:
        return Plan({}, [])
    try:
        points = points_of(space, mode=mode, samples=samples, past=past)
    except RecipeError as error:
        problems += error.problems
        return Plan(plain_axes(space), [])
    _, wrong = judge(recipe, points)
    problems += wrong
    return Plan(plain_axes(space), [] if wrong else points)


def free_sweep_name(namespace: str, recipe: Recipe) -> str:
    """A name like `mobilenetv2-mnist-5k-sweep` of which no numbered model is there yet."""
    stem = "-".join(repo.rpartition("/")[2] for repo in recipe.repos)
    stem = re.sub(r"[^A-Za-z0-9._]+", "-", stem)[:70].strip("-.") + "-sweep"
    taken = Repo.objects.models().filter(namespace__name__iexact=namespace, name__istartswith=stem)
    names = {re.sub(r"-\d+$", "", name.lower()) for name in taken.values_list("name", flat=True)}
    others = (f"{stem}{count}" for count in range(2, 10_000))
    return next(name for name in (stem, *others) if name.lower() not in names)


def _queue(
    actor: Actor, sweep: Sweep, recipes: Sequence[Recipe], wish: Wish, *, first: int, made: list[Run]
) -> None:
    """Submit the recipes as runs; raises RecipeError with the problems of all of them."""
    problems: dict[str, Problem] = {}
    for index, recipe in enumerate(recipes, first):
        try:
            made.append(_submit(actor, sweep, recipe, index, wish))
        except RecipeError as error:
            problems |= {problem.message: problem for problem in error.problems}
        if len(problems) >= MAX_PROBLEMS:
            break
    if problems:
        raise RecipeError(list(problems.values()))


def _submit(actor: Actor, sweep: Sweep, recipe: Recipe, index: int, wish: Wish) -> Run:
    return actions.submit(
        actor,
        recipe=recipe,
        target=f"{sweep.namespace.name}/{sweep.name}-{index + 1}",
        flavor=wish.flavor,
        private=wish.private,
        timeout_seconds=wish.timeout_seconds,
        labels=wish.labels,
        ties=Ties(sweep=sweep, sweep_index=index),
    )


@contextmanager
def _all_or_none() -> Iterator[list[Run]]:
    """What the database takes back when a transaction fails, the disk keeps: git folders of new repos."""
    made: list[Run] = []
    try:
        yield made
    except BaseException:
        repos = {run.target_repo.pk: run.target_repo for run in made if run.target_repo is not None}
        kept = set(Repo.objects.filter(pk__in=repos).values_list("pk", flat=True))
        for pk, repo in repos.items():
            if pk not in kept:
                remove_git(repo)
        raise


def _merged(present: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """Both axes as one: values of lists together, each once; a range that is told again is the new one."""
    merged = dict(present)
    for name, values in added.items():
        known = merged.get(name)
        if isinstance(known, list) and isinstance(values, list):
            keys = {key_of({"": value}) for value in known}
            values = [*known, *(value for value in values if key_of({"": value}) not in keys)]
        merged[str(name)] = values
    return merged


def _wish_of(sweep: Sweep) -> Wish:
    """As the sweep's first run was asked for."""
    run = sweep.runs.select_related("target_repo").order_by("sweep_index").first()
    if run is None:
        return NO_WISH
    private = run.target_repo.private if run.target_repo is not None else None
    seconds = run.timeout_seconds if actions.is_shorter(run.timeout_seconds) else None
    return Wish(run.flavor, private, seconds, labels_of(run))


def _name_problems(stem: str) -> Iterator[Problem]:
    longest = f"{stem}-{MAX_RUNS}"
    if len(stem) > LONGEST_NAME:
        yield Problem("name", f"name: a sweep's name has at most {LONGEST_NAME} characters.")
        return
    try:
        check_repo_name(longest)
    except InvalidInput as refusal:
        yield Problem("name", f"name: {refusal.message}")


def _study_problems(recipe: Recipe) -> Iterator[Problem]:
    if recipe.study is not None:
        text = "study: a sweep tries settings by itself; leave study out, or submit the recipe as one run."
        yield Problem("study", text)
