"""The form of a sweep: a recipe as text, and a line for each field with the values to try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from runs.pasting import RecipeForm
from runs.sweeps import Plan, planned
from training.axes import MAX_POINTS, MODES, read_axes_text
from training.recipe import Problem, RecipeError

MAX_AXES_TEXT = 10_000
_LINES = {"spellcheck": "false", "class": "mono"}


class SweepForm(RecipeForm):
    """Judged as the API judges it; `plan` is what a good one makes."""

    axes = forms.CharField(
        label=_("What to try"),
        max_length=MAX_AXES_TEXT,
        strip=False,
        widget=forms.Textarea(attrs={**_LINES, "rows": 5, "placeholder": "optim.lr: 0.001, 0.003"}),
    )
    mode = forms.ChoiceField(
        label=_("How"),
        choices=[("grid", _("Every combination")), ("random", _("Settings drawn at random"))],
        initial=MODES[0],
    )
    samples = forms.IntegerField(
        label=_("How many settings"),
        min_value=1,
        max_value=MAX_POINTS,
        required=False,
        help_text=_("For settings drawn at random; each is tried with every seed."),
    )
    field_order = ("text", "axes", "mode", "samples", "namespace", "name", "is_private", "flavor")

    def __init__(self, actor: Actor, data: Any = None, initial: Mapping[str, Any] | None = None) -> None:
        super().__init__(actor, data, initial)
        self.fields["text"].widget.attrs["rows"] = 16
        self.fields["name"].label = _("Name of the results")
        self.plan = Plan({}, [])

    def clean(self) -> dict[str, Any]:
        """Read the axes and lay out the points; every problem is told beside its field."""
        cleaned = super().clean() or {}
        if "axes" not in cleaned or getattr(self, "recipe", None) is None:
            return cleaned
        mode = cleaned.get("mode", MODES[0])
        problems: list[Problem] = []
        try:
            axes = read_axes_text(cleaned["axes"])
            samples = cleaned.get("samples") if mode == "random" else None
            self.plan = planned(self.recipe, axes, mode=mode, samples=samples, problems=problems)
        except RecipeError as error:
            problems = error.problems
        self.add_problems(problems)
        return cleaned

    def add_problems(self, problems: list[Problem]) -> None:
        """At the axes, the name, the hardware, or the recipe, whichever a problem is about."""
        own = {"target": "name", "name": "name", "flavor": "flavor", "samples": "samples", "mode": "mode"}
        for problem in problems:
            is_axis = problem.field.partition(".")[0] == "axes" or problem.message.startswith("With ")
            self.add_error("axes" if is_axis else own.get(problem.field, "text"), problem.message)
