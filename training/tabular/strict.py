"""JSON of a published model, believed only as far as its types and bounds go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from training.errors import UserError


def list_of(found: Any, limit: int) -> Sequence[Any]:
    if not isinstance(found, list) or len(found) > limit:
        raise ValueError(f"a list must have at most {limit:,} items")
    return found


def string(found: Any) -> str:
    if not isinstance(found, str) or len(found) > 1000:
        raise ValueError("a name must be text of at most 1,000 characters")
    return found


def number(found: Any) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ValueError("a number must be finite")
    return float(found)


def whole(found: Any, limit: int) -> int:
    if type(found) is not int or not 0 <= found <= limit:
        raise ValueError(f"a size must be a whole number up to {limit:,}")
    return found


def bad(name: str, reason: str) -> UserError:
    return UserError("model:bad-preprocessing", f"The model's {name} cannot be used: {reason}.")
