"""The wizard's frame: what it is, the ways that are open, and the guard before each of the five stages."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from models_app.models import Repo
from models_app.views.support import HubRequest, page
from runs import guides
from runs.guides import STAGES, TooManyGuides, Way
from runs.models import GuideStage, Worker

TITLES: dict[str, Any] = {
    GuideStage.MODEL: _("Choose a model"),
    GuideStage.DATA: _("Prepare the data"),
    GuideStage.TUNE: _("Fine-tune"),
    GuideStage.EVALUATE: _("Evaluate"),
    GuideStage.PUBLISH: _("Publish"),
}
StageView = Callable[[HubRequest, Way], HttpResponseBase]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def start(request: HubRequest) -> HttpResponse:
    """What the wizard is, and the ways one has begun. POST begins one; `model` is a model to begin with."""
    if request.method == "POST":
        return _begun(request)
    user = request.actor.user
    context = {
        "section": "start",
        "titles": TITLES,
        "ways": [(one, TITLES[one.stage]) for one in guides.open_guides(user)] if user else [],
        "model": request.GET.get("model", "")[:200],
    }
    return render(request, "guide/start.html", context)


def _begun(request: HubRequest) -> HttpResponse:
    if request.actor.user is None:
        return HttpResponseRedirect(f"{reverse('login')}?next={reverse('start')}")
    try:
        guide = guides.begin(request.actor)
    except TooManyGuides as refusal:
        messages.error(request, refusal.message)
        return HttpResponseRedirect(reverse("start"))
    namespace, _slash, name = request.POST.get("model", "")[:200].partition("/")
    wanted = (
        Repo.objects.visible_to(request.actor)
        .models()
        .named("model", f"{namespace}/{name}".replace("\0", ""))
    )
    found = wanted.select_related("namespace", "card").filter(disabled_at=None).first()
    query = f"?model={found.pk}" if found is not None else ""
    return HttpResponseRedirect(stage_address(guide.uuid, GuideStage.MODEL) + query)


@login_required
@page
def resume(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """Where it was left."""
    way = guides.way_of(request.actor, guides.access_guide(request.actor, uuid))
    stage = way.guide.stage if way.may_open(way.guide.stage) else way.reached
    return HttpResponseRedirect(stage_address(uuid, stage))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def discard(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """Forget the way; a run that it started goes on by itself."""
    if request.method != "POST":  # an address that was kept while somebody signed in
        return HttpResponseRedirect(reverse("start"))
    guides.access_guide(request.actor, uuid).delete()
    messages.success(request, gettext("It is discarded. Runs and data sets that it made are still there."))
    return HttpResponseRedirect(reverse("start"))


def stage(name: str, *methods: str) -> Callable[[StageView], Callable[..., HttpResponseBase]]:
    """A view of one stage: signed in, one's own guide, and nothing before it missing; else it leads back."""

    def decorate(view: StageView) -> Callable[..., HttpResponseBase]:
        @never_cache
        @require_http_methods(methods or ("GET", "HEAD", "POST"))
        @login_required
        @page
        @wraps(view)
        def wrapped(request: HubRequest, uuid: uuids.UUID) -> HttpResponseBase:
            way = guides.way_of(request.actor, guides.access_guide(request.actor, uuid))
            back = _leads_back(request, way, name)
            return view(request, way) if back is None else back

        return wrapped

    return decorate


def _leads_back(request: HttpRequest, way: Way, name: str) -> HttpResponse | None:
    """To the stage that must be done first, with the reason."""
    # A run that was started goes on without what it began with; only what comes before it does not.
    needs = way.run is None or name in (GuideStage.DATA, GuideStage.TUNE)
    if way.lost is not None and needs and STAGES.index(way.lost[0]) < STAGES.index(name):
        text = gettext("%(name)s is gone, or you may no longer see it. Choose another.")
        messages.warning(request, text % {"name": way.lost[1]})
        return HttpResponseRedirect(stage_address(way.guide.uuid, way.lost[0]))
    if not way.may_open(name):
        messages.info(request, gettext("This comes first; then it goes on."))
        return HttpResponseRedirect(stage_address(way.guide.uuid, way.reached))
    return None


def shown(
    request: HubRequest, way: Way, name: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A stage's page in its frame."""
    steps = [
        {**step, "title": TITLES[step["stage"]], "number": number} for number, step in enumerate(way.steps, 1)
    ]
    undoes = [TITLES[later] for later in guides.undoes(way.guide, name)]
    frame = {
        "section": "start", "way": way, "guide": way.guide, "stage": name, "title": TITLES[name],
        "steps": steps, "undoes": undoes, "has_worker": Worker.objects.filter(is_enabled=True).exists(),
    }  # fmt: skip
    return render(request, f"guide/{name}.html", frame | context, status=status)


def stage_address(uuid: uuids.UUID, name: str) -> str:
    """The page of a stage."""
    return reverse(f"guide-{name}", args=[uuid])


def tell_undone(request: HttpRequest, undone: list[str]) -> None:
    """Say what a change has taken back."""
    for name in undone:
        if name == GuideStage.EVALUATE:
            messages.info(
                request, gettext("The run that was started stays among your runs; this way starts another.")
            )
        elif name == GuideStage.DATA:
            messages.info(request, gettext("The data did not fit any more; choose again."))
        else:
            messages.info(request, gettext("The settings of the fine-tuning follow from your new choice."))
