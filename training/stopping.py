"""What early stopping watches, and which way is better."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Protocol

from training.errors import UserError

# Words of a measure's name that say smaller is better; of all others, larger.
ERRORS = frozenset(
    {"loss", "error", "mse", "rmse", "mae", "mape", "smape", "wape", "mase", "msle", "rmsle", "medae"}
    | {"nll", "brier", "ece", "crps", "pinball", "quantile", "perplexity", "wer", "cer", "ter", "hamming"}
    | {"distance", "deviance"}
)


class Aim(Protocol):
    """The part of a task that says what it is judged by."""

    metric: str
    higher_is_better: bool


@dataclass(frozen=True)
class Watched:
    """`name` as measured, without `val/`; `value` times `sign` is larger where it is better."""

    name: str
    sign: float

    def read(self, measured: dict[str, float]) -> float:
        """The measured value, turned so that larger is better."""
        return self.sign * measured[self.name]


def watched(metric: str | None, aim: Aim) -> Watched:
    """What a recipe's `early_stopping.metric` means; None is the task's own."""
    name = (metric or aim.metric).removeprefix("val/")
    if name == aim.metric:
        return Watched(name, 1.0 if aim.higher_is_better else -1.0)
    words = set(name.lower().replace("-", "_").split("_"))
    return Watched(name, -1.0 if words & ERRORS else 1.0)


def require_measured(what: Watched, measured: dict[str, float]) -> None:
    """Raises `UserError` with the measured names where what is to be watched is not among them."""
    if what.name in measured:
        return
    near = difflib.get_close_matches(what.name, measured, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(measured)[:20])}."
    text = f"early_stopping.metric: validation does not measure {what.name[:60]!r}; {hint}"
    raise UserError("recipe:unknown-metric", text)
