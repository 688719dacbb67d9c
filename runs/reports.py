"""What a worker says about the run in its hands: progress, curves, log lines, the evaluation, the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from models_app.files import git_store
from models_app.leaderboards import metric_of
from models_app.proofs import sign_result
from models_app.storage.errors import RevisionNotFound
from runs import checkpoints
from runs.evaluations import Score, score_of
from runs.forecast_reading import NoForecast
from runs.lifecycle import NotYourRun, finish_run, put_back
from runs.measurements import keep_forecast
from runs.models import Kind, Run, RunActivity, RunLog, Stage, Tier, Worker
from runs.points import keep_points
from runs.published import carries_run

MAX_LOG_LINES = 20_000
MAX_LOG_CHARS = 2000
MAX_ACTIVITIES = 500
MAX_ACTIVITY_CHARS = 40


class BadReport(Exception):
    """What the worker sent makes no sense; the text says what."""


@dataclass(frozen=True)
class Metric:
    step: int
    name: str
    value: float


@dataclass(frozen=True)
class LogLine:
    seq: int
    at: datetime
    text: str


@transaction.atomic
def report(
    run: Run,
    *,
    attempt: int,
    activity: str | None = None,
    step: int | None = None,
    total_steps: int | None = None,
    metrics: Sequence[Metric] = (),
    logs: Sequence[LogLine] = (),
) -> bool:
    """Note that the worker lives, and what it says; True when it should cancel. Raises NotYourRun.

    Sending the same report twice changes nothing. A step lower than before means that a new attempt started
    over, so the part of the curves that it will draw again is forgotten.
    """
    now = timezone.now()
    changes: dict[str, Any] = {"heartbeat_at": now}
    if activity is not None:
        changes["activity"] = activity[:MAX_ACTIVITY_CHARS]
    if step is not None:
        changes["progress_step"] = step
        if step < run.progress_step:
            run.metrics.filter(step__gt=step).delete()
        if run.checkpoint_step is not None and step < run.checkpoint_step:
            checkpoints.forget(run)
    if total_steps is not None:
        changes["progress_total"] = total_steps
    if not Run.objects.filter(pk=run.pk, stage=Stage.RUNNING, attempt=attempt).update(**changes):
        raise NotYourRun("This run has moved on without you.")
    if run.worker_id:
        Worker.objects.filter(pk=run.worker_id).update(last_seen_at=now)
    _keep_activity(run, attempt, changes.get("activity", run.activity))
    keep_points(run, metrics)
    _keep_logs(run, attempt, logs)
    return Run.objects.filter(pk=run.pk, cancel_requested_at__isnull=False).exists()


def _keep_activity(run: Run, attempt: int, activity: str) -> None:
    """A row of the timeline when the worker does something else than before; a babbler gets only so many."""
    if activity != run.activity and run.activities.count() < MAX_ACTIVITIES:
        RunActivity.objects.create(run=run, attempt=attempt, name=activity)


def _keep_logs(run: Run, attempt: int, logs: Sequence[LogLine]) -> None:
    lines = [line for line in logs if line.seq < MAX_LOG_LINES]
    rows = [
        RunLog(run=run, attempt=attempt, seq=line.seq, at=line.at, text=line.text[:MAX_LOG_CHARS])
        for line in lines
    ]
    RunLog.objects.bulk_create(rows, ignore_conflicts=True)


@transaction.atomic
def record_result(run: Run, *, attempt: int, evaluation: dict[str, Any]) -> dict[str, Any]:
    """Keep the measured result and answer `{"proof", "date", "metric", "value"}`, what makes it verified on a
    leaderboard. The proof is empty where the hub's operator does not answer for the machine: whoever owns it
    could have said any number.

    `evaluation` needs `n` (rows measured) and a number of the leaderboard's metric, which is its `value`
    where `metric` says so. Raises NotYourRun, BadReport.
    """
    if run.benchmark_repo is None:
        raise BadReport("This run has no benchmark to report a result of.")
    task_id = run.recipe["benchmark"]["task_id"]
    score = _measured(evaluation, metric_of(run.benchmark_repo, task_id))
    kept = {**run.summary, "evaluation": evaluation, "ranked_by": score.metric}
    if not Run.objects.filter(pk=run.pk, stage=Stage.RUNNING, attempt=attempt).update(
        summary=kept, heartbeat_at=timezone.now()
    ):
        raise NotYourRun("This run has moved on without you.")
    today = timezone.now().date().isoformat()
    proof = _proof(run, run.benchmark_repo.repo_id, task_id, score) if _is_trusted(run) else ""
    return {"proof": proof, "date": today, "metric": score.metric, "value": score.value}


def _is_trusted(run: Run) -> bool:
    return run.worker is not None and run.worker.tier == Tier.TRUSTED


def _proof(run: Run, dataset: str, task_id: str, score: Score) -> str:
    return sign_result(
        run=run,
        dataset=dataset,
        revision=run.benchmark_oid,
        task_id=task_id,
        value=score.value,
        count=score.count,
        interval=score.interval,
    )


def _measured(evaluation: dict[str, Any], metric: str) -> Score:
    score = score_of(evaluation, metric)
    if score is None:
        raise BadReport(f"evaluation must hold the leaderboard's {metric} as a number it can be.")
    if score.count is None:
        raise BadReport("evaluation.n must be the number of rows measured.")
    return score


def finish(
    run: Run,
    *,
    outcome: str,
    result_oid: str = "",
    message_id: str = "",
    message: str = "",
    summary: dict[str, Any] | None = None,
) -> None:
    """End the attempt as its worker asks. Raises NotYourRun, BadReport.

    `outcome` is completed, error, canceled or interrupted; the last lets another attempt take the run.
    """
    if outcome == "interrupted":
        if run.cancel_requested_at is None:
            put_back(run, lost=False)
            return
        outcome = "canceled"
    if outcome == "completed" and run.kind == Kind.PREFLIGHT:
        _finish_preflight(run, summary or {})
    elif outcome == "completed":
        _check_result(run, result_oid)
        finish_run(run, stage=Stage.COMPLETED, result_oid=result_oid, summary=summary)
    elif outcome == "canceled":
        finish_run(run, stage=Stage.CANCELED, summary=summary)
    elif outcome == "error":
        text = message or "The worker failed without saying why."
        finish_run(
            run, stage=Stage.ERROR, message_id=message_id or "worker:failed", message=text, summary=summary
        )
    else:
        raise BadReport("outcome must be completed, error, canceled or interrupted.")


@transaction.atomic
def _finish_preflight(run: Run, summary: dict[str, Any]) -> None:
    """What was measured is the result: there is no commit."""
    try:
        forecast = keep_forecast(run, summary.get("forecast"))
    except NoForecast as error:
        raise BadReport(str(error)) from None
    finish_run(run, stage=Stage.COMPLETED, summary={**summary, "forecast": forecast})


def _check_result(run: Run, oid: str) -> None:
    """A run is complete only when its commit is really there: no worker can declare victory in words."""
    if run.target_repo is None:
        raise BadReport("The target repo was deleted.")
    try:
        found = git_store(run.target_repo).resolve(oid)
    except RevisionNotFound:
        found = ""
    if len(oid) != 40 or found != oid or not carries_run(run, oid):
        raise BadReport("result_oid is not the commit of this run in its target repo.")


def finite(value: Any) -> bool:
    """Whether it is a number that a curve can show."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
