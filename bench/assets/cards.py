"""README.md of an asset: front matter as hubs and `datasets` read it, then what people need to know."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from bench.assets.pins import PINS
from training.kerasfiles import FILE as KERAS_FILE
from training.kerasfiles import read_file
from training.weights import read_header

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True)
class Card:
    """`license`: an identifier of the hubs, `license_note` says more. `splits`: how the rows were parted.

    `columns` describes columns by name; `classes` names the values of whole-number label columns.
    `semi_synthetic` says what was not observed; empty for data as it was found.
    """

    title: str
    license: str
    license_note: str
    packages: Sequence[str]
    tasks: Sequence[str]
    about: str
    splits: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    semi_synthetic: str = ""
    front: Mapping[str, Any] = field(default_factory=dict)


def write_dataset_card(folder: Path, card: Card, tables: Mapping[str, pa.Table], suffix: str) -> None:
    """The card of a data set whose splits `data/NAME*.suffix` hold `tables`."""
    total = sum(table.num_rows for table in tables.values())
    schema = next(iter(tables.values())).schema
    front = {
        "license": card.license,
        "pretty_name": card.title,
        "task_categories": list(card.tasks),
        "size_categories": [next((name for most, name in SIZES if total < most), "n>1M")],
        "tags": ["benchmark", *(["semi-synthetic"] if card.semi_synthetic else [])],
        "dataset_info": {
            "features": [_feature(item, card.classes) for item in schema],
            "splits": [{"name": name, "num_examples": table.num_rows} for name, table in tables.items()],
        },
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": name, "path": f"data/{name}{suffix}"} for name in tables],
            }
        ],
        **card.front,
    }
    parts = [_head(card), _rows(card, tables), _columns(card, schema), _sources(card)]
    _write(folder, front, parts)


def write_model_card(folder: Path, card: Card) -> None:
    """The card of a model directory; the number of parameters is read from its weights."""
    front = {
        "license": card.license,
        "pipeline_tag": card.tasks[0],
        "tags": ["backbone"],
        "parameters": count_parameters(folder),
        **card.front,
    }
    _write(
        folder,
        front,
        [_head(card), f"{front['parameters']:,} numbers in `{_weights_file(folder)}`.", _sources(card)],
    )


def read_front(folder: Path) -> dict[str, Any]:
    """The front matter of a card; ValueError when there is none."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    found = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    front = yaml.safe_load(found.group(1)) if found else None
    if not isinstance(front, dict):
        raise ValueError("README.md has no front matter")
    return front


def disagreements(folder: Path) -> list[str]:
    """Where the files of an asset are not as its card says, in words."""
    try:
        front = read_front(folder)
        if "dataset_info" not in front:
            found = count_parameters(folder)
            wrong = found != front["parameters"]
            return [f"{_weights_file(folder)} holds {found:,} numbers"] if wrong else []
        wanted = [feature["name"] for feature in front["dataset_info"]["features"]]
        return [
            complaint
            for split in front["dataset_info"]["splits"]
            for complaint in _split_complaints(folder, split["name"], split["num_examples"], wanted)
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"the card cannot be compared ({str(error)[:100]})"]


def count_parameters(folder: Path) -> int:
    """Numbers in all tensors of `model.safetensors` or `model.keras`, buffers included."""
    if (folder / KERAS_FILE).is_file():
        return read_file(folder / KERAS_FILE).weight_bytes // 4
    header = read_header(folder / "model.safetensors")
    return sum((entry.stop - entry.start) // entry.dtype.itemsize for entry in header.values())


def _weights_file(folder: Path) -> str:
    return KERAS_FILE if (folder / KERAS_FILE).is_file() else "model.safetensors"


def _split_complaints(folder: Path, name: str, rows: int, columns: list[str]) -> list[str]:
    files = sorted((folder / "data").glob(f"{name}-*.parquet"))
    table = folder / "data" / f"{name}.jsonl"
    if files:
        found = sum(pq.read_metadata(file).num_rows for file in files)
        have = pq.read_schema(files[0]).names
    elif table.is_file():
        lines = table.read_text(encoding="utf-8").splitlines()
        found, have = len(lines), list(json.loads(lines[0])) if lines else []
    else:
        return [f"the split {name} is missing"]
    complaints = [] if found == rows else [f"{name} has {found:,} rows, not {rows:,}"]
    return complaints + ([] if have == columns else [f"{name} has the columns {', '.join(have)}"])


def _feature(item: pa.Field, classes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    if item.name in classes:
        names = {str(index): name for index, name in enumerate(classes[item.name])}
        return {"name": item.name, "dtype": {"class_label": {"names": names}}}
    return {"name": item.name, **_type(item.type)}


def _type(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        inner = _type(kind.value_type)
        return {"list": inner["dtype"] if list(inner) == ["dtype"] else inner.get("struct", inner)}
    if pa.types.is_struct(kind):
        if {item.name for item in kind} == {"bytes", "path"}:
            return {"dtype": "image"}
        return {"struct": [{"name": item.name, **_type(item.type)} for item in kind]}
    return {"dtype": {"double": "float64", "float": "float32"}.get(str(kind), str(kind))}


def _head(card: Card) -> str:
    text = f"# {card.title}\n\n{card.about.strip()}\n\n**Licence.** {card.license_note}"
    kept = "Read at benchmark time; not to be committed or published again from here."
    synthetic = f"\n\n**Semi-synthetic.** {card.semi_synthetic}" if card.semi_synthetic else ""
    return f"{text} {kept}{synthetic}"


def _rows(card: Card, tables: Mapping[str, pa.Table]) -> str:
    lines = [f"| `{name}` | {table.num_rows:,} |" for name, table in tables.items()]
    return "\n".join(["| Split | Rows |", "| --- | --- |", *lines, "", card.splits.strip()])


def _columns(card: Card, schema: pa.Schema) -> str:
    lines = []
    for item in schema:
        names = f" Classes: {', '.join(card.classes[item.name])}." if item.name in card.classes else ""
        kind = "image" if _type(item.type) == {"dtype": "image"} else str(item.type)
        lines.append(f"| `{item.name}` | {kind} | {card.columns.get(item.name, '')}{names} |")
    return "\n".join(["| Column | Type | |", "| --- | --- | --- |", *lines])


def _sources(card: Card) -> str:
    pins = [PINS[name] for name in card.packages]
    lines = [f"- {pin.source} `{pin.name}` {pin.version}, sha256 `{pin.sha256}`" for pin in pins]
    return "Made by `python -m bench.assets` from:\n\n" + "\n".join(lines)


def _write(folder: Path, front: Mapping[str, Any], parts: Sequence[str]) -> None:
    head = yaml.safe_dump(dict(front), sort_keys=False, allow_unicode=True)
    (folder / "README.md").write_text(f"---\n{head}---\n\n" + "\n\n".join(parts) + "\n", encoding="utf-8")
