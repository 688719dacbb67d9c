"""The pages of sweeps: the form, the list, one sweep and the parts of it that are polled."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.http import parse_etags
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actor import Level
from models_app.access import Refusal, check_repo
from models_app.models import Repo, RepoType
from models_app.views.lists import page_of
from models_app.views.support import HubRequest, page, repo_page
from runs import sweeps as actions
from runs.actions import RunHasEnded
from runs.forms import FinetuneForm
from runs.models import Sweep
from runs.sweep_access import access_sweep, may_change, visible_sweeps
from runs.sweep_form import SweepForm
from runs.sweep_rows import board_of, state_of
from runs.sweeps_api import board_json
from training.axes import axis_text, read_axes_text
from training.recipe import RecipeError, dump_recipe, parse_recipe

PAGE_SIZE = 30
STOP_POLLING = 286
SHOWN_POINTS = 6


@require_safe
@page
def sweeps(request: HubRequest) -> HttpResponse:
    """Every sweep the actor may see."""
    rows = visible_sweeps(request.actor).order_by("-pk")
    context = {"section": "runs", "rows": page_of(rows, request.GET.get("page"), PAGE_SIZE)}
    return render(request, "runs/sweeps.html", context)


@require_safe
@page
def sweep(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """One sweep: live while it goes on."""
    found = access_sweep(request.actor, uuid)
    return render(request, "runs/sweep.html", _context(request, found))


@require_safe
@page
def board(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """The fragment that the page polls: 304 while nothing has changed, 286 (the last) when all has ended."""
    found = access_sweep(request.actor, uuid)
    tag = state_of(request.actor, found)
    if _is_known(request, tag):
        return _tagged(HttpResponse(status=304), tag)
    context = _context(request, found) | {"is_fragment": True}
    status = STOP_POLLING if context["board"].is_over else 200
    return _tagged(render(request, "runs/_sweep.html", context, status=status), tag)


@require_safe
@page
def rows(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """What the charts draw, as the API tells it."""
    found = access_sweep(request.actor, uuid)
    tag = state_of(request.actor, found)
    if _is_known(request, tag):
        return _tagged(HttpResponse(status=304), tag)
    told = board_of(request.actor, found)
    return _tagged(JsonResponse({"axes": told.axes, **board_json(told)}), tag)


def _context(request: HubRequest, sweep: Sweep) -> dict[str, Any]:
    return {
        "section": "runs",
        "sweep": sweep,
        "board": board_of(request.actor, sweep),
        "lines": [axis_text(name, values) for name, values in sweep.axes.items()],
        "recipe": dump_recipe(parse_recipe(sweep.recipe)),
        "may_write": may_change(request.actor, sweep),
        "is_drawn": any(isinstance(values, dict) for values in sweep.axes.values()),
    }


def _is_known(request: HubRequest, tag: str) -> bool:
    given = parse_etags(request.headers.get("If-None-Match", ""))
    return tag in given or f"W/{tag}" in given


def _tagged(response: HttpResponse, tag: str) -> HttpResponse:
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Cookie"
    return response


@require_POST
@page
def cancel(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """Stop all of it, then show it again."""
    found = access_sweep(request.actor, uuid, Level.WRITE)
    try:
        count = actions.cancel_sweep(request.actor, sweep=found)
        text = ngettext("%(count)d run is stopped.", "%(count)d runs are stopped.", count) % {"count": count}
        messages.success(request, text)
    except RunHasEnded as refusal:
        messages.info(request, refusal.message)
    return HttpResponseRedirect(found.get_absolute_url())


@require_POST
@page
def extend(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """Queue more settings, then show it again."""
    found = access_sweep(request.actor, uuid, Level.WRITE)
    samples = request.POST.get("samples", "")
    before = found.runs.count()
    try:
        axes = read_axes_text(request.POST.get("axes", "")[:10_000])
        count = int(samples) if samples.isascii() and samples.isdigit() and len(samples) < 6 else None
        actions.extend_sweep(request.actor, sweep=found, axes=axes, samples=count)
    except RecipeError as error:
        for problem in error.problems[:5]:
            messages.error(request, problem.message)
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        more = found.runs.count() - before
        text = ngettext("%(count)d run was added.", "%(count)d runs were added.", more) % {"count": more}
        messages.success(request, text)
    return HttpResponseRedirect(found.get_absolute_url())


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def new_sweep(request: HubRequest, namespace: str, name: str) -> HttpResponse:
    """The form of a sweep from a model; filled in from the fine-tune form that led here."""
    base = repo_page(request, RepoType.MODEL, namespace, name)
    check_repo(request.actor, base)
    given = request.POST if request.method == "POST" else request.GET
    if request.method != "POST" or "axes" not in given:
        return _shown(request, base, SweepForm(request.actor, initial=_beginning(request, base)))
    form = SweepForm(request.actor, given)
    is_good = form.is_valid()
    if request.headers.get("HX-Request"):
        return render(request, "runs/_sweep_preview.html", _plan_context(form) | {"is_fragment": True})
    if "preview" in given:
        return _shown(request, base, form, status=200 if is_good else 422)
    made = _submit(request, form) if is_good else None
    if made is not None:
        return HttpResponseRedirect(made.get_absolute_url())
    return _shown(request, base, form, status=422)


def _beginning(request: HubRequest, base: Repo) -> dict[str, Any]:
    """The recipe of the form that led here, and a first axis."""
    given = request.POST if request.method == "POST" else request.GET
    if "text" in given:
        kept = {name: given[name] for name in ("namespace", "name", "flavor") if name in given}
        return {**kept, "text": given["text"], "is_private": bool(given.get("is_private"))}
    form = FinetuneForm(request.actor, base, wanted=given.dict())
    kept = {name: form[name].value() for name in ("namespace", "name", "is_private", "flavor")}
    return {"text": form.as_yaml(), **kept}


def _submit(request: HubRequest, form: SweepForm) -> Sweep | None:
    cleaned = form.cleaned_data
    try:
        return actions.submit_sweep(
            request.actor,
            recipe=form.recipe,
            axes=form.plan.axes,
            name=cleaned["name"],
            namespace=cleaned["namespace"],
            mode=cleaned["mode"],
            samples=cleaned["samples"] if cleaned["mode"] == "random" else None,
            wish=actions.Wish(cleaned["flavor"], True if cleaned["is_private"] else None),
        )
    except RecipeError as error:
        form.add_problems(error.problems)
    except Refusal as refusal:
        form.add_error(None, refusal.message)
    return None


def _shown(request: HubRequest, base: Repo, form: SweepForm, status: int = 200) -> HttpResponse:
    context = {"section": "models", "repo": base, "form": form, **_plan_context(form)}
    return render(request, "runs/sweep_new.html", context, status=status)


def _plan_context(form: SweepForm) -> dict[str, Any]:
    points = form.plan.points
    return {"form": form, "points": points[:SHOWN_POINTS], "count": len(points)}
