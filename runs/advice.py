"""What to do about a failure: a sentence, and where it would help, the recipe's fields to change. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from training.recipe import RecipeError, parse_recipe
from training.recipe_study import with_changes

SMALLEST_IMAGE = 32
GIGABYTE = 1e9
_COLUMNS = re.compile(r"column '([^']{1,100})'.*?; its columns are: (.+?)\.?$", re.DOTALL)


class Past(Protocol):
    """An attempt as the ledger keeps it."""

    number: int
    outcome: str
    worker_name: str
    seconds: float
    from_step: int


@dataclass(frozen=True)
class Patient:
    """The run as far as advice depends on it; `checkpoint_step` is None where there is none to go on from."""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0
    total: int = 0
    timeout_seconds: int = 0
    longest_timeout_seconds: int = 0
    checkpoint_step: int | None = None


@dataclass(frozen=True)
class Action:
    """`kind` is "change" (the form, filled in as the run was but for `changes`), "resume" or "retry".

    `changes` maps fields of a recipe to values: `{"optim.batch_size": 16}`.
    """

    kind: str
    changes: Mapping[str, Any] = field(default_factory=dict)


Advice = tuple[str, Action | None]
CHANGE = Action("change")
# Strategies under which more than a head learns.
_HEAVY = ("full", "last-stages", "gradual", "lp-ft")


@dataclass(frozen=True)
class _Case:
    message_id: str
    message: str
    patient: Patient
    attempts: Sequence[Past]
    summary: Mapping[str, Any]

    def field(self, path: str, default: Any = None) -> Any:
        """A field of the recipe by its dotted name."""
        found: Any = self.patient.recipe
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return default if found is None else found

    def takes(self, changes: Mapping[str, Any]) -> bool:
        """Whether the recipe would still be one with these changes."""
        try:
            parse_recipe(with_changes(dict(self.patient.recipe), changes))
        except RecipeError:
            return False
        return True


def advise(
    cause: str,
    message_id: str,
    message: str,
    patient: Patient,
    attempts: Sequence[Past],
    summary: Mapping[str, Any],
) -> Advice:
    """The next step in one or two sentences, and the button beside it."""
    case = _Case(message_id, message, patient, attempts, summary)
    return (_BY_ID.get(message_id) or _BY_CAUSE[cause])(case)


# --- data, recipe, model


def _data(case: _Case) -> Advice:
    text = "Mend what the sentence names, commit it to the data set, and run again"
    return f"{text}: a new run takes the newest commit.", CHANGE


def _missing_column(case: _Case) -> Advice:
    found = _COLUMNS.search(case.message)
    if found is None:
        return _data(case)
    wanted, columns = found[1], [name.strip() for name in found[2].split(",")]
    near = difflib.get_close_matches(wanted, columns, 1, 0.6)
    name = _data_field(case, wanted)
    if near and name:
        return f"Name a column that is there: did you mean {near[0]!r}?", Action("change", {name: near[0]})
    return f"Name a column that is there: {', '.join(columns)}.", CHANGE


def _data_field(case: _Case, value: str) -> str | None:
    """The field of the recipe's data that holds this value."""
    data = case.field("dataset", {})
    return next((f"dataset.{name}" for name, held in data.items() if held == value and name != "repo"), None)


def _recipe(case: _Case) -> Advice:
    return "Change what the sentence names and run again; everything else stays as it was.", CHANGE


def _gone(case: _Case) -> Advice:
    return "Choose another repo for what is gone and run again.", CHANGE


def _model(case: _Case) -> Advice:
    return (
        "Choose another base model, or repair this one: its repo lacks, or breaks, what the sentence names.",
        None,
    )


def _diverged(case: _Case) -> Advice:
    rate = case.field("optim.lr")
    if not isinstance(rate, int | float):
        return "Run again with a tenth of the learning rate.", CHANGE
    changes: dict[str, Any] = {"optim.lr": float(f"{rate / 10:.3g}")}
    return f"Run again with a tenth of the learning rate: {changes['optim.lr']:g}.", Action("change", changes)


def _scale(case: _Case) -> Advice:
    text = "Bring the numbers to learn near 1 (a larger unit, their logarithm)"
    return f"{text}; or try a tenth of the learning rate.", _diverged(case)[1]


# --- bounds


def _memory(case: _Case) -> Advice:
    """Less at once first, since that changes no result; then less to keep."""
    lighter = _halved(case) or _smaller(case)
    needed = _peak(case)
    if lighter is None:
        return f"{needed}Choose a smaller base model, or a larger kind of hardware.", CHANGE
    text, changes = lighter
    return f"{needed}Run again {text}.", Action("change", changes)


def _gpu_memory(case: _Case) -> Advice:
    """The engine has halved the batch already, down to the least."""
    lighter = _smaller(case)
    if lighter is None:
        return "Choose a smaller base model, or a larger kind of hardware.", CHANGE
    text, changes = lighter
    return f"Smaller batches were tried already. Run again {text}.", Action("change", changes)


