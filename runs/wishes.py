"""What people's scripts ask for, read field by field; what is wrong is named in one sentence."""

from __future__ import annotations

import difflib
import uuid as uuids
from collections.abc import Iterable
from typing import Any

from runs import payloads
from runs.job_specs import labels as read_labels
from runs.reports import BadReport
from training.recipe import MAX_TEXT_BYTES, Recipe, parse_recipe


def only(body: dict[str, Any], names: Iterable[str]) -> None:
    """Refuse fields that nobody reads, as one that is misspelt would be passed over in silence."""
    known = list(names)
    for name in body:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
            raise BadReport(f"{name[:60]!r} is not a field of this request; {hint}")


def recipe_in(body: dict[str, Any]) -> Recipe:
    """The recipe, an object or YAML as text. Raises BadReport, RecipeError."""
    value = body.get("recipe")
    if isinstance(value, str):
        return parse_recipe(payloads.text(body, "recipe", MAX_TEXT_BYTES))
    return parse_recipe(payloads.mapping(body, "recipe"))


def flag_in(body: dict[str, Any], name: str) -> bool | None:
    """True, false, or None where it is left out."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadReport(f"{name} must be true, false or left out.")
    return value


def uuid_in(body: dict[str, Any], name: str) -> uuids.UUID | None:
    """A UUID, or None where it is left out."""
    value = body.get(name)
    if value is None:
        return None
    try:
        return uuids.UUID(value if isinstance(value, str) and len(value) <= 36 else "")
    except ValueError:
        raise BadReport(f"{name} must be a UUID.") from None


def labels_in(body: dict[str, Any]) -> dict[str, str] | None:
    """Labels by key, or None where they are left out; whether they are good ones, the action says."""
    return read_labels(body) if body.get("labels") is not None else None
