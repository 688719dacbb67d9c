"""COCO's own JSON: pictures, annotations and categories in one file, the pictures in a folder beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.detection.cells import MAX_OBJECTS, Found, corners
from training.errors import UserError
from training.splits import check_name
from training.tables import MAX_ROWS, Rows, Source, safe_path

MAX_MEBIBYTES = 1024
ROBOFLOW = "_annotations.coco.json"
Annotations = dict[Any, list[dict[str, Any]]]


def annotation_file(root: Path, name: str) -> Path | None:
    """The file of split `name`: `train/_annotations.coco.json` or `annotations/instances_train2017.json`."""
    check_name(name)
    for folder in (root / name, root / "data" / name):
        if (folder / ROBOFLOW).is_file():
            return folder / ROBOFLOW
    wanted = re.compile(rf"(instances_)?{re.escape(name)}(\d{{4}})?\.json")
    for folder in (root / "annotations", root / "data" / "annotations"):
        found = sorted(path for path in folder.glob("*.json") if wanted.fullmatch(path.name))
        if found:
            return found[0]
    return None


def read_coco(file: Path, root: Path, name: str) -> tuple[Rows, list[Found], list[str]]:
    """Pictures in the file's order, their objects with category names, and all names in order of their ids.

    Raises `UserError` `data:bad-coco` for ids that lead nowhere, and what boxes are refused for.
    """
    shown = file.relative_to(root).as_posix()
    plain = _object(file, shown)
    pictures, annotations, categories = (
        _list(plain, key, shown) for key in ("images", "annotations", "categories")
    )
    names = _category_names(categories, shown)
    by_picture = _by_picture(pictures, annotations, names, shown)
    places = [
        safe_path(item.get("file_name"), f"{shown}, image {item.get('id')!r}"[:200]) for item in pictures
    ]
    folder = _folder(file, root, name, str(places[0])) if places else file.parent

    def where(index: int) -> str:
        return f"{places[index].name} ({shown})"

    def images(wanted: set[int]) -> Iterator[tuple[int, Source]]:
        return ((index, folder / places[index]) for index in sorted(wanted))

    found = [
        _found(by_picture[item["id"]], names, f"{places[index].name} ({shown})")
        for index, item in enumerate(pictures)
    ]
    used = {kind for one in found for kind in one.kinds}
    # Exports name a family, of which nothing is annotated, beside its members.
    families = {str(item.get("supercategory")) for item in categories}
    kept = [label for label in names.values() if label in used or label not in families]
    return Rows([], kept, where, images), found, kept


def _found(annotations: list[dict[str, Any]], names: dict[Any, str], where: str) -> Found:
    if len(annotations) > MAX_OBJECTS:
        text = f"The picture {where} has {len(annotations):,} objects, more than {MAX_OBJECTS:,}."
        raise UserError("data:bad-objects", text)
    single = [item for item in annotations if not item.get("iscrowd")]
    boxes = [
        corners(item.get("bbox"), "coco", number, lambda: where)
        for number, item in enumerate(single, start=1)
    ]
    return Found(boxes, [names[item["category_id"]] for item in single], len(annotations) - len(single))


def _by_picture(
    pictures: list[dict[str, Any]], annotations: list[dict[str, Any]], names: dict[Any, str], shown: str
) -> Annotations:
    """The annotations of every picture id. Every id of a picture and a category must exist."""
    found: Annotations = {}
    for item in pictures:
        key = _id(item, "id", "an image", shown)
        if key in found:
            raise _bad(shown, f"two images have the id {key!r}")
        found[key] = []
    for number, item in enumerate(annotations, start=1):
        about = f"annotation {number:,}"
        picture, kind = (_id(item, key, about, shown) for key in ("image_id", "category_id"))
        if picture not in found:
            raise _bad(shown, f"{about} is of the image {picture!r}, which is not listed")
        if kind not in names:
            raise _bad(shown, f"{about} is of the category {kind!r}, which is not listed")
        found[picture].append(item)
    return found


def _category_names(categories: list[dict[str, Any]], shown: str) -> dict[Any, str]:
    names: dict[Any, str] = {}
    for item in categories:
        key, label = _id(item, "id", "a category", shown), item.get("name")
        if not isinstance(label, str) or not label.strip():
            raise _bad(shown, f"the category {key!r} has no name")
        if key in names or label in names.values():
            raise _bad(shown, f"two categories have the id or the name of {label[:60]!r}")
        names[key] = label
    return dict(sorted(names.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def _id(item: dict[str, Any], key: str, about: str, shown: str) -> Any:
    found = item.get(key)
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise _bad(shown, f"{about} has no {key}")
    return found


def _folder(file: Path, root: Path, name: str, first: str) -> Path:
    """Where the pictures lie: the first of the usual folders that has the first one."""
    stem = file.stem.removeprefix("instances_")
    ends = dict.fromkeys((name, stem))
    places = [file.parent, *(root / end for end in ends), *(root / "images" / end for end in ends)]
    places += [*(root / "data" / end for end in ends), root / "images", root]
    return next((place for place in places if (place / first).is_file()), file.parent)


def _object(file: Path, shown: str) -> dict[str, Any]:
    if file.stat().st_size > MAX_MEBIBYTES * 1024 * 1024:
        raise UserError("data:too-large", f"{shown} is larger than 1 GiB.")
    try:
        plain = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        raise _bad(shown, "it is not valid JSON") from None
    if not isinstance(plain, dict):
        raise _bad(shown, "it is not a JSON object")
    return plain


def _list(plain: dict[str, Any], key: str, shown: str) -> list[dict[str, Any]]:
    found = plain.get(key)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise _bad(shown, f"{key} must be a list of objects")
    if len(found) > MAX_ROWS:
        raise UserError("data:too-large", f"{shown} has more than {MAX_ROWS:,} {key}.")
    return found


def _bad(shown: str, reason: str) -> UserError:
    return UserError("data:bad-coco", f"{shown} cannot be used as COCO's JSON: {reason}.")
