"""Up to five models side by side: what stands above them, and where they were measured. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.db.models import Q

from models_app.leaderboards import task_of
from models_app.lineage import Kin, Parents, ancestors_of
from models_app.models import EvalResult, Repo, RepoType

if TYPE_CHECKING:
    from accounts.actor import Actor

MAX_MODELS = 5
MAX_RESULTS = 500
_UNREAD = ("card__html", "card__siblings", "card__search_text")


@dataclass(frozen=True)
class Chosen:
    """The models asked for that the actor may see, as asked; `missing` are not here, or not to be seen."""

    repos: list[Repo]
    missing: list[str]
    too_many: int

    @property
    def ids(self) -> list[str]:
        return [repo.repo_id for repo in self.repos]


def chosen(actor: Actor, names: Iterable[str]) -> Chosen:
    """One query. What cannot be seen and what does not exist look alike."""
    plain = [name.strip() for name in names]
    wanted = list({name.lower(): name for name in plain if name}.values())
    first = [name for name in wanted[:MAX_MODELS] if "\0" not in name and "/" in name]
    condition = Q(pk__in=[])
    for name in first:
        namespace, _, last = name.lower().partition("/")
        condition |= Q(namespace__name__lower=namespace, name__lower=last)
    rows = (
        Repo.objects.visible_to(actor).of_type(RepoType.MODEL).filter(condition).for_lists().defer(*_UNREAD)
    )
    found = {repo.repo_id.lower(): repo for repo in rows} if first else {}
    repos = [found[name.lower()] for name in first if name.lower() in found]
    missing = [name[:200] for name in wanted[:MAX_MODELS] if name.lower() not in found]
    return Chosen(repos, missing, max(0, len(wanted) - MAX_MODELS))


@dataclass(frozen=True)
class Above:
    """What stands above a model: the bases it names, and the licences of all its ancestors."""

    bases: list[Kin]
    licences: list[str]


def above(repos: Sequence[Repo], actor: Actor) -> dict[int, Above]:
    """For every model by its key; a query a generation for all of them together."""
    parents, _all = ancestors_of([repo.pk for repo in repos], actor)
    return {
        repo.pk: Above(parents.get(repo.pk, []), list(_licences(repo.pk, parents, set()))) for repo in repos
    }


def _licences(key: int, parents: Parents, passed: set[int]) -> Iterable[str]:
    passed.add(key)
    for kin in parents.get(key, []):
        if kin.license:
            yield kin.license
        if kin.key is not None and kin.key not in passed:
            yield from _licences(kin.key, parents, passed)


@dataclass(frozen=True)
class Measured:
    """One board's task with each model's result (None: not measured there), in the order of the models."""

    dataset: str
    task: dict[str, Any]
    address: str
    results: list[EvalResult | None]

    @property
    def count(self) -> int:
        return sum(result is not None for result in self.results)

    @property
    def higher_is_better(self) -> bool:
        return bool(self.task.get("higher_is_better", True))


def measured_of(repos: Sequence[Repo], actor: Actor) -> list[Measured]:
    """The boards, those with most of the models first; of several results of one model a verified one counts,
    then the best. One query."""
    rows = EvalResult.objects.filter(repo__in=[repo.pk for repo in repos], benchmark__isnull=False)
    seen = rows.filter(Repo.objects.visible_to(actor).behind("benchmark__repo"))
    grouped: dict[tuple[int, str], dict[int, EvalResult]] = {}
    for row in seen.select_related("benchmark__repo__namespace").order_by("pk")[:MAX_RESULTS]:
        held = grouped.setdefault((row.benchmark_id or 0, row.task_id), {})
        task = task_of(row.benchmark, row.task_id) if row.benchmark else None
        if task is not None and is_stronger(row, held.get(row.repo_id), task):
            held[row.repo_id] = row
    made = [_measured(list(held.values()), held, repos) for held in grouped.values() if held]
    return sorted(made, key=lambda one: -one.count)


def is_stronger(one: EvalResult, other: EvalResult | None, task: dict[str, Any]) -> bool:
    """Whether this result stands for its model rather than the other."""
    if other is None or one.verified != other.verified:
        return other is None or one.verified
    return one.value > other.value if task.get("higher_is_better", True) else one.value < other.value


def _measured(any_of: list[EvalResult], held: dict[int, EvalResult], repos: Sequence[Repo]) -> Measured:
    first = any_of[0]
    assert first.benchmark is not None
    data = first.benchmark.repo
    address = f"/leaderboards/{data.repo_id}?{urlencode({'task': first.task_id})}"
    task = task_of(first.benchmark, first.task_id) or {}
    return Measured(data.repo_id, task, address, [held.get(repo.pk) for repo in repos])
