"""First look at an image dataset in Parquet: labels counted from their column, a few images read."""

from __future__ import annotations

import base64
import fnmatch
import json
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from models_app.content.gitpatterns import MAX_PATTERN_CHARACTERS
from models_app.content.previews import LABEL_COLUMNS, MAX_CLASSES, MAX_IMAGES, Tally, split_of, spread
from models_app.content.yaml_text import storable_text

MAX_FILES = 64
# Of which the 64 are chosen; each may be compared with every pattern of the card.
MAX_FILES_SORTED = 2000
MAX_PATTERNS = 100
MAX_COUNTED_ROWS = 2_000_000
MAX_LOOK_BYTES = 16 * 1024 * 1024
# Unpacked, of one row group: two million class numbers are half of it, and a page may be all of it.
MAX_LABEL_BYTES = 32 * 1024 * 1024
MAX_IMAGE_BYTES = 128 * 1024
MAX_IMAGES_BYTES = 768 * 1024
_LOOK_AT_ROWS = 512
_BATCH_ROWS = 65_536
_BUFFER_BYTES = 256 * 1024  # pages are read as they are needed, never a whole column
_MAGIC = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF87a": "gif", b"GIF89a": "gif"}
Open = Callable[[], BinaryIO]


def preview_parquet(files: Sequence[tuple[str, Open]], metadata: dict[str, Any]) -> dict[str, Any] | None:
    """A preview (see `previews`) of [(path, open)]; `metadata` is the card's. None when no file can be read.

    Reads footers of at most 64 files, label columns of at most 2,000,000 rows, and about 16 MiB of one image
    column. Never raises for what is in the files.
    """
    import pyarrow

    tally = Tally()
    problems: list[str] = []
    images: list[dict[str, str]] = []
    splits = _configured_splits(metadata)
    ordered = sorted(files[:MAX_FILES_SORTED], key=lambda file: (splits(file[0]) != "train", file[0]))
    for path, opener in ordered[:MAX_FILES]:
        try:
            with opener() as file:
                table = _Table(file, metadata)
                table.count_into(tally, splits(path))
                if not images:
                    images = table.images()
        except (pyarrow.ArrowException, OSError, ValueError, KeyError, MemoryError):
            problems.append(f"{path} could not be read as Parquet.")
    if len(files) > MAX_FILES:
        problems.append(f"Only the first {MAX_FILES} of {len(files)} Parquet files were looked at.")
    if not tally.splits and not problems:
        return None
    if len(tally.labels) >= MAX_CLASSES:
        tally.labels.clear()
        problems.append(f"The label column has {MAX_CLASSES} values or more; classes are not counted.")
    return tally.as_preview(images, problems)


class _Table:
    """One Parquet file with the names of its label and image columns."""

    def __init__(self, file: BinaryIO, metadata: dict[str, Any]) -> None:
        from pyarrow import parquet

        self.reader = parquet.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        features = _schema_features(self.reader.schema_arrow.metadata) or _card_features(metadata)
        columns = self.reader.schema_arrow.names
        self.label = next((name for name in (*features, *LABEL_COLUMNS) if name in columns), None)
        self.names = features.get(self.label or "", [])
        self.image = next((name for name in ("image", "img", "picture", "photo") if name in columns), None)

    def count_into(self, tally: Tally, split: str) -> None:
        """Add this file's rows; labels too while fewer than 2,000,000 rows have been counted."""
        rows = max(0, min(self.reader.metadata.num_rows, 2**53))
        if sum(tally.splits.values()) + rows > MAX_COUNTED_ROWS or not self._has_labels():
            tally.add(split, None, rows)
            return
        batches = self.reader.iter_batches(batch_size=_BATCH_ROWS, columns=[self.label], use_threads=False)
        for batch in batches:
            if len(tally.labels) >= MAX_CLASSES:
                tally.add(split, None, rows)  # identifiers rather than classes: the rest need not be read
                return
            rows -= batch.num_rows
            for entry in batch.column(0).value_counts():
                value = entry["values"].as_py()
                tally.add(split, None if value is None else self._name(value), entry["counts"].as_py())

    def images(self) -> list[dict[str, str]]:
        """[{"label", "src"}] with small images as data URIs, one of each class in turn."""
        if self.image is None or self.reader.num_row_groups == 0 or not (rows := self._rows_to_look_at()):
            return []
        columns = [name for name in (self.image, self.label) if name]
        batches = self.reader.iter_batches(
            batch_size=rows, row_groups=[0], columns=columns, use_threads=False
        )
        first = next(iter(batches), None)
        if first is None:
            return []
        labels = first.column(self.label).to_pylist() if self.label else [None] * first.num_rows
        found = []
        for value, label in zip(first.column(self.image).to_pylist(), labels, strict=True):
            if uri := _data_uri(value):
                found.append(("" if label is None else self._name(label), uri))
        return _within_budget(spread(found, MAX_IMAGES))

    def _has_labels(self) -> bool:
        """Whether there is a column of labels whose row groups do not unpack to more than is read here."""
        import pyarrow

        if self.label is None:
            return False
        kind = self.reader.schema_arrow.field(self.label).type
        is_label = (
            pyarrow.types.is_integer(kind) or pyarrow.types.is_string(kind) or pyarrow.types.is_boolean(kind)
        )
        groups = range(self.reader.metadata.num_row_groups)
        return is_label and all(self._group_bytes(group, self.label) <= MAX_LABEL_BYTES for group in groups)

    def _group_bytes(self, group: int, name: str) -> int:
        """Bytes of one column (with everything nested in it) in one row group, packed or not."""
        columns = self.reader.metadata.row_group(group)
        found = (columns.column(place) for place in range(columns.num_columns))
        return sum(
            max(column.total_uncompressed_size, column.total_compressed_size)
            for column in found
            if column.path_in_schema.split(".")[0] == name
        )

    def _name(self, value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(self.names):
            return self.names[value]
        return storable_text(str(value)[:100])

    def _rows_to_look_at(self) -> int:
        """How many rows of the first row group hold about 16 MiB of images: 0 to 512."""
        rows, total = self.reader.metadata.row_group(0).num_rows, self._group_bytes(0, str(self.image))
        if self.label is not None and self._group_bytes(0, self.label) > MAX_LABEL_BYTES:
            return 0
        return min(_LOOK_AT_ROWS, rows * MAX_LOOK_BYTES // max(total, 1))


def _data_uri(value: Any) -> str:
    """A `data:` URI of image bytes (or of a struct holding them), empty for anything else or too large."""
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes) or not 0 < len(data) <= MAX_IMAGE_BYTES:
        return ""
    kind = next((name for magic, name in _MAGIC.items() if data.startswith(magic)), "")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "webp"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}" if kind else ""


