"""What was measured of a model: each number with how far it can be trusted, and its place on its board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Count, F, FloatField, Max, Min, Q
from django.db.models.functions import Coalesce

from models_app.content.evals import DIGITS
from models_app.content.model_index import Claim, claims_of
from models_app.leaderboards import task_of
from models_app.models import EvalResult, Repo
from models_app.views.boards import ResultLine, results_of

if TYPE_CHECKING:
    from accounts.actor import Actor

VERIFIED, REPRODUCED, REPORTED = "verified", "reproduced", "self-reported"
# Places are counted for so many boards; a query each.
MAX_RANKED = 4
MAX_LINES = 30


@dataclass(frozen=True)
class Standing:
    """A result and its trust: verified by a run of this hub, reproduced (a verified number of the same model
    agrees with it), or self-reported. `rank` of `total` models on the board, where it was counted."""

    line: ResultLine
    trust: str
    rank: int | None = None
    total: int = 0

    @property
    def result(self) -> EvalResult:
        return self.line.result

    @property
    def run_address(self) -> str:
        """The run that measured it; only a verified result may name one."""
        return f"/runs/{self.result.run_uuid}" if self.result.verified and self.result.run_uuid else ""


@dataclass(frozen=True)
class Standings:
    """`claims` are numbers of the card alone."""

    rows: list[Standing]
    claims: list[Claim]
    more: int = 0


def standings_of(repo: Repo, metadata: Mapping[str, Any], actor: Actor) -> Standings:
    """The trusted ones first."""
    lines = results_of(repo, actor)
    told = [Standing(line, trust_of(line, lines)) for line in lines]
    told.sort(key=lambda one: (VERIFIED, REPRODUCED, REPORTED).index(one.trust))
    shown = _with_ranks(told[:MAX_LINES], actor)
    return Standings(shown, claims_of(metadata), max(0, len(told) - MAX_LINES))


def trust_of(line: ResultLine, lines: Sequence[ResultLine]) -> str:
    """How far the number can be trusted, given all that was measured of the model."""
    result = line.result
    if result.verified:
        return VERIFIED
    for other in lines:
        same = (other.result.dataset_id.lower(), other.result.task_id)
        if other.result.verified and same == (result.dataset_id.lower(), result.task_id):
            low, high = other.interval or (other.result.value, other.result.value)
            if low - 10**-DIGITS <= result.value <= high + 10**-DIGITS:
                return REPRODUCED
    return REPORTED


def _with_ranks(rows: list[Standing], actor: Actor) -> list[Standing]:
    done: dict[tuple[int, str], tuple[int, int]] = {}
    ranked = []
    for row in rows:
        key = (row.result.benchmark_id or 0, row.result.task_id)
        if row.line.board is None or (key not in done and len(done) >= MAX_RANKED):
            ranked.append(row)
            continue
        if key not in done:
            done[key] = rank_of(row.result, actor)
        rank, total = done[key]
        ranked.append(Standing(row.line, row.trust, rank, total))
    return ranked


def rank_of(result: EvalResult, actor: Actor) -> tuple[int, int]:
    """(rank of the result's model, how many models) on its board as the actor sees it; two queries.

    As `leaderboards.leaderboard` ranks: of each model its best verified number, else its best of all.
    """
    benchmark = result.benchmark
    if benchmark is None:
        return 0, 0
    task = task_of(benchmark, result.task_id) or {}
    higher = bool(task.get("higher_is_better", True))
    best = Max if higher else Min
    rows = EvalResult.objects.filter(
        Repo.objects.visible_to(actor).behind("repo"), benchmark=benchmark, task_id=result.task_id
    )
    checked = best("value", filter=Q(verified=True), output_field=FloatField())
    models = rows.values("repo").annotate(own=Coalesce(checked, best("value")))
    own = models.filter(repo=result.repo_id).values_list("own", flat=True).order_by("repo").first()
    if own is None:
        return 0, 0
    step = 10**-DIGITS
    better = Q(own__gt=own + step) if higher else Q(own__lt=own - step)
    counted = models.aggregate(total=Count(F("repo")), better=Count(F("repo"), filter=better))
    return int(counted["better"]) + 1, int(counted["total"])
