"""The pages of runs: the fine-tune form, one run and the parts of it that are polled."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import (
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.utils.http import parse_etags
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actor import Level
from models_app.access import Refusal, RepoNotFound, access_repo, check_repo
from models_app.models import Repo, RepoType
from models_app.views.support import HubRequest, PageView, page, repo_page
from runs import actions
from runs.access import access_run, run_level
from runs.again import changed, filled, form_of, without_commits
from runs.curves import curves_of, system_curves_of
from runs.environment import environment_of
from runs.forms import FinetuneForm
from runs.lineage import lineage_of
from runs.loglines import log_of, wanted
from runs.models import Run, Stage, Worker
from runs.pasting import RecipeForm, TargetForm
from runs.progress import (
    metrics_tag,
    plots_of,
    progress_of,
    result_of,
    seconds_taken,
    series,
    state_tag,
)
from runs.queue import place_tag
from runs.recipe_source import source_of
from runs.recipe_starting import followed, started
from runs.recipe_text import recipe_text, text_of
from runs.ties import Ties
from runs.timeline import timeline_of
from training.recipe import RecipeError

_BESIDE = ("namespace", "name", "is_private", "flavor", "parent", "follows")
STOP_POLLING = 286
_LINES = 2000


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def new_run(request: HubRequest, namespace: str, name: str) -> HttpResponse:
    """The fine-tune form of a model; a good one starts the run and leads to its page.

    `as=yaml` turns what is filled in into a recipe's text, to be edited; `redraw` only shows the fields
    again, for browsers without script; `run` fills the form in as that run was, or shows its recipe, with
    each `change` (`optim.batch_size=16`) in it; `recipe` as that shared recipe says, for `dataset`.
    """
    base = repo_page(request, RepoType.MODEL, namespace, name)
    check_repo(request.actor, base)
    given = request.POST if request.method == "POST" else request.GET
    if request.method == "POST" and "text" in given:
        return _answer(request, base, RecipeForm(request.actor, given))
    if request.method == "POST" and "redraw" not in given and "as" not in given:
        return _answer(request, base, FinetuneForm(request.actor, base, given))
    # A redrawn form carries its fields, and the address it began at.
    if (earlier := given.get("run")) and "dataset" not in given:
        return _shown(request, base, _again(request, base, earlier, given.getlist("change")))
    if (shared := given.get("recipe")) and "namespace" not in given:
        return _shown(request, base, _shared(request, base, shared, given.get("dataset", "")))
    form = FinetuneForm(request.actor, base, wanted=given.dict())
    if given.get("as") == "yaml":
        return _shown(request, base, RecipeForm(request.actor, initial=_as_text(form)))
    return _shown(request, base, form)


def _answer(request: HubRequest, base: Repo, form: TargetForm) -> HttpResponse:
    run = _submit(request, form) if form.is_valid() else None
    if run is not None:
        return HttpResponseRedirect(run.get_absolute_url())
    return _shown(request, base, form, status=422)


def _again(request: HubRequest, base: Repo, uuid: str, changes: list[str]) -> TargetForm:
    found = access_run(request.actor, uuid)
    recipe = changed(found.recipe, changes)
    # What came of a private result stays private unless somebody says otherwise.
    hidden = found.target_repo is not None and found.target_repo.private
    beside = {"parent": str(found.uuid), "flavor": found.flavor, "is_private": "on" if hidden else ""}
    form: TargetForm | None = form_of(request.actor, base, recipe, beside)
    if form is None:
        kept = _as_text(FinetuneForm(request.actor, base, wanted={**filled(recipe), **beside}))
        form = RecipeForm(request.actor, initial=kept | {"text": text_of(without_commits(recipe))})
    return form


def _shared(request: HubRequest, base: Repo, recipe_id: str, dataset: str) -> TargetForm:
    source = source_of(request.actor, recipe_id)
    if not source.facts.spec:
        raise RepoNotFound("Recipe not found")
    data = access_repo(request.actor, RepoType.DATASET, dataset or source.facts.dataset)
    return started(request.actor, source, base, data)


def _as_text(form: FinetuneForm) -> dict[str, Any]:
    kept = {name: form[name].value() for name in _BESIDE}
    return {"text": form.as_yaml(), **kept}


def _submit(request: HubRequest, form: TargetForm) -> Run | None:
    cleaned = form.cleaned_data
    recipe_repo, recipe_oid = followed(request.actor, cleaned["follows"])
    try:
        return actions.submit(
            request.actor,
            recipe=form.recipe,
            target=f"{cleaned['namespace']}/{cleaned['name']}",
            flavor=cleaned["flavor"],
            private=True if cleaned["is_private"] else None,
            ties=Ties(
                parent=_parent(request, cleaned["parent"]), recipe_repo=recipe_repo, recipe_oid=recipe_oid
            ),
        )
    except RecipeError as error:
        form.add_problems(error.problems)
    except Refusal as refusal:
        form.add_error(None, refusal.message)
    return None


def _parent(request: HubRequest, uuid: str) -> Run | None:
    """The run whose form this was; one that is gone, or hidden by now, is no reason to refuse."""
    try:
        return access_run(request.actor, uuid) if uuid else None
    except Refusal:
        return None


def _shown(request: HubRequest, base: Repo, form: TargetForm, status: int = 200) -> HttpResponse:
    context = {
        "section": "models",
        "repo": base,
        "form": form,
        "has_worker": Worker.objects.filter(is_enabled=True).exists(),
    }
    template = "runs/finetune_yaml.html" if isinstance(form, RecipeForm) else "runs/finetune.html"
    return render(request, template, context, status=status)


@require_safe
@page
def run(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """One run: live while it goes on, its result or its failure when it has ended."""
    found = access_run(request.actor, uuid)
    context = _live_context(request, found) | {
        "section": "runs",
        "curves": curves_of(found),
        "system_curves": system_curves_of(found),
        "plots": plots_of(found),
        "recipe": recipe_text(found),
        "environment": environment_of(found),
        "lineage": lineage_of(found, request.actor),
    }
    return render(request, "runs/run.html", context)


def _live_context(request: HubRequest, run: Run) -> dict[str, Any]:
    return {
        "run": run,
        "progress": progress_of(run),
        "timeline": timeline_of(run),
        "log": log_of(run, wanted(request.GET.get("q", ""))),
        "taken": seconds_taken(run),
        "result": result_of(run, request.actor) if run.stage == Stage.COMPLETED else {},
        "may_write": run_level(request.actor, run) >= Level.WRITE,
        "may_retry": run.stage in (Stage.ERROR, Stage.CANCELED) and run.target_repo_id is not None,
    }


@require_safe
@page
def job(request: HubRequest, namespace: str, uuid: uuids.UUID) -> HttpResponse:
    """Where the stock client says that a job is: the run's page, for whom may see it."""
    return HttpResponseRedirect(access_run(request.actor, uuid).get_absolute_url())


