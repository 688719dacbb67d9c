"""The form in which tutorials are written and changed."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.http import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from models_app.access import LoginRequired, Refusal, check_repo
from models_app.actions.refusals import RepoExists
from models_app.actions.threads import MAX_TITLE_CHARACTERS
from models_app.actions.tutorials import (
    LISTS,
    MAX_SUMMARY_CHARACTERS,
    Article,
    card_of,
    change_tutorial,
    create_tutorial,
)
from models_app.content.markdown import render_markdown
from models_app.discussions import check_contributor, is_writer
from models_app.models import Repo, RepoType
from models_app.storage.errors import StaleParent, StorageError
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page, writable_namespaces
from models_app.views.typed import keep_typed, mark_sent, take_typed

_FIELDS = ("title", "summary", "tags", "models", "datasets", "recipes", "runs", "body")
_SPLIT = re.compile(r"[,\n]")
_SLUG = re.compile(r"[^a-z0-9]+")


class TutorialForm(forms.Form):
    """What stands above the text, and the text. Lists are written with commas."""

    title = forms.CharField(label=_("Title"), max_length=MAX_TITLE_CHARACTERS)
    summary = forms.CharField(
        label=_("Summary"),
        max_length=MAX_SUMMARY_CHARACTERS,
        required=False,
        help_text=_("What a reader will know afterwards."),
    )
    tags = forms.CharField(
        label=_("Topics"), max_length=1000, required=False, help_text=_("With commas between them.")
    )
    models = forms.CharField(
        label=_("Models"), max_length=4000, required=False, help_text="owner/name, owner/name"
    )
    datasets = forms.CharField(label=_("Datasets"), max_length=4000, required=False)
    recipes = forms.CharField(label=_("Recipes"), max_length=4000, required=False)
    runs = forms.CharField(label=_("Runs"), max_length=4000, required=False, help_text=_("The ids of runs."))
    # The action has a narrower limit, and names it.
    body = forms.CharField(label=_("Text"), widget=forms.Textarea, required=False)

    def article(self) -> Article:
        """What was filled in."""
        data = self.cleaned_data
        lists = {name: [one.strip() for one in _SPLIT.split(data[name]) if one.strip()] for name in LISTS}
        return Article(data["title"], data["summary"], data["body"], lists)


class NewTutorialForm(TutorialForm):
    """Also where it is to be, and who may see it."""

    namespace = forms.ChoiceField(label=_("Owner"))
    name = forms.CharField(
        label=_("Name in its address"),
        max_length=96,
        required=False,
        help_text=_("Empty: made from the title."),
    )
    is_private = forms.BooleanField(label=_("Private: only its owner sees it"), required=False)

    def __init__(self, names: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["namespace"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]

    def wanted_name(self) -> str:
        """The name, or one made from the title."""
        title = self.cleaned_data["title"].lower()
        return self.cleaned_data["name"] or _SLUG.sub("-", title).strip("-")[:60].strip("-") or "tutorial"


@require_http_methods(["GET", "HEAD", "POST"])
@page
def new_tutorial(request: HubRequest) -> HttpResponseBase:
    """Write a tutorial: it is a repo with a README from the first moment."""
    _need_person(request)
    names = writable_namespaces(request.actor)
    is_preview = request.POST.get("action") == "preview"
    if is_preview or request.method != "POST":
        initial = request.POST.dict() if is_preview else take_typed(request)
        form = NewTutorialForm(names, initial=initial)
    else:
        form = NewTutorialForm(names, request.POST)
    if form.is_bound and form.is_valid():
        try:
            repo = create_tutorial(
                request.actor,
                namespace=form.cleaned_data["namespace"],
                name=form.wanted_name(),
                article=form.article(),
                private=form.cleaned_data["is_private"],
            )
        except RepoExists:
            form.add_error("name", _("There is already a tutorial of this name."))
        except Refusal as refusal:
            form.add_error(None, refusal.message)
        else:
            return mark_sent(request, HttpResponseRedirect(repo.get_absolute_url()))
    context = {"section": "tutorials", "form": form, "preview": _preview(request, None) if is_preview else ""}
    return render(request, "tutorials/form.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def edit_tutorial(request: HubRequest, namespace: str, name: str) -> HttpResponseBase:
    """Change a tutorial by a commit; somebody who may not write offers a pull request by the same form."""
    _need_person(request)
    repo = repo_page(request, RepoType.TUTORIAL, namespace, name)
    check_contributor(request.actor, check_repo(request.actor, repo))
    based_on = request.POST.get("based_on") or repo.head_oid
    is_preview = request.POST.get("action") == "preview"
    stale = ""
    if is_preview or request.method != "POST":
        form = TutorialForm(initial=request.POST.dict() if is_preview else _initial(request, repo))
    else:
        form = TutorialForm(request.POST)
    if form.is_bound and form.is_valid():
        try:
            request_made = change_tutorial(request.actor, repo=repo, article=form.article(), parent=based_on)
        except StaleParent:
            # Nothing is lost: both texts are shown, and saving again means this one.
            repo.refresh_from_db()
            card = card_of(repo, repo.head_oid)
            based_on, stale = repo.head_oid, card.body if card else ""
            form.add_error(None, _("Somebody changed this tutorial since you began."))
        except (Refusal, StorageError) as refusal:
            form.add_error(None, refusal.message)
        else:
            done = request_made or repo
            return mark_sent(request, HttpResponseRedirect(done.get_absolute_url()))
    context = repo_context(request, repo, tab="card") | {
        "form": form,
        "based_on": based_on,
        "stale": stale,
        "is_writer": is_writer(request.actor, repo),
        "preview": _preview(request, repo) if is_preview else "",
    }
    status = 409 if stale else 422 if form.errors else 200
    return render(request, "tutorials/form.html", context, status=status)


def _need_person(request: HubRequest) -> None:
    if request.actor.user is None:
        keep_typed(request, *_FIELDS)
        raise LoginRequired("Invalid username or password.")


def _initial(request: HubRequest, repo: Repo) -> dict[str, Any]:
    """The card as it stands; over it what was typed before a sign-in."""
    card = card_of(repo, repo.head_oid)
    if card is None:
        return take_typed(request)
    lists = {
        name: ", ".join(str(one) for one in value)
        for name in LISTS
        if isinstance(value := card.metadata.get(name), list)
    }
    words = {name: str(card.metadata.get(name) or "") for name in ("title", "summary")}
    return {**words, **lists, "body": card.body.strip(), **take_typed(request)}


def _preview(request: HubRequest, repo: Repo | None) -> str:
    path = repo.get_absolute_url() if repo is not None else ""
    return render_markdown(request.POST.get("body", ""), path)
