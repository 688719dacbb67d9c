"""The third stage: how thoroughly, what it needs, every field behind “more”, the one run it starts."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from django.db import IntegrityError
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext

from models_app.access import Refusal
from models_app.views.support import HubRequest
from models_app.views.typed import mark_sent
from runs import actions, guides
from runs.estimate_views import changed_fields, panel
from runs.guide_forms import GuideForm
from runs.guide_views import shown, stage, stage_address
from runs.guides import Way
from runs.models import Guide, GuideStage, Run
from runs.ties import Ties
from training.recipe import RecipeError

MAX_FIELDS = 200
MAX_CHARS = 4000


@stage(GuideStage.TUNE)
def tune(request: HubRequest, way: Way) -> HttpResponseBase:
    """The form; a good one starts the run. `redraw` only keeps and shows what is filled in."""
    if request.method == "POST" and "redraw" not in request.POST:
        return _start(request, way)
    sent = request.POST if request.method == "POST" else request.GET
    is_redrawn = request.method == "POST" or request.headers.get("HX-Request") == "true"
    form = _form(request, way, _plain(sent) if sent else {})
    if is_redrawn and sent:
        guides.keep_form(way.guide, form.typed)
    return _page(request, way, form)


def _form(request: HubRequest, way: Way, sent: dict[str, str], *, is_sent: bool = False) -> GuideForm:
    """From what was sent; without it from what was kept."""
    assert way.model is not None
    assert way.dataset is not None
    kept = {str(name): str(value) for name, value in way.guide.data.get("form", {}).items()}
    given = sent or kept
    return GuideForm(request.actor, way.model, way.task, way.dataset, given, is_sent=is_sent)


def _plain(sent: QueryDict) -> dict[str, str]:
    return {name: str(value)[:MAX_CHARS] for name, value in list(sent.items())[:MAX_FIELDS]}


def _start(request: HubRequest, way: Way) -> HttpResponseBase:
    """Start the run, once: a second press, or a page from before it, is shown the run that is there."""
    sent = _plain(request.POST)
    tries = int(way.guide.data.get("tries", 0))
    there = HttpResponseRedirect(stage_address(way.guide.uuid, GuideStage.EVALUATE))
    if way.run is not None and sent.get("tries") != str(tries):
        return there
    form = _form(request, way, sent, is_sent=True)
    guides.keep_form(way.guide, form.typed)
    if form.is_valid():
        if (run := _submitted(request, way.guide, form, tries)) is not None:
            guides.attach(way.guide, run)
            return mark_sent(request, there)
        fresh = Guide.objects.filter(pk=way.guide.pk).first()
        if fresh is not None and int(fresh.data.get("tries", 0)) > tries:
            return mark_sent(request, there)  # the other of two presses was quicker
    return _page(request, way, form, status=422)


def _submitted(request: HubRequest, guide: Guide, form: GuideForm, tries: int) -> Run | None:
    cleaned = form.cleaned_data
    # The same try of the same guide is the same run, however often it is sent.
    chosen = uuids.uuid5(guide.uuid, f"run {tries}")
    try:
        return actions.submit(
            request.actor,
            recipe=form.recipe,
            target=f"{cleaned['namespace']}/{cleaned['name']}",
            flavor=cleaned["flavor"],
            private=True if cleaned["is_private"] else None,
            ties=Ties(uuid=chosen, parent=guide.run),
        )
    except RecipeError as error:
        form.add_problems(error.problems)
    except Refusal as refusal:
        form.add_error(None, refusal.message)
    except IntegrityError:
        form.add_error(None, gettext("This run has been started already."))
    return None


@stage(GuideStage.TUNE)
def estimate(request: HubRequest, way: Way) -> HttpResponse:
    """What the form as it stands will need; the panel for script, the whole page without."""
    if request.method != "POST" or way.model is None or way.dataset is None:
        return HttpResponseRedirect(stage_address(way.guide.uuid, GuideStage.TUNE))
    sent = _plain(request.POST)
    form = _form(request, way, sent)
    if "apply" in sent:
        form = _form(request, way, sent | changed_fields(form, sent["apply"]))
        guides.keep_form(way.guide, form.typed)
        return _page(request, way, form)
    context = panel(request, form, sent)
    if request.headers.get("HX-Request") == "true":
        more = {"repo": way.model, "form": form, "estimate_url": _estimate_url(way), "guide": way.guide}
        return render(request, "runs/_estimate.html", more | context)
    return _page(request, way, form, context)


def _estimate_url(way: Way) -> str:
    return reverse("guide-estimate", args=[way.guide.uuid])


def _page(
    request: HubRequest, way: Way, form: GuideForm, panel: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    context = {
        "repo": way.model,
        "form": form,
        "tries": int(way.guide.data.get("tries", 0)),
        "estimate_url": _estimate_url(way),
        **(panel or {}),
    }
    return shown(request, way, GuideStage.TUNE, context, status)
