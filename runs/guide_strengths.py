"""Three strengths in place of twenty fields: a quick look, balanced, thorough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from runs.plans import plans_for

QUICK, BALANCED, THOROUGH = "quick", "balanced", "thorough"
TITLES: dict[str, Any] = {QUICK: _("Quick look"), BALANCED: _("Balanced"), THOROUGH: _("Thorough")}
# What each would have learn, the best first; a task offers some of them.
_KINDS = {
    QUICK: ("head", "lora", "last-stages", "full"),
    BALANCED: ("lora", "last-stages", "full", "head"),
    THOROUGH: ("full", "last-stages", "lora", "head"),
}
_PATIENCE = 3


@dataclass(frozen=True)
class Strength:
    """One of the three for a task: the fields of the form that it fills in."""

    name: str
    kind: str
    epochs: int
    patience: int | None = None

    @property
    def title(self) -> Any:
        return TITLES[self.name]

    @property
    def fields(self) -> dict[str, str]:
        """The form's fields, as text."""
        patience = "" if self.patience is None else str(self.patience)
        return {"strategy": self.kind, "epochs": str(self.epochs), "patience": patience}

    @property
    def words(self) -> str:
        """What will happen, in sentences."""
        parts = [_what(self.kind), _how_often(self.epochs)]
        if self.patience is not None:
            text = gettext(
                "It stops by itself when %(n)s rounds bring nothing, and keeps the best weights it had."
            )
            parts.append(text % {"n": self.patience})
        parts.append(
            {
                QUICK: gettext("Good for seeing whether it works at all."),
                BALANCED: gettext("A good first choice."),
                THOROUGH: gettext("Takes the longest and is usually the best."),
            }[self.name]
        )
        return " ".join(parts)


# The form's fields that a strength fills in.
FIELDS = ("strategy", "epochs", "patience")


def strengths_for(task: str) -> list[Strength]:
    """The three, in order."""
    return [_strength(task, name) for name in TITLES]


def _strength(task: str, name: str) -> Strength:
    plans = plans_for(task)
    kind = next(kind for kind in _KINDS[name] if kind in plans)
    epochs = plans[kind].epochs
    if name == QUICK:
        return Strength(name, kind, max(1, epochs // 2))
    if name == BALANCED:
        return Strength(name, kind, epochs)
    return Strength(name, kind, epochs * 2, _PATIENCE)


def _what(kind: str) -> str:
    return {
        "head": gettext("The pretrained network stays as it is; only a new last layer learns."),
        "last-stages": gettext("The end of the network adapts to your data; the rest stays as it is."),
        "full": gettext("The whole network adapts to your data."),
        "lora": gettext("The network stays as it is; small adapters beside it learn."),
    }[kind]


def _how_often(epochs: int) -> str:
    text = ngettext(
        "It sees every training example once.", "It sees every training example %(n)s times.", epochs
    )
    return text % {"n": epochs}
