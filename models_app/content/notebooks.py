"""Jupyter notebooks as cells of Markdown, code and what it printed; HTML and scripts in them are left out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

MAX_CELLS = 200
MAX_OUTPUTS = 50
MAX_OUTPUT = 20_000
MAX_PICTURE = 512 * 1024
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
_TERMINAL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LANGUAGE = re.compile(r"[A-Za-z0-9+#_.-]{1,40}")


@dataclass(frozen=True)
class Output:
    """What one output of a cell shows: text, or a picture as a `data:` address. `is_error` for tracebacks."""

    text: str = ""
    picture: str = ""
    is_error: bool = False


@dataclass(frozen=True)
class Cell:
    """`kind` is markdown, code or raw; `count` is the number that ran it."""

    kind: str
    source: str
    count: str = ""
    outputs: tuple[Output, ...] = ()


@dataclass(frozen=True)
class Notebook:
    """The cells shown, the language of its code, and how many cells are left out."""

    cells: tuple[Cell, ...]
    language: str
    left_out: int


def read_notebook(text: str) -> Notebook | None:
    """The notebook in the text, or None where there is none that people could read."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    cells = found.get("cells") if isinstance(found, dict) else None
    if not isinstance(cells, list):
        return None
    sound = [_cell(cell) for cell in cells[:MAX_CELLS] if isinstance(cell, dict)]
    return Notebook(tuple(sound), _language(found.get("metadata")), max(0, len(cells) - MAX_CELLS))


def _language(metadata: Any) -> str:
    told = metadata.get("language_info") if isinstance(metadata, dict) else None
    name = told.get("name") if isinstance(told, dict) else None
    return name if isinstance(name, str) and _LANGUAGE.fullmatch(name) else "python"


def _cell(cell: dict[str, Any]) -> Cell:
    kind = cell.get("cell_type")
    kind = kind if kind in ("markdown", "code") else "raw"
    count = cell.get("execution_count")
    outputs = cell.get("outputs")
    told = outputs[:MAX_OUTPUTS] if kind == "code" and isinstance(outputs, list) else []
    shown = [_output(output) for output in told]
    return Cell(
        str(kind),
        _text(cell.get("source")),
        str(count) if isinstance(count, int) else "",
        tuple(output for output in shown if output is not None),
    )


def _output(output: Any) -> Output | None:
    """What of an output people read: a stream's text, a picture, plain text; never HTML."""
    if not isinstance(output, dict):
        return None
    match output.get("output_type"):
        case "stream":
            return Output(_printed(output.get("text")))
        case "error":
            traceback = _printed(_joined(output.get("traceback")))
            return Output(traceback or _printed(output.get("evalue")), is_error=True)
    data = output.get("data")
    if not isinstance(data, dict):
        return None
    for kind in _PICTURES:
        code = _text(data.get(kind))
        if 0 < len(code) <= MAX_PICTURE and _BASE64.fullmatch(code):
            return Output(_printed(data.get("text/plain")), f"data:{kind};base64,{''.join(code.split())}")
    text = _printed(data.get("text/plain"))
    return Output(text) if text else None


def _joined(value: Any) -> str:
    lines = [line for line in value if isinstance(line, str)] if isinstance(value, list) else []
    return "\n".join(lines)


def _text(value: Any) -> str:
    """Notebooks keep text as one string or as a list of lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _printed(value: Any) -> str:
    text = _TERMINAL.sub("", _text(value))
    return text if len(text) <= MAX_OUTPUT else f"{text[:MAX_OUTPUT]}\n…"
