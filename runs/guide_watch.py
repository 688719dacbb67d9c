"""The fourth stage: the run as it goes on, what came of it, and what helps where it failed."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import parse_etags
from django.utils.translation import gettext

from accounts.actor import Actor
from models_app.access import LoginRequired, Refusal
from models_app.views.support import HubRequest
from runs import actions, guides, reviving
from runs.again import changed, without_commits
from runs.curves import curves_of
from runs.diagnoses import diagnosis_of
from runs.guide_compare import beside, verdict_words
from runs.guide_verdicts import verdict_of
from runs.guide_views import shown, stage, stage_address
from runs.guides import Way
from runs.loglines import log_of, wanted
from runs.models import Guide, GuideStage, Run, Stage
from runs.progress import progress_of, result_of, seconds_taken, state_tag
from runs.queue import place_tag
from runs.ties import Ties
from training.recipe import RecipeError, parse_recipe

STOP_POLLING = 286


@stage(GuideStage.EVALUATE, "GET", "HEAD")
def evaluate(request: HubRequest, way: Way) -> HttpResponse:
    """Live while the run goes on; then its number beside others, and whether it learned by heart."""
    assert way.run is not None
    guides.visited(way.guide, GuideStage.EVALUATE)
    context = _told(request.actor, way.run) | {"curves": curves_of(way.run)}
    return shown(request, way, GuideStage.EVALUATE, context)


@stage(GuideStage.EVALUATE, "GET", "HEAD")
def progress(request: HubRequest, way: Way) -> HttpResponse:
    """The part that is polled; 304 while nothing has changed, 286 when it was the last time."""
    run = way.run
    assert run is not None
    tag = state_tag(run, place_tag(run), "guide")
    given = parse_etags(request.headers.get("If-None-Match", ""))
    if tag in given or f"W/{tag}" in given:
        response = HttpResponse(status=304)
    else:
        context = _told(request.actor, run) | {"guide": way.guide, "way": way, "is_fragment": True}
        status = STOP_POLLING if run.has_ended else 200
        response = render(request, "guide/_watch.html", context, status=status)
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Cookie"
    return response


def _told(actor: Actor, run: Run) -> dict[str, Any]:
    is_done = run.stage == Stage.COMPLETED
    rows = beside(run, actor) if is_done else []
    return {
        "run": run,
        "progress": progress_of(run),
        "log": log_of(run, wanted("")),
        "taken": seconds_taken(run),
        "result": result_of(run, actor) if is_done else {},
        "beside": rows,
        "beside_words": verdict_words(rows),
        "verdict": verdict_of(run) if is_done else None,
        "validation": run.summary.get("metrics") if is_done else None,
    }


@stage(GuideStage.EVALUATE)
def remedy(request: HubRequest, way: Way) -> HttpResponse:
    """What the doctor advises, with one press: go on, try again, run again with the change; or `cancel`."""
    run = way.run
    assert run is not None
    here = stage_address(way.guide.uuid, GuideStage.EVALUATE)
    if request.method != "POST":  # an address that was kept while somebody signed in
        return HttpResponseRedirect(here)
    try:
        if "cancel" in request.POST:
            actions.cancel(request.actor, run=run)
        elif run.stage in reviving.FAILED and request.POST.get("run") == str(run.uuid):
            _again(request.actor, way.guide, run)
    except RecipeError as error:
        messages.error(request, gettext("It cannot be run again as it was: %(why)s") % {"why": error.message})
    except LoginRequired:
        raise
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return HttpResponseRedirect(here)


def _again(actor: Actor, guide: Guide, run: Run) -> None:
    found = diagnosis_of(run)
    action = found.action if found is not None else None
    if action is not None and action.kind == "resume" and not reviving.why_not(run):
        reviving.resume(actor, run=run)
    elif action is not None and action.kind == "change" and action.changes and run.target_repo is not None:
        guides.attach(guide, _with_changes(actor, run, dict(action.changes)))
    else:
        guides.attach(guide, actions.retry(actor, run=run))


def _with_changes(actor: Actor, run: Run, changes: dict[str, Any]) -> Run:
    """The run again as it was but for the doctor's change, to the same repo, from the newest commits."""
    texts = [f"{name}={json.dumps(value)}" for name, value in changes.items()]
    recipe = parse_recipe(without_commits(changed(run.recipe, texts)))
    assert run.target_repo is not None
    target = run.target_repo.repo_id
    return actions.submit(actor, recipe=recipe, target=target, flavor=run.flavor, ties=Ties(parent=run))
