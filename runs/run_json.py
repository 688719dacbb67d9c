"""Runs as scripts see them; times as everywhere on the wire, progress in optimizer steps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings

from accounts.actor import Actor
from models_app.api.wire import wire_time
from models_app.models import Repo
from runs.diagnoses import diagnosis_json
from runs.labels import labels_of
from runs.models import Attempt, Run
from runs.queue import place_json, place_of
from runs.sweep_access import visible_sweeps

MAX_ATTEMPTS = 100
MAX_ACTIVITIES = 1000


def run_json(run: Run) -> dict[str, Any]:
    """One run, as it is in lists."""
    repos = {"base": run.base_repo, "dataset": run.dataset_repo, "benchmark": run.benchmark_repo}
    oids = {"base": run.base_oid, "dataset": run.dataset_oid, "benchmark": run.benchmark_oid}
    return {
        "id": str(run.uuid),
        "kind": run.kind,
        "url": settings.HUB_PUBLIC_URL + run.get_absolute_url(),
        "namespace": run.namespace.name,
        "stage": run.stage,
        "activity": run.activity,
        "messageId": run.message_id,
        "message": run.message,
        "flavor": run.flavor,
        "recipe": run.recipe,
        **{name: {"repo": repo.repo_id, "oid": oids[name]} if repo else None for name, repo in repos.items()},
        "target": {"repo": run.target_repo.repo_id, "type": "model"} if run.target_repo else None,
        "resultOid": run.result_oid or None,
        "attempt": run.attempt,
        "progress": {"step": run.progress_step, "total": run.progress_total},
        "cancelRequested": run.cancel_requested_at is not None,
        "timeoutSeconds": run.timeout_seconds,
        "createdBy": run.created_by.username,
        "createdAt": wire_time(run.created_at),
        "startedAt": _time(run.claimed_at),
        "finishedAt": _time(run.finished_at),
        "summary": run.summary,
    }


def run_detail(actor: Actor, run: Run) -> dict[str, Any]:
    """One run with everything that is kept of it, but for log and curves."""
    attempts = list(run.attempts.all()[:MAX_ATTEMPTS])
    activities = list(run.activities.all()[:MAX_ACTIVITIES])
    return run_json(run) | {
        "labels": labels_of(run),
        "recipeRepo": _recipe_repo(actor, run),
        "parent": _parent(actor, run),
        "sweep": _sweep(actor, run),
        "worker": run.worker.name if run.worker else None,
        "place": place_json(place_of(run)),
        "checkpoint": checkpoint_json(run),
        "forecast": run.forecast or None,
        "diagnosis": diagnosis_json(run),
        "attempts": [_attempt_json(attempt) for attempt in attempts],
        "timeline": [
            {"attempt": row.attempt, "activity": row.name, "at": wire_time(row.at)} for row in activities
        ],
    }


def checkpoint_json(run: Run) -> dict[str, Any] | None:
    """The newest checkpoint that the hub keeps, from which the run can go on."""
    if run.checkpoint_step is None:
        return None
    return {"step": run.checkpoint_step, "bytes": run.checkpoint_bytes, "at": _time(run.checkpoint_at)}


def _parent(actor: Actor, run: Run) -> str | None:
    if run.parent_id is None:
        return None
    found = Run.objects.visible_to(actor).filter(pk=run.parent_id).values_list("uuid", flat=True).first()
    return str(found) if found else None


def _recipe_repo(actor: Actor, run: Run) -> dict[str, Any] | None:
    """The shared recipe that it began with, where the reader may see it."""
    if run.recipe_repo_id is None:
        return None
    seen = Repo.objects.visible_to(actor).select_related("namespace")
    repo = seen.filter(pk=run.recipe_repo_id).first()
    return {"repo": repo.repo_id, "oid": run.recipe_oid} if repo else None


def _sweep(actor: Actor, run: Run) -> dict[str, Any] | None:
    sweep = visible_sweeps(actor).filter(pk=run.sweep_id).first() if run.sweep_id is not None else None
    if sweep is None:
        return None
    return {"id": str(sweep.uuid), "name": sweep.name, "index": run.sweep_index}


def _attempt_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "worker": attempt.worker_name,
        "flavor": attempt.flavor,
        "startedAt": wire_time(attempt.started_at),
        "endedAt": _time(attempt.ended_at),
        "outcome": attempt.outcome or None,
        "messageId": attempt.message_id,
        "message": attempt.message,
        "fromStep": attempt.from_step,
        "seconds": attempt.seconds,
        "chargedSeconds": attempt.charged_seconds,
    }


def _time(moment: datetime | None) -> str | None:
    return wire_time(moment) if moment else None
