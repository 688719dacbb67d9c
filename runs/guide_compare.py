"""A number beside what it must beat: guessing, random weights, and what others reached on the same board."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext

from accounts.actor import Actor
from models_app.content.evals import lower_is_better
from models_app.leaderboards import leaderboard
from models_app.models import Benchmark, Repo
from runs.models import Run, Stage

NEIGHBOURS = 3


@dataclass(frozen=True)
class Beside:
    """One line of the comparison; `is_own` for this run's. `address` leads to the model, if there is one."""

    words: str
    value: float
    low: float | None = None
    high: float | None = None
    address: str = ""
    is_own: bool = False


def beside(run: Run, actor: Actor) -> list[Beside]:
    """The run's own number among the others, the best first; empty where nothing was measured."""
    score = run.score
    if score is None:
        return []
    own = Beside(gettext("Your model"), score.value, score.lo, score.hi, is_own=True)
    rows = [own, *_guessing(run, score.metric), *_scratch(run, actor, score.metric), *_board(run, actor)]
    sign = 1 if lower_is_better(score.metric) else -1
    return sorted(rows, key=lambda row: sign * row.value)


def verdict_words(rows: list[Beside]) -> str:
    """Whether the number beats guessing clearly, in a sentence; empty where there is nothing to compare."""
    own = next((row for row in rows if row.is_own), None)
    guess = next((row for row in rows if not row.is_own and not row.address), None)
    if own is None or guess is None:
        return ""
    floor = own.value if own.low is None else own.low
    if floor > guess.value:
        return gettext("It beats guessing by more than chance explains.")
    return gettext("It is not clearly better than guessing: look at the data before you trust it.")


def _guessing(run: Run, metric: str) -> Iterator[Beside]:
    """Always naming the commonest class, as far as the classes of the measured split are counted."""
    board = run.recipe.get("benchmark") or {}
    repo = Repo.objects.select_related("card").filter(pk=run.benchmark_repo_id or 0).first()
    if metric != "accuracy" or repo is None or not hasattr(repo, "card"):
        return
    split = str(board.get("split", "test"))
    counts = [int(one.get("splits", {}).get(split, 0)) for one in repo.card.preview.get("classes", [])]
    if sum(counts) and len([count for count in counts if count]) > 1:
        yield Beside(gettext("Always naming the commonest class"), max(counts) / sum(counts))


def _scratch(run: Run, actor: Actor, metric: str) -> Iterator[Beside]:
    """The best run of the same board that began with random weights."""
    if run.benchmark_repo_id is None:
        return
    rows = Run.objects.visible_to(actor).for_pages().filter(
        benchmark_repo=run.benchmark_repo_id, stage=Stage.COMPLETED, recipe__init="scratch"
    ).exclude(pk=run.pk)  # fmt: skip
    measured = [(one.score, one) for one in rows[:20]]
    alike = [(score, one) for score, one in measured if score is not None and score.metric == metric]
    if alike:
        pick = min if lower_is_better(metric) else max
        score, one = pick(alike, key=lambda pair: pair[0].value)
        yield Beside(
            gettext("Trained from random weights"), score.value, score.lo, score.hi, one.get_absolute_url()
        )


def _board(run: Run, actor: Actor) -> Iterator[Beside]:
    """The base model, if it was measured there, and the first of the others."""
    recipe: dict[str, Any] = run.recipe.get("benchmark") or {}
    seen = Repo.objects.visible_to(actor).filter(pk=run.benchmark_repo_id or 0)
    benchmark = Benchmark.objects.filter(repo__in=seen).select_related("repo__namespace").first()
    if benchmark is None:
        return
    rows = leaderboard(benchmark, str(recipe.get("task_id", "")), actor)
    others = [row for row in rows if row.result.repo_id != run.target_repo_id]
    shown = [row for row in others if row.result.repo_id == run.base_repo_id] + others[:NEIGHBOURS]
    for row in dict.fromkeys(shown):
        result = row.result
        words = (
            gettext("The base model, as it is") if result.repo_id == run.base_repo_id else result.repo.repo_id
        )
        yield Beside(words, result.value, result.low, result.high, result.repo.get_absolute_url())
