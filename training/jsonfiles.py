"""JSON objects in a model's directory: bounded before they are read, written so that everybody reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.errors import UserError

MEBIBYTE = 1024 * 1024


def read_object(
    path: Path, mebibytes: int, refusal: Callable[[str], UserError], *, whose: str = "The model"
) -> dict[str, Any]:
    """The object in a file of at most so many MiB.

    Raises `UserError` `model:no-config` where there is none, and `refusal(reason)` for what cannot be used.
    """
    try:
        if path.stat().st_size > mebibytes * MEBIBYTE:
            raise refusal(f"it is larger than {mebibytes} MiB")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise UserError("model:no-config", f"{whose} has no {path.name}.") from None
    except (ValueError, RecursionError):
        raise refusal("it is not valid JSON") from None
    if not isinstance(found, dict):
        raise refusal("it is not a JSON object")
    return found


def write_object(path: Path, plain: Mapping[str, Any]) -> None:
    """Write it, a line an item; ValueError for numbers that JSON does not have."""
    text = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