def _within_budget(chosen: list[tuple[str, str]]) -> list[dict[str, str]]:
    images, left = [], MAX_IMAGES_BYTES
    for label, uri in chosen:
        left -= len(uri)
        if left >= 0:
            images.append({"label": label, "src": uri})
    return images


def _schema_features(schema_metadata: dict[bytes, bytes] | None) -> dict[str, list[str]]:
    """{label column: class names} from what the `datasets` library leaves in the schema."""
    try:
        features = json.loads((schema_metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return {}
    if not isinstance(features, dict):
        return {}
    found = {}
    for name, feature in features.items():
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
            found[name] = _class_names(feature.get("names"))
    return found


def _card_features(metadata: dict[str, Any]) -> dict[str, list[str]]:
    """The same from `dataset_info.features` of the card (one configuration or a list of them)."""
    infos = metadata.get("dataset_info")
    found: dict[str, list[str]] = {}
    for info in infos if isinstance(infos, list) else [infos]:
        features = info.get("features") if isinstance(info, dict) else None
        for feature in features if isinstance(features, list) else []:
            dtype = feature.get("dtype") if isinstance(feature, dict) else None
            label = dtype.get("class_label") if isinstance(dtype, dict) else None
            if isinstance(label, dict) and isinstance(feature.get("name"), str):
                found.setdefault(feature["name"], _class_names(label.get("names")))
    return found


def _class_names(names: Any) -> list[str]:
    """Class names by index, from a list or from a mapping of index to name without gaps."""
    if isinstance(names, dict):
        names = [names.get(str(index)) for index in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        return []
    return [storable_text(str(name)[:100]) for name in names[: MAX_CLASSES * 10]]


def _configured_splits(metadata: dict[str, Any]) -> Callable[[str], str]:
    """Which split a file belongs to: as `configs[].data_files` say, else as its path says."""
    patterns: list[tuple[str, str]] = []
    configs = metadata.get("configs")
    for config in configs if isinstance(configs, list) else []:
        data_files = config.get("data_files") if isinstance(config, dict) else None
        for item in data_files if isinstance(data_files, list) else []:
            if isinstance(item, dict) and isinstance(item.get("split"), str):
                globs = item["path"] if isinstance(item.get("path"), list) else [item.get("path")]
                patterns += [
                    (glob.removeprefix("./"), item["split"])
                    for glob in globs[:MAX_PATTERNS]
                    if isinstance(glob, str) and len(glob) <= MAX_PATTERN_CHARACTERS
                ]
    del patterns[MAX_PATTERNS:]

    def split(path: str) -> str:
        named = (name for glob, name in patterns if fnmatch.fnmatchcase(path, glob))
        return next(named, None) or split_of(path)

    return split
