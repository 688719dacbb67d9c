"""“Run this with my data”: which data, which base; then the fine-tune form, filled in by the recipe."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from models_app.access import check_repo
from models_app.models import Repo
from models_app.views.support import HubRequest, page
from runs.choices import datasets_for, facts_of
from runs.recipe_starting import bases_for, first_of
from runs.recipe_views import source_at


class ChooseForm(forms.Form):
    """Data and base of a run that follows a recipe."""

    dataset = forms.ChoiceField(label=_("Dataset"), help_text=_("Yours first, then what others share."))
    base = forms.ChoiceField(
        label=_("Base model"), help_text=_("What learns: the recipe's own, or another one.")
    )

    def __init__(self, task: str, datasets: dict[str, Repo], bases: dict[str, Repo], data: Any) -> None:
        super().__init__(data)
        titles = [(name, facts_of(repo).title(task)) for name, repo in datasets.items()]
        self.fields["dataset"].choices = titles  # type: ignore[attr-defined]
        self.fields["base"].choices = [(name, name) for name in bases]  # type: ignore[attr-defined]


@login_required
@require_safe
@page
def choose(request: HubRequest, namespace: str, name: str) -> HttpResponse:
    """Choose; what is chosen leads to the form."""
    source = source_at(request, namespace, name)
    if source.repo is not None:
        check_repo(request.actor, source.repo)
    task, facts = source.facts.task, source.facts
    context: dict[str, Any] = {"section": "recipes", "source": source}
    if not facts.is_valid:
        return render(request, "recipes/run.html", context, status=422)
    datasets = first_of(datasets_for(request.actor, task), "")
    bases = first_of(bases_for(request.actor, task), facts.base_model)
    given = request.GET if request.GET.get("dataset") or request.GET.get("base") else None
    form = ChooseForm(task, dict(datasets), dict(bases), given)
    if form.is_valid():
        base, data = form.cleaned_data["base"], form.cleaned_data["dataset"]
        address = reverse("run-new", args=base.split("/"))
        query = urlencode({"recipe": source.recipe_id, "dataset": data})
        return HttpResponseRedirect(f"{address}?{query}")
    context |= {
        "form": form,
        "datasets": datasets,
        "bases": bases,
        "has_own_base": facts.base_model in bases,
    }
    return render(request, "recipes/run.html", context, status=422 if form.errors else 200)
