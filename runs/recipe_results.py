"""What a recipe's page tells of its runs: a row for each board and data set, changed runs apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.db.models import F, Q

from accounts.actor import Actor
from models_app.models import EvalResult, Repo
from runs.models import ENDED, Run, Stage
from runs.recipe_costs import Cost
from runs.recipe_outcomes import Board, Measured, Outcome, boards_seen, outcome_of
from runs.recipe_source import Source

MAX_RUNS = 500
_Told = tuple[tuple[int, str] | None, Measured | None]


@dataclass
class Group:
    """Runs on one data set, measured on one board or on none. `dataset` None: not for the reader to see."""

    dataset: Repo | None
    board: Board | None
    is_exact: bool
    runs: list[Run] = field(default_factory=list)
    numbers: list[Measured] = field(default_factory=list)
    seeds: set[int] = field(default_factory=set)
    cost: Cost = field(default_factory=Cost)

    @property
    def outcome(self) -> Outcome | None:
        return outcome_of(self.board, self.numbers) if self.board and self.numbers else None

    @property
    def spread(self) -> tuple[float, float] | None:
        """The smallest and the largest number, where there were several seeds."""
        values = [number.value for number in self.numbers]
        return (min(values), max(values)) if len(values) > 1 and len(self.seeds) > 1 else None

    @property
    def completed(self) -> int:
        return sum(run.stage == Stage.COMPLETED for run in self.runs)

    @property
    def waiting(self) -> int:
        return sum(run.stage not in ENDED for run in self.runs)


@dataclass(frozen=True)
class Results:
    """`exact`: runs of the recipe as it stands; `changed`: those that began with it and changed something, or
    followed an earlier version."""

    exact: list[Group]
    changed: list[Group]
    total: int
    is_cut: bool


def results_of(actor: Actor, source: Source) -> Results:
    """The newest 500 runs of a recipe that the actor may see. Four queries."""
    fingerprint = source.facts.fingerprint
    condition = Q(recipe_repo=source.repo) if source.repo is not None else Q(pk__in=[])
    if fingerprint:
        condition |= Q(recipe_fingerprint=fingerprint)
        condition |= Q(recipe_fingerprint="", target_repo__recipe__fingerprint=fingerprint)
    runs = Run.objects.visible_to(actor).training().filter(condition).for_pages()
    found = list(runs.annotate(kept=F("target_repo__recipe__fingerprint")).order_by("-pk")[: MAX_RUNS + 1])
    groups = list(_groups(actor, found[:MAX_RUNS], fingerprint))
    ordered = sorted(groups, key=lambda group: (group.board is None, -len(group.numbers), -len(group.runs)))
    exact = [group for group in ordered if group.is_exact]
    changed = [group for group in ordered if not group.is_exact]
    return Results(exact, changed, min(len(found), MAX_RUNS), len(found) > MAX_RUNS)


def _groups(actor: Actor, runs: Sequence[Run], fingerprint: str) -> Iterator[Group]:
    seen = Repo.objects.visible_to(actor).filter(pk__in={run.dataset_repo_id for run in runs})
    datasets = {repo.pk: repo for repo in seen.select_related("namespace")}
    numbers = _numbers(actor, runs)
    boards = boards_seen(actor, {key for found in numbers.values() for key, _number in found if key})
    groups: dict[tuple[int, tuple[int, str] | None, bool], Group] = {}
    for run in runs:
        is_exact = bool(fingerprint) and (run.recipe_fingerprint or getattr(run, "kept", "")) == fingerprint
        told: list[_Told] = [one for one in numbers.get(str(run.uuid), []) if one[0] in boards]
        data = datasets.get(run.dataset_repo_id or 0)
        for key, number in told or [(None, None)]:
            place = (data.pk if data else 0, key, is_exact)
            if place not in groups:
                groups[place] = Group(data, boards[key] if key else None, is_exact)
            _add(groups[place], run, number)
    yield from groups.values()


def _add(group: Group, run: Run, number: Measured | None) -> None:
    group.runs.append(run)
    group.cost.add(run)
    if number is not None:
        group.numbers.append(number)
        group.seeds.add(int(run.recipe.get("seed") or 0))


def _numbers(actor: Actor, runs: Sequence[Run]) -> dict[str, list[_Told]]:
    """By a run's id what it measured, each number with its board; only what this hub has signed."""
    rows = EvalResult.objects.filter(
        verified=True,
        benchmark__isnull=False,
        run_uuid__in=[run.uuid for run in runs],
        repo__in=Repo.objects.visible_to(actor),
    ).values_list("run_uuid", "benchmark_id", "task_id", "value", "low", "high")
    found: dict[str, list[_Told]] = defaultdict(list)
    for uuid, benchmark, task_id, value, low, high in rows:
        found[str(uuid)].append(((benchmark, task_id), Measured(value, low, high, uuid)))
    return found
