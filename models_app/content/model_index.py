"""Results that a card's own `model-index` claims, in the form that the field's cards have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_CLAIMS = 40
MAX_CHARS = 120


@dataclass(frozen=True)
class Claim:
    """One number of a card: `metric` of `task` on `data`, the words as the card has them."""

    task: str
    data: str
    metric: str
    value: float


def claims_of(metadata: Mapping[str, Any]) -> list[Claim]:
    """At most 40 numbers; what is no number, or has no metric, is left out."""
    found: list[Claim] = []
    for result in _results(metadata.get("model-index")):
        task, data = _words(result.get("task")), _words(result.get("dataset"))
        for metric in _mappings(result.get("metrics")):
            value = _number(metric.get("value"))
            name = _text(metric.get("name")) or _text(metric.get("type"))
            if value is None or not name:
                continue
            found.append(Claim(task, data, name, value))
            if len(found) == MAX_CLAIMS:
                return found
    return found


def _results(index: Any) -> Iterator[Mapping[str, Any]]:
    for model in _mappings(index):
        yield from _mappings(model.get("results"))


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return (
        [item for item in value[:MAX_CLAIMS] if isinstance(item, Mapping)] if isinstance(value, list) else []
    )


def _words(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    return _text(value.get("name")) or _text(value.get("type"))


def _text(value: Any) -> str:
    return value.strip()[:MAX_CHARS] if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
