"""What to do about a failure: a sentence, and where it would help, the recipe's fields to change. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runs.lighter import halved, quicker, smaller
from runs.patient import Action, Case, Past, Patient

GIGABYTE = 1e9
_COLUMNS = re.compile(r"column '([^']{1,100})'.*?; its columns are: (.+?)\.?$", re.DOTALL)

Advice = tuple[str, Action | None]
CHANGE = Action("change")


def advise(
    cause: str,
    message_id: str,
    message: str,
    patient: Patient,
    attempts: Sequence[Past],
    summary: Mapping[str, Any],
) -> Advice:
    """The next step in one or two sentences, and the button beside it."""
    case = Case(message_id, message, patient, attempts, summary)
    return (_BY_ID.get(message_id) or _BY_CAUSE[cause])(case)


# --- data, recipe, model


def _data(case: Case) -> Advice:
    text = "Mend what the sentence names, commit it to the data set, and run again"
    return f"{text}: a new run takes the newest commit.", CHANGE


def _missing_column(case: Case) -> Advice:
    found = _COLUMNS.search(case.message)
    if found is None:
        return _data(case)
    wanted, columns = found[1], [name.strip() for name in found[2].split(",")]
    near = difflib.get_close_matches(wanted, columns, 1, 0.6)
    name = _data_field(case, wanted)
    if near and name:
        return f"Name a column that is there: did you mean {near[0]!r}?", Action("change", {name: near[0]})
    return f"Name a column that is there: {', '.join(columns)}.", CHANGE


def _data_field(case: Case, value: str) -> str | None:
    """The field of the recipe's data that holds this value."""
    data = case.field("dataset", {})
    return next((f"dataset.{name}" for name, held in data.items() if held == value and name != "repo"), None)


def _recipe(case: Case) -> Advice:
    return "Change what the sentence names and run again; everything else stays as it was.", CHANGE


def _gone(case: Case) -> Advice:
    return "Choose another repo for what is gone and run again.", CHANGE


def _model(case: Case) -> Advice:
    return (
        "Choose another base model, or repair this one: its repo lacks, or breaks, what the sentence names.",
        None,
    )


def _diverged(case: Case) -> Advice:
    rate = case.field("optim.lr")
    if not isinstance(rate, int | float):
        return "Run again with a tenth of the learning rate.", CHANGE
    changes: dict[str, Any] = {"optim.lr": float(f"{rate / 10:.3g}")}
    return f"Run again with a tenth of the learning rate: {changes['optim.lr']:g}.", Action("change", changes)


def _scale(case: Case) -> Advice:
    text = "Bring the numbers to learn near 1 (a larger unit, their logarithm)"
    return f"{text}; or try a tenth of the learning rate.", _diverged(case)[1]


# --- bounds


def _memory(case: Case) -> Advice:
    """Less at once first, since that changes no result; then less to keep."""
    lighter = halved(case) or smaller(case)
    needed = _peak(case)
    if lighter is None:
        return f"{needed}Choose a smaller base model, or a larger kind of hardware.", CHANGE
    text, changes = lighter
    return f"{needed}Run again {text}.", Action("change", changes)


def _gpu_memory(case: Case) -> Advice:
    """The engine has halved the batch already, down to the least."""
    lighter = smaller(case)
    if lighter is None:
        return "Choose a smaller base model, or a larger kind of hardware.", CHANGE
    text, changes = lighter
    return f"Smaller batches were tried already. Run again {text}.", Action("change", changes)


def _peak(case: Case) -> str:
    used = (case.summary.get("resources") or {}).get("peak_memory_bytes")
    return f"It had taken {used / GIGABYTE:.1f} GB. " if isinstance(used, int | float) and used > 0 else ""


def _time(case: Case) -> Advice:
    patient = case.patient
    share = patient.step / patient.total if patient.total else 0.0
    done = f"It had done {share:.0%} of its steps. " if share else ""
    if step := patient.checkpoint_step:
        text = f"Resume it: it goes on after step {step:,}, and its clock begins anew."
        return done + text, Action("resume")
    text, changes = quicker(case, share)
    return f"{done}Run again {text}.", Action("change", changes)


# --- ours


def _lost(case: Case) -> Advice:
    """A worker that is killed for memory cannot say so: several losses in a row point there."""
    lost = sum(attempt.outcome == "lost" for attempt in case.attempts)
    lighter = halved(case) or smaller(case)
    if lost > 1 and lighter is not None:
        text, changes = lighter
        told = f"{lost} workers were lost at it, most likely for want of memory. Run again {text}"
        return f"{told}; if it stays, tell whoever runs this hub.", Action("change", changes)
    return _again(case, "if it stays, tell whoever runs this hub: the worker's own log says why.")


def _hub(case: Case) -> Advice:
    return _again(case, "there is nothing to change.")


def _disk(case: Case) -> Advice:
    return _again(case, "first tell whoever runs this hub, so that there is room again.")


def _bug(case: Case) -> Advice:
    return _again(case, "if it stays, tell whoever runs this hub, with the address of this page.")


def _again(case: Case, rest: str) -> Advice:
    step = case.patient.checkpoint_step
    if step:
        return f"Resume it, which goes on after step {step:,}; {rest}", Action("resume")
    return f"Try it again as it is; {rest}", Action("retry")


_BY_CAUSE: dict[str, Callable[[Case], Advice]] = {
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
_BY_ID: dict[str, Callable[[Case], Advice]] = {
    "data:missing-column": _missing_column,
    "train:diverged": _diverged,
    "train:target-scale": _scale,
    "train:out-of-memory": _gpu_memory,
    "run:repo-deleted": _gone,
    "run:repo-unreadable": _gone,
    "run:target-gone": _gone,
}
