"""Preflights over HTTP: what will a run need, before it is queued?"""

from __future__ import annotations

import uuid as uuids
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from rest_framework.response import Response

from models_app.api.wire import error_response
from runs import payloads, preflights, wishes
from runs.api import RunAPIView
from runs.estimates import Estimate, estimate
from runs.flavors import DEFAULT_FLAVOR
from runs.forecasts import for_run
from runs.models import Run, Stage

_STATES = {Stage.SCHEDULING: "waiting", Stage.RUNNING: "running", Stage.COMPLETED: "done"}


class PreflightAPIView(RunAPIView):
    """Adds the refusal of preflights to those of runs."""

    def refuse(self, error: Exception) -> HttpResponseBase:
        if isinstance(error, preflights.TooManyPreflights):
            return error_response(429, error.message)
        return super().refuse(error)


class PreflightsView(PreflightAPIView):
    """`POST /api/preflights`: 200 with the forecast where the shape was measured before, else 202."""

    def post(self, request: HttpRequest) -> Response:
        body = payloads.read_object(request)
        wishes.only(body, ("recipe", "flavor", "namespace"))
        asked = preflights.ask(
            self.actor,
            recipe=wishes.recipe_in(body),
            flavor=payloads.text(body, "flavor", 32, DEFAULT_FLAVOR),
            namespace=payloads.text(body, "namespace", 96) or None,
        )
        if asked.run is not None:
            return Response(preflight_json(asked.run), 202)
        found = estimate(asked.forecast, asked.flavor, asked.namespace)
        return Response({"state": "done", "flavor": asked.flavor, **estimate_json(found)})


class PreflightView(PreflightAPIView):
    """`GET /api/preflights/{uuid}`: waiting, running, done with its forecast, or failed with a sentence."""

    def get(self, request: HttpRequest, uuid: uuids.UUID) -> Response:
        return Response(preflight_json(preflights.access_preflight(self.actor, uuid)))


def preflight_json(run: Run) -> dict[str, Any]:
    """One preflight as scripts see it."""
    state = _STATES.get(Stage(run.stage), "failed")
    plain: dict[str, Any] = {
        "id": str(run.uuid),
        "url": f"{settings.HUB_PUBLIC_URL}/api/preflights/{run.uuid}",
        "state": state,
        "flavor": run.flavor,
    }
    if state == "failed":
        plain |= {"messageId": run.message_id, "message": run.message or "It was canceled."}
    if state == "done":
        plain |= estimate_json(estimate(run.summary.get("forecast") or {}, run.flavor, run.namespace))
    return plain


def estimate_json(found: Estimate) -> dict[str, Any]:
    """The forecast and what follows from it: does it fit, which change would, what does it cost."""
    change = found.verdict.change
    return {
        "forecast": for_run(found.forecast),
        "fits": found.verdict.fits,
        "memoryLimitBytes": found.room.memory,
        "gpuMemoryBytes": found.room.gpu_memory,
        "change": change and {"fields": change.fields, "needsBytes": change.needs},
        "cost": found.cost and {"amount": str(found.cost.amount), "currency": found.cost.currency},
    }
