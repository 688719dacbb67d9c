"""The failure doctor: what a run died of, by its message id; what shows it; what to do next.

Pure: it reads what it is given and asks no table. `runs/diagnoses.py` gives it a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from runs.advice import advise
from runs.evidence import LAST_WORDS, history_lines, telling_lines, without_secrets
from runs.patient import Action, Past, Patient


class Cause(StrEnum):
    """What a failed run died of."""

    DATA = "data"
    RECIPE = "recipe"
    MODEL = "model"
    MEMORY = "memory"
    WORKER = "worker"
    HUB = "hub"
    TIME = "time"
    DISK = "disk"
    BUG = "bug"


# Whose fault it is when the platform is to blame: never charged, and tried again without being asked.
PLATFORM = frozenset({Cause.WORKER, Cause.HUB, Cause.DISK, Cause.BUG})

# Families whose members all mean the same; of the others every id is named below, which a test holds us to.
FAMILIES = {
    "data": Cause.DATA,
    "recipe": Cause.RECIPE,
    "model": Cause.MODEL,
    "measure": Cause.DATA,
    "study": Cause.RECIPE,
    "engine": Cause.BUG,
}
CAUSES = {
    # named in the recipe, and mended there
    "data:missing-column": Cause.RECIPE,
    "train:bad-rows": Cause.DATA,
    "train:target-scale": Cause.DATA,
    "train:bad-weights": Cause.MODEL,
    "train:diverged": Cause.RECIPE,
    "train:out-of-memory": Cause.MEMORY,
    "worker:out-of-memory": Cause.MEMORY,
    "worker:disk-full": Cause.DISK,
    "worker:hub-unreachable": Cause.HUB,
    "worker:hub-refused": Cause.BUG,
    "worker:failed": Cause.BUG,
    "worker:crashed": Cause.BUG,
    "worker:child-protocol": Cause.BUG,
    "worker:protocol": Cause.BUG,
    "worker:settings": Cause.BUG,
    "worker:no-benchmark": Cause.BUG,
    "worker:bad-manifest": Cause.BUG,
    "hub:disk-full": Cause.DISK,
    "hub:unreachable": Cause.HUB,
    "run:timeout": Cause.TIME,
    "run:worker-lost": Cause.WORKER,
    "run:repo-deleted": Cause.RECIPE,
    "run:repo-unreadable": Cause.RECIPE,
    "run:target-gone": Cause.RECIPE,
    "run:not-alike": Cause.BUG,
    "run:told-elsewhere": Cause.BUG,
}
SENTENCES = {
    Cause.DATA: "The data set cannot be used as it is.",
    Cause.RECIPE: "The recipe asks for what cannot be done.",
    Cause.MODEL: "The base model cannot be used for this.",
    Cause.MEMORY: "The run needed more memory than the machine has for it.",
    Cause.WORKER: "The workers that had the run fell silent. This is our fault, not yours.",
    Cause.HUB: "The worker could not reach the hub for too long. This is our fault, not yours.",
    Cause.TIME: "The run took longer than it was allowed to.",
    Cause.DISK: "A disk of ours is full. This is our fault, not yours.",
    Cause.BUG: "Something failed on our side. This is our fault, not yours.",
}
_SENTENCES_BY_ID = {
    "train:diverged": "The training ran away: its loss stopped being a number.",
    "run:repo-deleted": "A repo that the run needs is gone.",
    "run:repo-unreadable": "A repo that the run needs can no longer be read.",
    "run:target-gone": "The repo that the run was to publish to is gone.",
}


@dataclass(frozen=True)
class Diagnosis:
    """`sentence` says whose fault it was; `evidence` are lines of the log, and attempts, that show it.

    `action` is what a button offers beside `next_step`, None where there is nothing to press.
    """

    cause: Cause
    sentence: str
    next_step: str
    evidence: list[str] = field(default_factory=list)
    action: Action | None = None

    @property
    def is_ours(self) -> bool:
        return self.cause in PLATFORM


def cause_of(message_id: str) -> Cause:
    """What a failure with this id is. An id that nobody knows can only be a mistake of ours."""
    found = CAUSES.get(message_id) or FAMILIES.get(message_id.partition(":")[0])
    return found or Cause.BUG


def is_platform_fault(message_id: str) -> bool:
    """Whether the platform failed the run: such an attempt costs nothing and is tried again by itself.

    False for no id at all. Memory and time are bounds that the recipe went over: the same again would too.
    """
    return bool(message_id) and cause_of(message_id) in PLATFORM


def diagnose(
    message_id: str,
    message: str,
    log_lines: Sequence[str] = (),
    attempts: Sequence[Past] = (),
    summary: Mapping[str, Any] | None = None,
    *,
    patient: Patient | None = None,
) -> Diagnosis:
    """What the run died of. `log_lines` are the last of its log, oldest first; secrets in them are covered.

    `patient` is what is known of the run beside its end (recipe, progress, checkpoint): without it the
    advice is in general words. `summary` is the run's, as far as it got.
    """
    cause = cause_of(message_id)
    patient = patient or Patient()
    # Where the message says all, a log without a word of trouble adds nothing.
    says_all = cause in (Cause.DATA, Cause.RECIPE, Cause.MODEL)
    shown = telling_lines(log_lines, message, last_words=0 if says_all else LAST_WORDS)
    if cause is Cause.WORKER:
        shown = [*history_lines(attempts), *shown]
    step, action = advise(cause.value, message_id, message, patient, attempts, summary or {})
    sentence = _SENTENCES_BY_ID.get(message_id, SENTENCES[cause])
    return Diagnosis(cause, sentence, without_secrets(step), shown, action)
