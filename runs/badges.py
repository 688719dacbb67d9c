"""What runs say of badges: whose work others repeated, and whose recipes they use. Public runs only."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from accounts.actor import ANONYMOUS
from models_app.actions.badges import measured, put_badges
from models_app.badges import Known, RecipeUse, Repeated, earned_by
from models_app.models import EvalResult
from models_app.verified import verified_results
from runs.models import Run, Stage

# Of those who ran the same before, so many are compared with.
MAX_FIRSTS = 20


def rebuild_badges() -> tuple[int, int]:
    """Bring all badges to what is earned now; how many were given and taken."""
    results = _results_of_runs()
    known = Known(measured(), list(_repeated(results)), list(_uses(results)))
    return put_badges(earned_by(known))


def _results_of_runs() -> dict[str, list[EvalResult]]:
    """Verified results by the run that measured them."""
    found: dict[str, list[EvalResult]] = defaultdict(list)
    rows = verified_results(ANONYMOUS).filter(run_uuid__isnull=False).select_related("repo")
    for row in rows.defer("source", "notes"):
        found[str(row.run_uuid)].append(row)
    return found


def _done() -> Any:
    return Run.objects.visible_to(ANONYMOUS).training().filter(stage=Stage.COMPLETED)


def _repeated(results: dict[str, list[EvalResult]]) -> list[Repeated]:
    """A run begun from somebody else's, or by the same commit of the same recipe, on the same base and data,
    beside the first of each."""
    columns = ("uuid", "created_by", "base_oid", "dataset_oid", "recipe_repo", "recipe_oid", "parent__uuid")
    runs = {str(row[0]): row[1:] for row in _done().order_by("pk").values_list(*columns)}
    groups: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    found: list[Repeated] = []
    for run, (by, base, data, recipe, oid, parent) in runs.items():
        if run not in results:
            continue
        firsts = groups[base, data, recipe, oid][:MAX_FIRSTS] if recipe is not None else []
        if parent is not None and runs.get(str(parent), (by,))[1:3] == (base, data):
            firsts = [*firsts, str(parent)]
        for first in dict.fromkeys(firsts):
            if runs[first][0] != by:
                found += _compared(results.get(first, []), results[run], by)
        if recipe is not None:
            groups[base, data, recipe, oid].append(run)
    return found


def _compared(first: list[EvalResult], again: list[EvalResult], by: int) -> list[Repeated]:
    """The pairs measured on one revision of one board."""
    return [
        Repeated(
            one.repo.namespace_id,
            one.repo_id,
            by,
            one.low is not None and one.high is not None and one.low <= other.value <= one.high,
        )
        for one in first
        for other in again
        if (one.benchmark_id, one.task_id, one.dataset_revision)
        == (other.benchmark_id, other.task_id, other.dataset_revision)
        and one.repo_id != other.repo_id
    ]


def _uses(results: dict[str, list[EvalResult]]) -> list[RecipeUse]:
    """Runs of shared recipes by people whose recipes they are not."""
    rows = _done().filter(recipe_repo__isnull=False, recipe_repo__private=False)
    columns = ("uuid", "created_by", "recipe_repo", "recipe_repo__namespace", "recipe_repo__namespace__user")
    return [
        RecipeUse(owner, recipe, by)
        for uuid, by, recipe, owner, person in rows.values_list(*columns)
        if by != person and str(uuid) in results
    ]
