"""A run as a part of another page: what it shows, and the part asked for alone while the run goes on."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.actor import Actor
from models_app.access import Refusal
from models_app.views.support import HubRequest, page
from runs.access import access_run
from runs.curves import curves_of
from runs.models import Stage
from runs.progress import result_of

SHOWN_CURVES = 2


def embed_context(actor: Actor, uuid: str | uuids.UUID) -> dict[str, Any]:
    """What is shown of the run; `run` is None where the gate says no."""
    try:
        run = access_run(actor, uuid)
    except Refusal:
        return {"run": None}
    result = result_of(run, actor) if run.stage == Stage.COMPLETED else {}
    return {"run": run, "curves": curves_of(run)[:SHOWN_CURVES], "result": result}


@never_cache
@require_safe
@page
def embed(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """The same as a fragment, for an article that is open while the run goes on."""
    return render(request, "runs/_embed.html", embed_context(request.actor, uuid))
