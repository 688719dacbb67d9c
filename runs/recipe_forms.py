"""Where a recipe goes: the form's part beside the recipe itself."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from models_app.access import Refusal
from models_app.actions.repos import check_repo_name
from models_app.views.support import writable_namespaces

MAX_README = 20_000


class PlaceForm(forms.Form):
    """Owner, name, who may see it."""

    namespace = forms.ChoiceField(label=_("Owner"), widget=forms.Select(attrs={"aria-label": _("Owner")}))
    name = forms.CharField(
        label=_("Name"),
        max_length=96,
        help_text=_("Letters, digits, “-”, “_” and “.”."),
        widget=forms.TextInput(attrs={"aria-label": _("Name"), "autocomplete": "off", "spellcheck": "false"}),
    )
    is_private = forms.BooleanField(label=_("Only I, or my organization, may see it"), required=False)

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = writable_namespaces(actor)
        cast(forms.ChoiceField, self.fields["namespace"]).choices = [(name, name) for name in names]

    def clean_name(self) -> str:
        """The rule of repo names."""
        try:
            return check_repo_name(self.cleaned_data["name"])
        except Refusal as refusal:
            raise forms.ValidationError(refusal.message) from refusal


class NewRecipeForm(PlaceForm):
    """A recipe's title and what there is to say about it, which become its README."""

    title = forms.CharField(label=_("Title"), max_length=200)
    about = forms.CharField(
        label=_("What is it for?"),
        max_length=MAX_README,
        required=False,
        help_text=_("Markdown. What it is good at, what it needs, what you tried."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    @property
    def readme(self) -> str:
        """The README of the new repo."""
        title = " ".join(self.cleaned_data["title"].split())
        return f"# {title}\n\n{self.cleaned_data['about'].strip()}\n"
