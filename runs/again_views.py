"""The buttons of a run that has ended: go on, try again from the start, the same once more beside it."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.actor import Actor, Level
from models_app.access import LoginRequired, Refusal
from models_app.views.support import HubRequest, page
from runs import actions, reviving
from runs.access import access_run
from runs.models import Run
from training.recipe import RecipeError


@require_POST
@page
def resume(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """Let the run go on from its checkpoint, and show it again."""
    found = access_run(request.actor, uuid, Level.WRITE)
    return _answer(request, found, lambda actor: reviving.resume(actor, run=found))


@require_POST
@page
def retry(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """Submit the run again as it was, from the start and to the same repo, and go to the new one."""
    found = access_run(request.actor, uuid, Level.WRITE)
    return _answer(request, found, lambda actor: actions.retry(actor, run=found))


@require_POST
@page
def clone(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """Submit the run again as it was, to a repo of its own, and go to the new one."""
    found = access_run(request.actor, uuid)
    return _answer(request, found, lambda actor: actions.clone(actor, run=found, to_own=True))


def _answer(request: HubRequest, run: Run, act: Callable[[Actor], Run]) -> HttpResponse:
    """The page of the run that came of it, or this run's with the sentence that says why none did."""
    shown = run
    try:
        shown = act(request.actor)
    except RecipeError as error:
        messages.error(request, _("It cannot be run again as it was: %(why)s") % {"why": error.message})
    except LoginRequired:
        raise
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return HttpResponseRedirect(shown.get_absolute_url())
