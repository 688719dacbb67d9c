"""A run as the client's `JobInfo` reads it (section 17)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.models import Namespace
from models_app.api.wire import wire_time
from runs.flavors import Flavor
from runs.job_specs import IMAGE
from runs.labels import labels_of
from runs.models import Run
from runs.recipe_text import recipe_text


def job_json(run: Run) -> dict[str, Any]:
    """One job. Its command is one that submits the same run again; seconds are whole numbers."""
    target = run.target_repo.repo_id if run.target_repo else ""
    return {
        "id": str(run.uuid),
        "createdAt": wire_time(run.created_at),
        "startedAt": _time(run.claimed_at),
        "finishedAt": _time(run.finished_at),
        "dockerImage": IMAGE,
        "command": ["tuneyard", "finetune", "recipe.yaml"],
        "arguments": [],
        "environment": {"RECIPE": recipe_text(run), **({"TARGET": target} if target else {})},
        "secrets": {},
        "volumes": [],
        "flavor": run.flavor,
        "timeout": run.timeout_seconds,
        "labels": labels_of(run),
        "status": {"stage": str(run.stage), "message": _message(run)},
        "durations": _durations(run),
        "owner": _owner(run.namespace),
        "initiator": {"type": "user", "id": str(run.created_by.pk), "name": run.created_by.username},
    }


def hardware_json(flavor: Flavor) -> dict[str, Any]:
    """One flavor. What it is, the workers' machines decide; nothing costs anything here."""
    accelerator = {
        "type": "gpu",
        "model": "any",
        "quantity": "1",
        "vram": flavor.accelerator_memory,
        "manufacturer": "any",
    }
    return {
        "name": flavor.name,
        "prettyName": flavor.title,
        "cpu": "the worker's",
        "ram": "the worker's",
        "ephemeralStorage": "the worker's",
        "accelerator": accelerator if flavor.accelerator_memory else None,
        "unitCostMicroUSD": 0,
        "unitCostUSD": 0.0,
        "unitLabel": "minute",
    }


def _message(run: Run) -> str | None:
    if run.has_ended:
        return run.message or None
    if run.cancel_requested_at is not None:
        return "canceling"
    return run.activity or None


def _owner(namespace: Namespace) -> dict[str, str]:
    pk = namespace.organization_id if namespace.is_organization else namespace.user_id
    return {"id": str(pk), "name": namespace.name, "type": "org" if namespace.is_organization else "user"}


def _durations(run: Run) -> dict[str, int | None]:
    """Of the attempt that counts: one that was lost has left no times."""
    end = run.finished_at or timezone.now()
    started = run.claimed_at
    return {
        "schedulingSecs": _seconds(run.created_at, started) if started else None,
        "runningSecs": _seconds(started, end) if started else None,
        "totalSecs": _seconds(run.created_at, end),
    }


def _seconds(start: datetime, end: datetime) -> int:
    return max(0, int((end - start).total_seconds()))


def _time(moment: datetime | None) -> str | None:
    return wire_time(moment) if moment else None
