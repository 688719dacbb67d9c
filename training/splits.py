"""Where a split lies in a snapshot, and what its classes are called: what all kinds of data share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from training.errors import UserError

SPLIT_NAMES = ("train", "validation", "valid", "val", "dev", "test")


def check_name(name: str) -> None:
    """Raises `UserError` `data:no-split` for what cannot name a split, such as a path."""
    if not name or "/" in name or name.startswith("."):
        raise UserError("data:no-split", f"{name!r} is not the name of a split.")


def parquet_files(root: Path, name: str) -> list[Path]:
    """The shards of the split in name order: `data/train-00000-of-00002.parquet`, `train/*.parquet`."""
    shard = re.compile(rf"{re.escape(name)}(-\d+-of-\d+|[-_.]\w+)?\.parquet")
    for folder in (root / "data", root):
        found = sorted(path for path in folder.glob("*.parquet") if shard.fullmatch(path.name))
        if found:
            return found
    return sorted((root / name).glob("*.parquet")) or sorted((root / "data" / name).glob("*.parquet"))


def table_file(root: Path, name: str, kinds: tuple[str, ...]) -> Path | None:
    """The one file of the split: `train/metadata.csv`, `train.csv`, `data/train.csv`, for each of `kinds`."""
    places = [root / name, root / "data" / name]
    candidates = [place / f"metadata.{kind}" for place in places for kind in kinds]
    candidates += [place.with_name(f"{name}.{kind}") for place in places for kind in kinds]
    return next((path for path in candidates if path.is_file()), None)


def class_name(raw: Any, names: list[str] | None, where: Callable[[int], str], index: int) -> str:
    """The class of one row as text; whole numbers go through the declared names."""
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if raw is None or raw == "" or not isinstance(raw, str | int):
        raise UserError("data:bad-label", f"The label {where(index)} must be a class name or a whole number.")
    if names is None:
        return str(raw)
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < len(names):
        return names[raw]
    if str(raw) in names:
        return str(raw)
    # A CSV has only text: "3" may be an index.
    if isinstance(raw, str) and raw.isdecimal() and len(raw) < 19 and int(raw) < len(names):
        return names[int(raw)]
    text = f"The label {str(raw)[:60]!r} {where(index)} is not one of the {len(names)} declared classes."
    raise UserError("data:bad-label", text)


def card_names(root: Path, label_column: str) -> list[str] | None:
    """Class names from `dataset_info.features` of the card, as `datasets` writes them, or None."""
    try:
        with (root / "README.md").open(encoding="utf-8") as file:
            head = file.read(256 * 1024)
        found = re.match(r"---\s*\n(.*?)\n---", head, re.DOTALL)
        info: Any = yaml.safe_load(found.group(1))["dataset_info"] if found else None
        info = info[0] if isinstance(info, list) else info
        feature = next(item for item in info["features"] if item["name"] == label_column)
        # Tags of tokens are a list of classes.
        kind = feature.get("dtype") or feature.get("sequence") or feature.get("list")
        names = kind["class_label"]["names"]
        by_index = {int(key): str(name) for key, name in names.items()}
        return [by_index[index] for index in range(len(by_index))] or None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
        return None
    except yaml.YAMLError:
        return None


def natural(text: str) -> tuple[int, int, str]:
    """Numbers by value, then words by letter, so that class 10 follows class 9."""
    return (0, int(text), text) if text.isdecimal() and len(text) < 19 else (1, 0, text)
