"""Fields of a recipe's sections: their defaults and what they take."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def number(default: Any, **bounds: Any) -> Any:
    """Field with bounds: `above` (exclusive), `at_least`, `below` (exclusive), `at_most`."""
    return field(default=default, metadata=bounds)


def choice(default: str, *choices: str) -> Any:
    return field(default=default, metadata={"choices": choices})


def text(default: Any, limit: int = 200) -> Any:
    return field(default=default, metadata={"limit": limit})


def required_text(limit: int = 200) -> Any:
    return field(metadata={"limit": limit})
