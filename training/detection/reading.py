"""A split of pictures with objects, out of Parquet, tables of files or COCO's JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from training.data import find_rows
from training.detection.cells import KINDS, Found, read_cell
from training.detection.coco import annotation_file, read_coco
from training.errors import UserError
from training.recipe import DetectionData, Recipe
from training.splits import class_name, natural, parquet_files
from training.tables import Rows

MAX_CLASSES = 1_000
MAX_TOTAL = 20_000_000
MAX_CARD_BYTES = 256 * 1024


@dataclass(frozen=True)
class Scenes:
    """`boxes[i]` float64 [k, 4], left, top, right, bottom in pixels of picture i, k may be 0; `kinds[i]`
    int64 [k] index `labels`. `crowds`: how many regions marked as crowds were left out.
    """

    name: str
    labels: list[str]
    boxes: list[np.ndarray]
    kinds: list[np.ndarray]
    rows: Rows
    crowds: int = 0

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def strata(self) -> Sequence[int]:
        """Every picture counts as the rarest class in it, so that parts of a split hold the rare ones too."""
        counts = np.zeros(len(self.labels), dtype=np.int64)
        for kinds in self.kinds:
            np.add.at(counts, kinds, 1)
        return [int(kinds[np.argmin(counts[kinds])]) if len(kinds) else -1 for kinds in self.kinds]


def detection_data(recipe: Recipe) -> DetectionData:
    """The recipe's data set as this task has it."""
    assert isinstance(recipe.dataset, DetectionData)  # the recipe's task decides its class
    return recipe.dataset


def read_scenes(root: Path, name: str, data: DetectionData) -> Scenes:
    """Split `name` with its objects, not yet its pictures. Raises `UserError` in the user's terms."""
    file = annotation_file(root, name)
    if file is not None:
        rows, found, names = read_coco(file, root, name)
        if not found:
            raise UserError("data:empty", f"The split {name!r} holds no images.")
        return _scenes(name, rows, found, names)
    rows = find_rows(root, name, data.image_column, data.objects_column)
    found = [
        read_cell(raw, data.objects_column, data.box_format, lambda index=index: rows.where(index))  # type: ignore[misc]
        for index, raw in enumerate(rows.labels)
    ]
    return _scenes(name, rows, found, declared_names(root, name, data.objects_column))


def same_labels(scenes: Scenes, labels: list[str]) -> Scenes:
    """The split with its classes renumbered to `labels`. `UserError` for a class that is not among them."""
    place = {label: index for index, label in enumerate(labels)}
    for kind in sorted({int(kind) for kinds in scenes.kinds for kind in kinds}):
        if scenes.labels[kind] not in place:
            shown = scenes.labels[kind][:60]
            text = f"The split {scenes.name!r} holds the class {shown!r}, the training split does not."
            raise UserError("data:unknown-class", text)
    return renumbered(scenes, labels)


def renumbered(scenes: Scenes, labels: list[str]) -> Scenes:
    """The same objects with indices into `labels`, which must hold every class that occurs."""
    place = {label: index for index, label in enumerate(labels)}
    lookup = np.array([place.get(label, -1) for label in scenes.labels], dtype=np.int64)
    kinds = [lookup[one] for one in scenes.kinds]
    return Scenes(scenes.name, labels, scenes.boxes, kinds, scenes.rows, scenes.crowds)


def declared_names(root: Path, name: str, column: str) -> list[str] | None:
    """Category names by index: of the Parquet schema, the card's `category_names` or its `dataset_info`."""
    shards = parquet_files(root, name)
    if shards:
        import pyarrow.parquet as pq

        try:
            info = json.loads((pq.read_schema(shards[0]).metadata or {})[b"huggingface"])
            found = _names_in(info["info"]["features"][column])
        except (KeyError, TypeError, ValueError, RecursionError):
            found = None
        if found:
            return found
    return _card_names(root, column)


def _card_names(root: Path, column: str) -> list[str] | None:
    try:
        with (root / "README.md").open(encoding="utf-8") as file:
            head = re.match(r"---\s*\n(.*?)\n---", file.read(MAX_CARD_BYTES), re.DOTALL)
        front: Any = yaml.safe_load(head.group(1)) if head else None
        listed = front.get("category_names")
        if isinstance(listed, list) and listed:
            return [str(item) for item in listed]
        info = front["dataset_info"]
        info = info[0] if isinstance(info, list) else info
        return _names_in(next(item for item in info["features"] if item["name"] == column))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
        return None
    except yaml.YAMLError:
        return None


def _names_in(feature: Any, depth: int = 0) -> list[str] | None:
    """Class names somewhere below a feature: libraries nest structs and lists in several ways."""
    if depth > 8 or not isinstance(feature, dict | list):
        return None
    if isinstance(feature, dict):
        names = feature.get("names")
        if isinstance(names, dict):
            names = [names[key] for key in sorted(names, key=lambda key: int(key))]
        if isinstance(names, list) and names and all(isinstance(item, str) for item in names):
            return names
        # A column of that name first: other classes may stand beside it.
        inner = [feature[key] for key in KINDS if key in feature]
        feature = inner + [item for key, item in feature.items() if key not in KINDS]
    return next((found for item in feature if (found := _names_in(item, depth + 1))), None)


def _scenes(name: str, rows: Rows, found: list[Found], declared: list[str] | None) -> Scenes:
    if sum(len(one.boxes) for one in found) > MAX_TOTAL:
        raise UserError("data:too-large", f"The split {name!r} has more than {MAX_TOTAL:,} objects.")
    words = [
        [class_name(kind, declared, rows.where, index) for kind in one.kinds]
        for index, one in enumerate(found)
    ]
    labels = declared or sorted({word for row in words for word in row}, key=natural)
    if len(labels) > MAX_CLASSES:
        raise UserError("data:too-many-classes", f"The data set has more than {MAX_CLASSES:,} classes.")
    place = {label: index for index, label in enumerate(labels)}
    if len(place) != len(labels):
        raise UserError("data:bad-label", "The data set declares two classes of the same name.")
    return Scenes(
        name,
        list(labels),
        [np.array(one.boxes, dtype=np.float64).reshape(-1, 4) for one in found],
        [np.array([place[word] for word in row], dtype=np.int64) for row in words],
        rows,
        sum(one.crowds for one in found),
    )
