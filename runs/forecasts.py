"""Whether a foretold run fits, and the change that would make it fit. Memory in bytes, times in seconds."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.forecast import Forecast, fit

log = logging.getLogger(__name__)
# Above this share of what there is, a foretelling that is right to a tenth may still be short.
TIGHT = 0.9
# Part of a stored forecast that a run's own copy does without.
_ONLY_FOR_SCALING = ("measured", "version")


@dataclass(frozen=True)
class Room:
    """Bytes that a run may take, of the machine's memory and of its accelerator's; None: unknown."""

    memory: int | None = None
    gpu_memory: int | None = None


@dataclass(frozen=True)
class Change:
    """Fields of a recipe (dotted) and what they should be, and the memory it would then need."""

    fields: Mapping[str, Any]
    needs: int

    @property
    def words(self) -> str:
        """`optim.batch_size to 8 with optim.grad_accum_steps 4`."""
        (name, value), *rest = self.fields.items()
        beside = " and ".join(f"{name} {value}" for name, value in rest)
        return f"{name} to {value}" + (f" with {beside}" if beside else "")


@dataclass(frozen=True)
class Verdict:
    """`fits` None: nothing is known of the room. Of what is short, what is needed, what there is, and the
    change that would do; `change` None where none would."""

    fits: bool | None
    is_tight: bool = False
    is_of_gpu: bool = False
    needs: int = 0
    there_is: int = 0
    change: Change | None = None


UNKNOWN = Verdict(None)


def judge(kept: Mapping[str, Any], room: Room) -> Verdict:
    """Whether the run of a stored forecast goes into the room; the accelerator's memory comes first."""
    try:
        return _judged(Forecast.from_dict(kept), room)
    except Exception:  # measured by an engine of another release: nothing can be told then
        log.warning("a stored forecast could not be judged", exc_info=True)
        return UNKNOWN


def _judged(forecast: Forecast, room: Room) -> Verdict:
    pairs = (
        ("gpu", forecast.gpu_peak_memory_bytes, room.gpu_memory),
        ("process", forecast.peak_memory_bytes, room.memory),
    )
    known = [
        (where, needs, there) for where, needs, there in pairs if needs is not None and there is not None
    ]
    for where, needs, there in known:
        advice = fit(forecast, there, where=where)
        if advice is not None:
            change = Change(advice.changes, advice.peak_memory_bytes) if advice.changes else None
            return Verdict(False, False, where == "gpu", needs, there, change)
    if not known:
        return UNKNOWN
    return Verdict(True, any(needs > TIGHT * there for _, needs, there in known))


def for_run(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What a run keeps of a forecast, to be compared with the truth when it has ended."""
    return {name: value for name, value in kept.items() if name not in _ONLY_FOR_SCALING}
