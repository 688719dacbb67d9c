"""The form that makes an empty repo."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from accounts.actor import Actor
from models_app.access import Refusal
from models_app.actions.repos import RepoExists, create_repo
from models_app.models import RepoType
from models_app.views.support import HubRequest, page, writable_namespaces

PUBLIC, PRIVATE = "public", "private"


class NewRepoForm(forms.Form):
    """Owner, name, kind, who may see it. The rules of names are the action's."""

    repo_type = forms.ChoiceField(
        label=_("What is it?"),
        choices=[
            (RepoType.MODEL, _("A model")),
            (RepoType.DATASET, _("A dataset")),
            (RepoType.SPACE, _("A space")),
            (RepoType.KERNEL, _("A kernel")),
        ],
        widget=forms.RadioSelect,
        initial=RepoType.MODEL,
    )
    namespace = forms.ChoiceField(label=_("Owner"), widget=forms.Select(attrs={"aria-label": _("Owner")}))
    name = forms.CharField(label=_("Name"), max_length=96, help_text=_("Letters, digits, “-”, “_” and “.”."))
    visibility = forms.ChoiceField(
        label=_("Who may see it?"),
        choices=[
            (PUBLIC, _("Everybody on this hub")),
            (PRIVATE, _("Only you, or the members of the organization")),
        ],
        widget=forms.RadioSelect,
        initial=PUBLIC,
    )

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["namespace"].choices = [(name, name) for name in writable_namespaces(actor)]  # type: ignore[attr-defined]


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def new_repo(request: HubRequest) -> HttpResponse:
    """Show the form; make the repo and go there."""
    wanted = request.GET.get("type", "")
    initial = {"namespace": request.GET.get("owner", ""), "repo_type": wanted or RepoType.MODEL}
    form = NewRepoForm(request.actor, request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            repo = create_repo(
                request.actor,
                repo_type=form.cleaned_data["repo_type"],
                namespace=form.cleaned_data["namespace"],
                name=form.cleaned_data["name"],
                private=form.cleaned_data["visibility"] == PRIVATE,
            )
        except RepoExists:
            form.add_error("name", _("There is already a repo of this kind and name."))
        except Refusal as refusal:
            form.add_error("name", refusal.message)
        else:
            return HttpResponseRedirect(repo.get_absolute_url())
    return render(request, "repo/new.html", {"form": form}, status=422 if form.errors else 200)
