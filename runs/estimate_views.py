"""The panel of the fine-tune form that tells what a run will need; every state of it is one fragment."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from models_app.access import Refusal, check_repo
from models_app.models import Repo, RepoType
from models_app.views.support import HubRequest, page, repo_page
from runs import actions, preflights
from runs.estimates import Estimate, estimates, is_online
from runs.flavors import DEFAULT_FLAVOR, FLAVORS, price
from runs.forecasts import Change
from runs.forms import FinetuneForm
from runs.models import Guide, Worker
from runs.pasting import RecipeForm, TargetForm
from runs.queue import lines_of
from training.recipe import Recipe, RecipeError, parse_recipe

STOP_POLLING = 286


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def estimate_form(request: HubRequest, namespace: str, name: str) -> HttpResponse:
    """What is known of the form as it is filled in; `measure` (a flavor) has one step measured, `cancel` ends
    that, `apply` changes the fields. To htmx it answers the panel, to others the whole form with it."""
    base = repo_page(request, RepoType.MODEL, namespace, name)
    check_repo(request.actor, base)
    if request.method != "POST":  # an address that was kept
        return HttpResponseRedirect(reverse("run-new", args=[base.namespace.name, base.name]))
    given = request.POST
    form = _form(request, base, given)
    if "apply" in given:
        return _whole_page(request, base, form, {})
    shown = panel(request, form, {name: str(value) for name, value in given.items()})
    if request.headers.get("HX-Request") == "true":
        return render(request, "runs/_estimate.html", {"repo": base, "form": form, **shown})
    return _whole_page(request, base, form, shown)


@never_cache
@require_safe
@page
def preflight(request: HubRequest, uuid: uuids.UUID) -> HttpResponse:
    """What a preflight under way has come to, asked until it has ended (286); then the form is asked about
    again, as it is filled in by then."""
    run = preflights.access_preflight(request.actor, uuid)
    online = is_online(run.flavor, run.namespace)
    context: dict[str, Any] = {"repo": run.base_repo, "run": run, "is_online": online}
    if guide := _guide_of(request):
        context |= {"guide": guide, "estimate_url": reverse("guide-estimate", args=[guide.uuid])}
    return render(request, "runs/_estimate.html", context, status=STOP_POLLING if run.has_ended else 200)


def _guide_of(request: HubRequest) -> Guide | None:
    """The wizard's way that the panel stands in, named by the address; the actor's own."""
    try:
        uuid = uuids.UUID(request.GET.get("guide", ""))
    except ValueError:
        return None
    return Guide.objects.filter(uuid=uuid, user=request.actor.user).first()


def _form(request: HubRequest, base: Repo, given: QueryDict) -> TargetForm:
    """The form as it was sent, not judged; with what is to be changed in it."""
    plain = {name: str(value) for name, value in given.items()}
    if "text" in plain:
        return RecipeForm(request.actor, initial=plain)
    form = FinetuneForm(request.actor, base, wanted=plain)
    changes = changed_fields(form, plain.get("apply", ""))
    return FinetuneForm(request.actor, base, wanted=plain | changes) if changes else form


def changed_fields(form: FinetuneForm, apply: str) -> dict[str, str]:
    """The form's fields that a button of the panel changes, as text."""
    changed = {form.by_path.get(path): value for path, value in parse_qsl(apply)}
    return {name: value for name, value in changed.items() if name is not None}


def panel(request: HubRequest, form: TargetForm, given: Mapping[str, str]) -> dict[str, Any]:
    """The panel's context: rows of flavors, a preflight under way, or why there is neither."""
    asked_for = given.get("measure", "")
    flavor = asked_for if asked_for in FLAVORS else given.get("flavor", DEFAULT_FLAVOR)
    step = preflights.ask if "measure" in given else preflights.look
    context: dict[str, Any] = {"was_asked": "measure" in given}
    try:
        if "cancel" in given:
            actions.cancel(request.actor, run=preflights.access_preflight(request.actor, given["cancel"]))
        found = step(
            request.actor, recipe=_recipe(form), flavor=flavor, namespace=given.get("namespace") or None
        )
    except RecipeError as error:
        words = form.words_of if isinstance(form, FinetuneForm) else lambda problem: problem.message
        return context | {"problems": [words(problem) for problem in error.problems]}
    except Refusal as refusal:
        return context | {"refusal": refusal.message}
    context |= {"run": found.run, "is_online": is_online(found.flavor, found.namespace)}
    return context | _told(found, form)


def _recipe(form: TargetForm) -> Recipe:
    if isinstance(form, FinetuneForm):
        return parse_recipe(form.so_far())
    return parse_recipe(str(form["text"].value() or ""))


def _told(asked: preflights.Asked, form: TargetForm) -> dict[str, Any]:
    recipe = asked.frozen.recipe.as_dict()
    rows = [
        _row(found, form) for found in estimates(recipe, preflights.key_of(asked.frozen), asked.namespace)
    ]
    lines = {line.flavor: line for line in lines_of(row["found"].flavor.name for row in rows)}
    for row in rows:
        row["line"] = lines.get(row["found"].flavor.name)
    return {
        "rows": rows,
        "is_measured": any(row["found"].forecast for row in rows),
        "has_prices": any(price(row["found"].flavor.name) for row in rows),
        "about": _about(recipe),
    }


def _row(found: Estimate, form: TargetForm) -> dict[str, Any]:
    change = found.verdict.change
    return {"found": found, "change": change and _change(change, form)}


def _change(change: Change, form: TargetForm) -> dict[str, Any]:
    """The change in the form's own words, and as the button sends it where the form has all its fields."""
    paths = form.by_path if isinstance(form, FinetuneForm) else {}
    names = {path: paths.get(path) for path in change.fields}
    fields = [
        (str(form.fields[name].label) if name else path, change.fields[path]) for path, name in names.items()
    ]
    can_apply = all(names.values())
    return {"fields": fields, "needs": change.needs, "apply": urlencode(change.fields) if can_apply else ""}


def _about(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers that what is needed follows from, so that a reader sees what it is about."""
    data, optim = recipe["dataset"], recipe["optim"]
    return {
        "epochs": optim["epochs"],
        "batch_size": optim["batch_size"],
        "image_size": data.get("image_size"),
        "max_tokens": data.get("max_tokens"),
    }


def _whole_page(request: HubRequest, base: Repo, form: TargetForm, panel: dict[str, Any]) -> HttpResponse:
    has_worker = Worker.objects.filter(is_enabled=True).exists()
    context = {"section": "models", "repo": base, "form": form, "has_worker": has_worker, **panel}
    template = "runs/finetune_yaml.html" if isinstance(form, RecipeForm) else "runs/finetune.html"
    return render(request, template, context)
