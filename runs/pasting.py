"""A run from a recipe's text, and what every form of a run asks: whose, which name, what hardware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from models_app.access import Refusal
from models_app.actions.repos import check_repo_name
from models_app.views.support import writable_namespaces
from runs.choices import flavors_served
from runs.flavors import DEFAULT_FLAVOR
from training.recipe import MAX_TEXT_BYTES, Problem, Recipe, RecipeError, parse_recipe


class TargetForm(forms.Form):
    """Where the result goes and what it runs on: asked for however the recipe is written."""

    namespace = forms.ChoiceField(label=_("Owner"), widget=forms.Select(attrs={"aria-label": _("Owner")}))
    name = forms.CharField(label=_("Name of the result"), max_length=96)
    is_private = forms.BooleanField(label=_("Only I, or my organization, may see the result"), required=False)
    flavor = forms.ChoiceField(label=_("Hardware"))
    # The run that this one is a change of.
    parent = forms.CharField(max_length=36, required=False, widget=forms.HiddenInput)
    # The shared recipe that it began with, and its commit: namespace/name@oid.
    follows = forms.CharField(max_length=250, required=False, widget=forms.HiddenInput)
    recipe: Recipe

    def offer_targets(self, actor: Actor) -> None:
        """Fill in the choices that depend on who asks."""
        self.offer("namespace", [(name, name) for name in writable_namespaces(actor)])
        self.offer("flavor", [(f.name, f"{f.title}: {f.hardware}") for f in flavors_served()])
        self.initial.update(flavor=DEFAULT_FLAVOR)

    def offer(self, name: str, choices: list[tuple[str, Any]]) -> None:
        """Let these be the choices of a field."""
        cast(forms.ChoiceField, self.fields[name]).choices = choices

    def clean_name(self) -> str:
        """The rule of repo names, told together with everything else."""
        try:
            return check_repo_name(self.cleaned_data["name"])
        except Refusal as refusal:
            raise forms.ValidationError(refusal.message) from refusal

    def add_problems(self, problems: list[Problem]) -> None:
        """Put each problem beside the field it is about."""
        raise NotImplementedError


class RecipeForm(TargetForm):
    """A recipe as text: everything the form has no field for. Judged with the sentences of the API."""

    text = forms.CharField(
        label=_("Recipe"),
        max_length=MAX_TEXT_BYTES,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false", "class": "mono"}),
    )

    def __init__(self, actor: Actor, data: Any = None, initial: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, initial={})
        self.offer_targets(actor)
        self.initial.update(initial or {})

    def clean_text(self) -> str:
        """Read the recipe; every problem is an error of this field."""
        text = str(self.cleaned_data["text"])
        try:
            self.recipe = parse_recipe(text)
        except RecipeError as error:
            raise forms.ValidationError([problem.message for problem in error.problems]) from None
        return text

    def add_problems(self, problems: list[Problem]) -> None:
        """What the hub finds when it looks the names up, at the text or at the field beside it."""
        for problem in problems:
            own = {"target": "name", "flavor": "flavor"}.get(problem.field, "text")
            self.add_error(own, problem.message)
