"""Is it overfitting? Told from the curves of the loss, in words, by a few plain rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext

from runs.models import Run

Point = tuple[int, float]
MAX_POINTS = 2000
# Fewer validations than this make no curve.
FEWEST = 3
# By how much of itself the loss must rise, or still fall, to be more than its own noise.
NOTABLE = 0.05


@dataclass(frozen=True)
class Verdict:
    """`kind`: unknown, none, learning, overfitting, stuck. `step`: where validation was best."""

    kind: str
    step: int | None = None

    @property
    def title(self) -> str:
        """The answer in a few words."""
        return {
            "unknown": gettext("Too few points to tell."),
            "none": gettext("No, it is not overfitting."),
            "learning": gettext("No, and it was still getting better."),
            "overfitting": gettext("Yes, towards the end."),
            "stuck": gettext("It hardly learned."),
        }[self.kind]

    @property
    def words(self) -> str:
        """What is seen in the curves, and what one would do."""
        return {
            "unknown": gettext(
                "The validation loss was measured too seldom to see a trend. More rounds make a curve."
            ),
            "none": gettext("The validation loss fell and then stayed where it was, as one wishes."),
            "learning": gettext(
                "The validation loss was still falling at the end: more rounds would probably help."
            ),
            "overfitting": gettext(
                "After step %(step)s the validation loss rose while the training loss went on falling: from "
                "there the model learned its examples by heart. Fewer rounds, more data or a lighter "
                "strength help."
            )
            % {"step": self.step},
            "stuck": gettext(
                "The training loss barely fell. A higher learning rate, a thorougher strength or other data "
                "may help."
            ),
        }[self.kind]


def verdict_of(run: Run) -> Verdict:
    """Of the run's own curves; the newest attempt's points stand where two attempts told the same step."""
    rows = run.metrics.filter(name__in=("train/loss", "val/loss")).order_by("-step", "-pk")
    found: dict[str, dict[int, float]] = {"train/loss": {}, "val/loss": {}}
    for name, step, value in rows.values_list("name", "step", "value")[:MAX_POINTS]:
        found[name].setdefault(step, value)
    return judge(sorted(found["train/loss"].items()), sorted(found["val/loss"].items()))


def judge(train: Sequence[Point], validation: Sequence[Point]) -> Verdict:
    """From both curves, (step, loss) in the order of steps."""
    if len(validation) < FEWEST or len(train) < 2:
        return Verdict("unknown")
    first, last = validation[0][1], validation[-1][1]
    step, best = min(validation, key=lambda point: (point[1], point[0]))
    scale = max(abs(first - best), abs(best), 1e-9)
    trained = train[0][1] - train[-1][1]
    if last - best > NOTABLE * scale and _at(train, step) > train[-1][1]:
        return Verdict("overfitting", step)
    if trained < NOTABLE * max(abs(train[0][1]), 1e-9) and first - best < NOTABLE * max(abs(first), 1e-9):
        return Verdict("stuck", step)
    previous = validation[-2][1]
    if step == validation[-1][0] and previous - last > NOTABLE * max(abs(previous), 1e-9):
        return Verdict("learning", step)
    return Verdict("none", step)


def _at(points: Sequence[Point], step: int) -> float:
    """The training loss as it was told nearest to this step."""
    return min(points, key=lambda point: abs(point[0] - step))[1]
