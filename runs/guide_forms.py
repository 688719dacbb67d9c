"""The third stage's form: the fine-tune form with three strengths before its fields."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from models_app.models import Repo
from runs.forms import REDRAW, FinetuneForm
from runs.guide_strengths import BALANCED, FIELDS, TITLES, Strength, strengths_for

# A change of the strength lets its own fields follow.
_FOLLOWING = ",".join(("not csrfmiddlewaretoken", *FIELDS))


class GuideForm(FinetuneForm):
    """`strength` fills in the fields it is about; `was_strength` is the one that the page was drawn with."""

    strength = forms.ChoiceField(
        label=_("How thoroughly?"),
        choices=list(TITLES.items()),
        widget=forms.RadioSelect(attrs=REDRAW | {"hx-params": _FOLLOWING}),
    )
    was_strength = forms.CharField(required=False, max_length=12, widget=forms.HiddenInput)

    def __init__(
        self,
        actor: Actor,
        base: Repo,
        task: str,
        dataset: Repo,
        given: dict[str, str],
        *,
        is_sent: bool = False,
    ) -> None:
        """`given` are fields as text: kept, carried by the address or, with `is_sent`, to be judged."""
        self.strengths = {one.name: one for one in strengths_for(task)}
        wanted = self._with_strength(given) | {"task": task, "dataset": dataset.repo_id}
        super().__init__(actor, base, wanted if is_sent else None, wanted)
        self.initial.update(strength=wanted["strength"], was_strength=wanted["strength"])

    def _with_strength(self, given: dict[str, str]) -> dict[str, str]:
        """The fields with those of the strength, where another was chosen or none of them says anything."""
        name = given.get("strength", BALANCED)
        if name not in self.strengths:
            return given | {"strength": name}
        is_new = given.get("was_strength") != name
        filled = self.strengths[name].fields if is_new else {}
        # A page without script sends both: the strength that was just chosen, and the fields of the former.
        return given | filled | {"strength": name, "was_strength": name}

    @property
    def radios(self) -> list[tuple[Any, Strength]]:
        """Each strength's button, with what it means."""
        return [(radio, self.strengths[radio.data["value"]]) for radio in self["strength"]]

    @property
    def typed(self) -> dict[str, str]:
        """Every field as text, to be kept."""
        values = {name: self[name].value() for name in self.fields if name not in ("task", "dataset")}
        return {name: _text(value) for name, value in values.items() if value is not None}

    def folded(self) -> list[forms.BoundField]:
        """All fields but what stands in the open here."""
        return [self["epochs"], *super().folded()]

    @property
    def folded_wrong(self) -> bool:
        """Also where the strategy, which is drawn by itself there, is what is wrong."""
        return super().folded_wrong or bool(self["strategy"].errors)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else ""
    return str(value)[:4000]