def polled(tag_of: Callable[[Run], str]) -> Callable[[Callable[..., HttpResponse]], PageView]:
    """Answer 304 while nothing has changed; otherwise the view, with its ETag."""

    def decorate(view: Callable[[HubRequest, Run], HttpResponse]) -> PageView:
        @require_safe
        @page
        @wraps(view)
        def wrapped(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
            run = access_run(request.actor, uuid)
            tag = tag_of(run)
            given = parse_etags(request.headers.get("If-None-Match", ""))
            response = HttpResponse(status=304) if tag in given or f"W/{tag}" in given else view(request, run)
            response["ETag"] = tag
            response["Cache-Control"] = "private, no-cache"
            response["Vary"] = "Cookie"
            return response

        return wrapped

    return decorate


@polled(lambda run: state_tag(run, place_tag(run), run.forecast))
def progress(request: HubRequest, run: Run) -> HttpResponse:
    """The fragment the run page polls; status 286 tells htmx that this was the last time."""
    context = _live_context(request, run) | {"is_fragment": True}
    return render(request, "runs/_progress.html", context, status=STOP_POLLING if run.has_ended else 200)


@require_safe
@never_cache
@page
def curves(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """The panels of the curves; a page asks for them anew when the worker tells a name it has none for."""
    found = access_run(request.actor, uuid)
    context = {"run": found, "curves": curves_of(found), "system_curves": system_curves_of(found)}
    return render(request, "runs/_curves.html", context)


@polled(lambda run: f'"{metrics_tag(run)}"')
def metrics(request: HubRequest, run: Run) -> HttpResponse:
    """`{"version", "total_steps", "series": {name: [[step, value], …]}}` for the curves."""
    return JsonResponse(
        {"version": metrics_tag(run), "total_steps": run.progress_total, "series": series(run)}
    )


@require_safe
@never_cache
@page
def log(request: HubRequest, uuid: uuids.UUID) -> HttpResponseBase:
    """The whole log as text; `?download=1` as a file."""
    found = access_run(request.actor, uuid)
    response = StreamingHttpResponse(_log_text(found), content_type="text/plain; charset=utf-8")
    if request.GET.get("download"):
        response["Content-Disposition"] = f'attachment; filename="run-{str(found.uuid)[:8]}.log"'
    return response


def _log_text(run: Run) -> Iterator[str]:
    # By pages, not by a cursor: that would need its connection for as long as a client reads.
    attempt, seq = -1, -1
    while page_of := list(run.logs.filter(Q(attempt=attempt, seq__gt=seq) | Q(attempt__gt=attempt))[:_LINES]):
        yield "".join(f"{line.at:%Y-%m-%d %H:%M:%S} {line.text}\n" for line in page_of)
        attempt, seq = page_of[-1].attempt, page_of[-1].seq


@require_POST
@page
def cancel(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """Stop the run, then show it again."""
    found = access_run(request.actor, uuid, Level.WRITE)
    try:
        actions.cancel(request.actor, run=found)
    except actions.RunHasEnded as refusal:
        messages.info(request, refusal.message)
    return HttpResponseRedirect(found.get_absolute_url())
