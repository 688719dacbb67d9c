"""Recipes written and changed in the page: form and YAML beside each other, a commit when they are saved."""

from __future__ import annotations

import contextlib
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actor import Level
from models_app.access import LoginRequired, Refusal, check_repo
from models_app.actions.refusals import RepoExists
from models_app.models import Repo, RepoType
from models_app.storage.errors import StaleParent
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page
from models_app.views.typed import mark_sent
from runs import recipe_actions
from runs.recipe_draft import PREFIX, Draft, Told
from runs.recipe_editing import draft_in, draft_of, size_problem
from runs.recipe_forms import NewRecipeForm, PlaceForm
from runs.recipe_source import repo_source, source_of, text_at
from runs.recipe_starting import starting_text, text_of_model
from runs.recipe_table import text_lines
from runs.recipe_views import source_at

MAX_SUMMARY = 200


@require_POST
@page
def sync(request: HubRequest) -> HttpResponse:
    """Form and text brought into step, as parts of the page; nothing is kept."""
    draft = _draft(request)
    is_same = draft.text == request.POST.get("text", "").replace("\r\n", "\n")
    return render(request, "recipes/_parts.html", {"draft": draft, "has_text": not is_same, "is_swap": True})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def new(request: HubRequest) -> HttpResponseBase:
    """A recipe from nothing, from another one (`from=namespace/name`), or the one that made a `model`."""
    form = NewRecipeForm(request.actor, request.POST or None, initial=_wanted(request))
    if request.method != "POST":
        return _new_page(request, form, _first_draft(request))
    draft = _draft(request)
    if request.POST.get("action") == "update":
        form = NewRecipeForm(request.actor, initial=request.POST.dict())
        return _new_page(request, form, draft)
    if form.is_valid() and draft.is_readable and not draft.problems:
        try:
            repo = recipe_actions.publish(
                request.actor,
                namespace=form.cleaned_data["namespace"],
                name=form.cleaned_data["name"],
                private=True if form.cleaned_data["is_private"] else None,
                text=draft.text,
                readme=form.readme,
            )
        except Refusal as refusal:
            _tell(form, refusal)
        else:
            return mark_sent(request, HttpResponseRedirect(repo.get_absolute_url()))
    return _new_page(request, form, draft, 422)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def edit(request: HubRequest, namespace: str, name: str) -> HttpResponseBase:
    """Change a recipe: saving is a commit on top of the one that the page was opened at."""
    repo = repo_page(request, RepoType.RECIPE, namespace, name, Level.WRITE)
    check_repo(request.actor, repo)
    if request.method != "POST":
        source = repo_source(request.actor, repo)
        return _edit_page(request, repo, draft_of(source.text), source.oid)
    draft, parent = _draft(request), request.POST.get("parent", "")[:40]
    if request.POST.get("action") == "update":
        return _edit_page(request, repo, draft, parent)
    if not draft.is_readable or draft.problems:
        return _edit_page(request, repo, draft, parent, status=422)
    summary = " ".join(request.POST.get("summary", "").split())[:MAX_SUMMARY] or "Change the recipe"
    try:
        recipe_actions.change(request.actor, repo=repo, text=draft.text, parent=parent, summary=summary)
    except StaleParent:
        theirs, oid = text_at(repo, repo.default_branch)
        lines = text_lines(theirs or "", draft.text)
        return _edit_page(request, repo, draft, oid, status=409, stale=lines)
    return mark_sent(request, HttpResponseRedirect(repo.get_absolute_url()))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def fork(request: HubRequest, namespace: str, name: str) -> HttpResponse:
    """A copy of the recipe under a name of one's own."""
    source = source_at(request, namespace, name)
    if source.repo is not None:
        check_repo(request.actor, source.repo)
    form = PlaceForm(request.actor, request.POST or None, initial={"name": source.name})
    if request.method == "POST" and form.is_valid():
        try:
            repo = recipe_actions.fork(
                request.actor,
                source=source,
                namespace=form.cleaned_data["namespace"],
                name=form.cleaned_data["name"],
                private=form.cleaned_data["is_private"],
            )
        except Refusal as refusal:
            _tell(form, refusal)
        else:
            return HttpResponseRedirect(repo.get_absolute_url())
    context = {"section": "recipes", "source": source, "form": form}
    return render(request, "recipes/fork.html", context, status=422 if form.errors else 200)


def _tell(form: PlaceForm, refusal: Refusal) -> None:
    if isinstance(refusal, LoginRequired):
        raise refusal
    if isinstance(refusal, RepoExists):
        form.add_error("name", _("You have a recipe of this name already: choose another one."))
    else:
        form.add_error("name", refusal.message)


def _draft(request: HubRequest) -> Draft:
    """What was sent; a text that is too large is kept as it is and told so."""
    text = request.POST.get("text", "")
    problem = size_problem(text)
    if problem:
        told = [Told("", problem, 0)]
        values = {name[len(PREFIX) :]: str(value) for name, value in request.POST.items()}
        return Draft(text, request.POST.get("shown", ""), values, told, is_readable=False)
    return draft_in(request.POST)


def _wanted(request: HubRequest) -> dict[str, str]:
    given = {name: request.GET.get(name, "")[:200] for name in ("title", "namespace", "name")}
    return {name: value for name, value in given.items() if value}


def _first_draft(request: HubRequest) -> Draft:
    """The text to begin with. What is still to be filled in is no mistake yet."""
    text = ""
    with contextlib.suppress(Refusal):
        if wanted := request.GET.get("from", ""):
            text = source_of(request.actor, wanted[:200]).text
        elif wanted := request.GET.get("model", ""):
            text = text_of_model(request.actor, wanted[:200])
    draft = draft_of(text or starting_text(request.GET.get("task", "")))
    draft.problems, draft.is_checked = [], False
    return draft


def _new_page(request: HubRequest, form: NewRecipeForm, draft: Draft, status: int = 200) -> HttpResponse:
    context = {"section": "recipes", "form": form, "draft": draft, "has_text": True}
    return render(request, "recipes/new.html", context, status=status)


def _edit_page(
    request: HubRequest,
    repo: Repo,
    draft: Draft,
    parent: str,
    status: int = 200,
    stale: list[tuple[str, str]] | None = None,
) -> HttpResponse:
    context: dict[str, Any] = repo_context(request, repo, tab="card") | {
        "draft": draft,
        "parent": parent,
        "stale": stale,
        "summary": request.POST.get("summary", ""),
        "has_text": True,
    }
    return render(request, "recipes/edit.html", context, status=status)
