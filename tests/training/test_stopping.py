from __future__ import annotations

import pytest

from training import stopping
from training.errors import UserError


class Aim:
    metric, higher_is_better = "score", False


@pytest.mark.parametrize(
    ("metric", "sign"),
    [
        ("loss", -1),
        ("accuracy", 1),
        ("macro_f1", 1),
        ("rmse", -1),
        ("mae_24", -1),
        ("r2", 1),
        ("val/loss", -1),
        ("roc_auc", 1),
        ("hamming_loss", -1),
        ("perplexity", -1),
        (None, -1),
        ("score", -1),
    ],
)
def test_which_way_is_better(metric: str | None, sign: int) -> None:
    watched = stopping.watched(metric, Aim())
    assert watched.name == (metric or "score").removeprefix("val/")
    assert watched.read({watched.name: 3.0}) == 3.0 * sign


def test_what_is_not_measured_is_refused_with_what_is() -> None:
    measured = {"loss": 1.0, "macro_f1": 0.5}
    stopping.require_measured(stopping.watched("macro_f1", Aim()), measured)
    with pytest.raises(UserError, match="'macro_fl'; did you mean macro_f1") as caught:
        stopping.require_measured(stopping.watched("macro_fl", Aim()), measured)
    assert caught.value.message_id == "recipe:unknown-metric"
    with pytest.raises(UserError, match="there are loss, macro_f1"):
        stopping.require_measured(stopping.watched("zzz", Aim()), measured)
