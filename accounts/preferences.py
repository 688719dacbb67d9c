"""How the site looks to one person, and what it may assume about their machine."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import get_language_info, gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from accounts.languages import keep_language
from accounts.models import User
from accounts.themes import THEMES, keep_theme
from accounts.views import PersonRequest

MOST_GB = 4096


def _languages() -> list[tuple[str, str]]:
    """Each in its own words: who does not read the page's language still finds theirs."""
    named = [(code, str(get_language_info(code)["name_local"])) for code, _name in settings.LANGUAGES]
    return [("", gettext("As the browser asks")), *named]


class PreferencesForm(forms.Form):
    """Everything is optional: what is left empty follows the browser and its system."""

    language = forms.ChoiceField(label=_("Language"), required=False, choices=_languages)
    theme = forms.ChoiceField(
        label=_("Colours"),
        required=False,
        choices=list(THEMES.items()),
        help_text=_("System follows your device, its wish for more contrast included."),
    )
    machine_gb = forms.IntegerField(
        label=_("Memory for models, in GB"),
        required=False,
        min_value=1,
        max_value=MOST_GB,
        help_text=_(
            "Of your graphics card, or of your machine if it has none. Lists can then show what fits."
        ),
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )


@login_required
@require_http_methods(["GET", "POST"])
def preferences(request: PersonRequest) -> HttpResponse:
    """Context: `form`."""
    user = request.user
    initial = {"language": user.language, "theme": user.theme, "machine_gb": user.machine_gb}
    form = PreferencesForm(request.POST or None, initial=initial)
    if request.method != "POST" or not form.is_valid():
        context = {"form": form}
        return render(request, "accounts/preferences.html", context, status=400 if form.is_bound else 200)
    User.objects.filter(pk=user.pk).update(**form.cleaned_data)
    with translation.override(
        form.cleaned_data["language"] or translation.get_language_from_request(request)
    ):
        messages.success(request, gettext("Saved."))
    response = redirect("preferences")
    keep_theme(response, form.cleaned_data["theme"])
    keep_language(response, form.cleaned_data["language"])
    return response