def _peak(case: _Case) -> str:
    used = (case.summary.get("resources") or {}).get("peak_memory_bytes")
    return f"It had taken {used / GIGABYTE:.1f} GB. " if isinstance(used, int | float) and used > 0 else ""


def _halved(case: _Case) -> tuple[str, dict[str, Any]] | None:
    """Half the batch and twice the accumulation: the same update from less memory."""
    size, accumulated = case.field("optim.batch_size"), case.field("optim.grad_accum_steps", 1)
    if not isinstance(size, int) or size < 2 or not isinstance(accumulated, int):
        return None
    changes = {"optim.batch_size": size // 2, "optim.grad_accum_steps": accumulated * 2}
    words = f"with batches of {size // 2} and {accumulated * 2} accumulation steps, which learns the same"
    return (words, changes) if case.takes(changes) else None


def _smaller(case: _Case) -> tuple[str, dict[str, Any]] | None:
    """Smaller inputs where they are images, else less to keep, else a part that learns less."""
    edge, choices = case.field("dataset.image_size"), []
    if isinstance(edge, int) and edge // 2 >= SMALLEST_IMAGE:
        choices.append((f"with images of {edge // 2} px", {"dataset.image_size": edge // 2}))
    if not case.field("strategy.checkpoint_activations"):
        choices.append(("with activations computed twice", {"strategy.checkpoint_activations": True}))
    if case.field("strategy.kind") in _HEAVY:
        choices.append(("with a head that learns alone", {"strategy.kind": "head"}))
    return next(((text, changes) for text, changes in choices if case.takes(changes)), None)


def _time(case: _Case) -> Advice:
    patient = case.patient
    share = patient.step / patient.total if patient.total else 0.0
    done = f"It had done {share:.0%} of its steps. " if share else ""
    if step := patient.checkpoint_step:
        text = f"Resume it: it goes on after step {step:,}, and its clock begins anew."
        return done + text, Action("resume")
    text, changes = _quicker(case, share)
    return f"{done}Run again {text}.", Action("change", changes)


def _quicker(case: _Case, share: float) -> tuple[str, dict[str, Any]]:
    """Less to do within the same time."""
    head = {"strategy.kind": "head"}
    if case.field("strategy.kind") in _HEAVY and case.takes(head):
        return "with a head that learns alone, which is far quicker", head
    epochs = case.field("optim.epochs")
    if isinstance(epochs, int) and epochs > 1:
        fewer = {"optim.epochs": max(1, int(epochs * (share or 0.5) * 0.8))}
        return f"with fewer epochs: {fewer['optim.epochs']}", fewer
    if case.patient.timeout_seconds < case.patient.longest_timeout_seconds:
        hours = case.patient.longest_timeout_seconds / 3600
        return f"with a longer limit: this hub allows {hours:g} h", {}
    return "with fewer rows or smaller inputs", {}


# --- ours


def _lost(case: _Case) -> Advice:
    """A worker that is killed for memory cannot say so: several losses in a row point there."""
    lost = sum(attempt.outcome == "lost" for attempt in case.attempts)
    lighter = _halved(case) or _smaller(case)
    if lost > 1 and lighter is not None:
        text, changes = lighter
        told = f"{lost} workers were lost at it, most likely for want of memory. Run again {text}"
        return f"{told}; if it stays, tell whoever runs this hub.", Action("change", changes)
    return _again(case, "if it stays, tell whoever runs this hub: the worker's own log says why.")


def _hub(case: _Case) -> Advice:
    return _again(case, "there is nothing to change.")


def _disk(case: _Case) -> Advice:
    return _again(case, "first tell whoever runs this hub, so that there is room again.")


def _bug(case: _Case) -> Advice:
    return _again(case, "if it stays, tell whoever runs this hub, with the address of this page.")


def _again(case: _Case, rest: str) -> Advice:
    step = case.patient.checkpoint_step
    if step:
        return f"Resume it, which goes on after step {step:,}; {rest}", Action("resume")
    return f"Try it again as it is; {rest}", Action("retry")


_BY_CAUSE: dict[str, Callable[[_Case], Advice]] = {
    "data": _data,
    "recipe": _recipe,
    "model": _model,
    "memory": _memory,
    "time": _time,
    "worker": _lost,
    "hub": _hub,
    "disk": _disk,
    "bug": _bug,
}
_BY_ID: dict[str, Callable[[_Case], Advice]] = {
    "data:missing-column": _missing_column,
    "train:diverged": _diverged,
    "train:target-scale": _scale,
    "train:out-of-memory": _gpu_memory,
    "run:repo-deleted": _gone,
    "run:repo-unreadable": _gone,
    "run:target-gone": _gone,
}
