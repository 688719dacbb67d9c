"""The doctor at a run's bedside: reads what the doctor needs, and tells where its advice leads."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from runs.doctor import Diagnosis, diagnose
from runs.models import Run, Stage
from runs.patient import Action, Patient

READ_LINES = 400


def diagnosis_of(run: Run) -> Diagnosis | None:
    """What a failed run died of; None for every other."""
    if run.stage != Stage.ERROR:
        return None
    newest = run.logs.order_by("-attempt", "-seq").values_list("text", flat=True)[:READ_LINES]
    attempts = list(run.attempts.order_by("-number")[:20])[::-1]
    return diagnose(
        run.message_id,
        run.message,
        list(newest)[::-1],
        attempts,
        run.summary,
        patient=patient_of(run),
    )


def patient_of(run: Run) -> Patient:
    """The run as the doctor's advice needs it."""
    return Patient(
        recipe=run.recipe,
        step=run.progress_step,
        total=run.progress_total,
        timeout_seconds=run.timeout_seconds,
        longest_timeout_seconds=settings.HUB_RUN_TIMEOUT_SECONDS,
        checkpoint_step=run.checkpoint_step,
    )


def diagnosis_json(run: Run) -> dict[str, Any] | None:
    """The same for programs; `changes` maps fields of the recipe to new values. None unless it failed."""
    found = diagnosis_of(run)
    if found is None:
        return None
    action = found.action
    return {
        "cause": str(found.cause),
        "ours": found.is_ours,
        "sentence": found.sentence,
        "evidence": found.evidence,
        "nextStep": found.next_step,
        "action": {"kind": action.kind, "changes": dict(action.changes)} if action else None,
    }


def form_address(run: Run, action: Action) -> str:
    """The form filled in as the run was, but for the action's changes; empty where its base is gone."""
    if run.base_repo is None:
        return ""
    words = [("run", str(run.uuid))]
    words += [("change", f"{name}={json.dumps(value)}") for name, value in action.changes.items()]
    path = reverse("run-new", args=[run.base_repo.namespace.name, run.base_repo.name])
    return f"{path}?{urlencode(words)}"
