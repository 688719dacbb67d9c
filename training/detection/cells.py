"""What the cell of a row says of the objects in its picture, in the spellings that data sets have."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.errors import UserError

MAX_OBJECTS = 1_000
MAX_SIDE = 1e6
BOXES = ("bbox", "bboxes", "box", "boxes")
KINDS = ("category", "categories", "category_id", "label", "labels", "class", "classes")
CROWDS = ("iscrowd", "is_crowd")
Place = Callable[[], str]


@dataclass(frozen=True)
class Found:
    """One picture's objects: boxes of left, top, right, bottom in its pixels, and what their category cells
    hold. `crowds`: how many marked as crowds were left out."""

    boxes: list[tuple[float, float, float, float]]
    kinds: list[Any]
    crowds: int = 0


def read_cell(raw: Any, column: str, box_format: str, place: Place) -> Found:
    """`{bbox: [...], category: [...]}`, a list of `{bbox, category}`, either as JSON text, or nothing.

    Raises `UserError` `data:bad-objects` and `data:bad-box`; `place()` says where the row is.
    """
    raw = _unpacked(raw, column, place)
    if isinstance(raw, dict):
        raw = _records(raw, column, place)
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        raise _bad(column, place, "it must hold objects with bbox and category")
    if len(raw) > MAX_OBJECTS:
        raise _bad(column, place, f"it holds {len(raw):,} objects, more than {MAX_OBJECTS:,}")
    kept = [item for item in raw if not any(item.get(name) for name in CROWDS)]
    boxes, kinds = [], []
    for number, item in enumerate(kept, start=1):
        kinds.append(_one_of(item, KINDS, column, place))
        boxes.append(corners(_one_of(item, BOXES, column, place), box_format, number, place))
    return Found(boxes, kinds, len(raw) - len(kept))


def corners(raw: Any, box_format: str, number: int, place: Place) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a box told as `coco` (left, top, width, height) or `voc` (the corners)."""
    name = f"Box {number} of the picture {place()}"
    if not isinstance(raw, list | tuple) or len(raw) != 4:
        raise UserError("data:bad-box", f"{name} must be four numbers, got {str(raw)[:60]!r}.")
    if not all(isinstance(side, int | float) and not isinstance(side, bool) for side in raw):
        raise UserError("data:bad-box", f"{name} must be four numbers, got {str(raw)[:60]!r}.")
    shown = ", ".join(f"{float(side):g}" for side in raw)
    if not all(math.isfinite(side) and abs(side) <= MAX_SIDE for side in raw):
        raise UserError("data:bad-box", f"{name} holds what is no place in a picture: {shown}.")
    left, top, right, bottom = (float(side) for side in raw)
    if box_format == "coco":
        right, bottom = left + right, top + bottom
    if right <= left or bottom <= top:
        meant = "width and height" if box_format == "coco" else "left, top, right, bottom"
        text = f"{name} has no area ({shown}); dataset.box_format {box_format} reads {meant}"
        raise UserError("data:bad-box", f"{text}, which must {_must(box_format)}.")
    return left, top, right, bottom


def _must(box_format: str) -> str:
    return "be above 0" if box_format == "coco" else "rise"


def _unpacked(raw: Any, column: str, place: Place) -> Any:
    """JSON text, as tables in CSV have it, as what it says; nothing as an empty list."""
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return []
    if not isinstance(raw, str):
        return raw
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise _bad(column, place, "it is no JSON") from None


def _records(raw: dict[str, Any], column: str, place: Place) -> list[dict[str, Any]]:
    """Lists side by side as one mapping an object."""
    names = [name for name in (*BOXES, *KINDS, *CROWDS) if name in raw]
    lists = {name: raw[name] if raw[name] is not None else [] for name in names}
    if not any(name in lists for name in BOXES) or not any(name in lists for name in KINDS):
        have = ", ".join(sorted(map(str, raw))[:10]) or "nothing"
        raise _bad(column, place, f"it must have bbox and category, there is {have}")
    if not all(isinstance(items, list) for items in lists.values()):
        raise _bad(column, place, "bbox and category must be lists, an item an object")
    if len({len(items) for items in lists.values()}) > 1:
        counts = ", ".join(f"{len(items)} in {name}" for name, items in lists.items())
        raise _bad(column, place, f"its lists differ in length ({counts})")
    return [dict(zip(lists, items, strict=True)) for items in zip(*lists.values(), strict=True)]


def _one_of(item: dict[str, Any], names: tuple[str, ...], column: str, place: Place) -> Any:
    for name in names:
        if name in item:
            return item[name]
    raise _bad(column, place, f"an object has no {names[0]}")


def _bad(column: str, place: Place, reason: str) -> UserError:
    return UserError("data:bad-objects", f"The column {column!r} cannot be used {place()}: {reason}.")
