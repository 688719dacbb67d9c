"""How a file looks on its page: as text, a table, tensors, a notebook, a picture, sound; or only named."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any, BinaryIO

from models_app.content.cards import parse_card
from models_app.content.filetypes import is_binary
from models_app.content.highlight import highlight_as
from models_app.content.lines import numbered
from models_app.content.markdown import render_markdown
from models_app.content.notebooks import Notebook, read_notebook
from models_app.content.safetensors import BadSafetensors
from models_app.content.tables import Table, read_delimited, read_json_lines, read_parquet
from models_app.content.tensors import TensorFile, read_tensors
from models_app.files import large_file_of, open_large_file, stream_large_file
from models_app.models import Repo
from models_app.storage.errors import StorageError
from models_app.storage.gitstore import Entry, GitStore

MAX_TEXT_BYTES = 512 * 1024
MAX_NOTEBOOK_BYTES = 8 * 1024**2
MAX_TENSORS_SHOWN = 2000
MAX_TENSOR_HEADER = 8 * 1024**2
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")
AUDIO_ENDINGS = (".wav", ".mp3", ".flac", ".ogg")
VIDEO_ENDINGS = (".mp4", ".webm")
MARKDOWN_ENDINGS = (".md", ".markdown")
Look = dict[str, Any]


def look_of(repo: Repo, store: GitStore, entry: Entry, *, source: bool, revision: str) -> Look:
    """What the file's page shows: `kind` and what that kind needs. `has_views` where there is a drawn look
    and a look at the source; `source` asks for the latter."""
    reader = Reader(repo, store, entry)
    name = entry.path.lower()
    try:
        simple = _by_ending(name)
        if simple:
            return simple
        drawn = _drawn(reader, name, revision)
        if drawn is not None and not (source and drawn.get("has_views")):
            return drawn
        look = _text(reader)
    except StorageError as refusal:
        return {"kind": "lost", "problem": refusal.message}
    return look | {"has_views": drawn is not None and look["kind"] == "text"}


def _by_ending(name: str) -> Look | None:
    for kind, endings in (("image", IMAGE_ENDINGS), ("audio", AUDIO_ENDINGS), ("video", VIDEO_ENDINGS)):
        if name.endswith(endings):
            return {"kind": kind}
    return None


class Reader:
    """The bytes of one file, ordinary or large, as far as a page wants them."""

    def __init__(self, repo: Repo, store: GitStore, entry: Entry) -> None:
        self.repo, self.store, self.entry = repo, store, entry

    def head(self, limit: int) -> bytes:
        """The first `limit` bytes; empty for content that this hub does not hold."""
        if self.entry.pointer is None:
            return self.store.blob(self.entry.oid)[:limit]
        large = large_file_of(self.repo, self.entry.pointer)
        if large is None:
            return b""
        return b"".join(stream_large_file(large, 0, min(limit, large.size)))

    def open(self) -> BinaryIO | None:
        """The whole as a seekable file; None as above."""
        if self.entry.pointer is None:
            return io.BytesIO(self.store.blob(self.entry.oid))
        large = large_file_of(self.repo, self.entry.pointer)
        return None if large is None else open_large_file(large)

    def text(self, limit: int) -> str | None:
        """The first `limit` bytes as text; None where they are none."""
        data = self.head(limit)
        if is_binary(data[:8192]) or b"\0" in data:
            return None
        return data.decode("utf-8", "replace")


def _drawn(reader: Reader, name: str, revision: str) -> Look | None:
    """The look that shows more than the text, if the file has one."""
    looks: dict[tuple[str, ...], Callable[[], Look | None]] = {
        MARKDOWN_ENDINGS: lambda: _markdown(reader, revision),
        (".csv",): lambda: _table_of(reader, lambda text, cut: read_delimited(text, ",", is_cut=cut)),
        (".tsv",): lambda: _table_of(reader, lambda text, cut: read_delimited(text, "\t", is_cut=cut)),
        (".jsonl", ".ndjson"): lambda: _table_of(reader, lambda text, cut: read_json_lines(text, is_cut=cut)),
        (".parquet",): lambda: _parquet(reader),
        (".safetensors",): lambda: _tensors(reader),
        (".ipynb",): lambda: _notebook(reader, revision),
        (".json", ".webmanifest"): lambda: _tidy_json(reader),
    }
    for endings, draw in looks.items():
        if name.endswith(endings):
            return draw()
    return None


def _markdown(reader: Reader, revision: str) -> Look | None:
    text = reader.text(MAX_TEXT_BYTES)
    if text is None:
        return None
    card = parse_card(text)
    html = render_markdown(card.body, reader.repo.get_absolute_url(), revision)
    return {"kind": "markdown", "html": html, "problems": card.problems, "has_views": True}


def _table_of(reader: Reader, read: Callable[[str, bool], Table | None]) -> Look | None:
    text = reader.text(MAX_TEXT_BYTES)
    is_cut = reader.entry.size > MAX_TEXT_BYTES
    table = None if text is None else read(text, is_cut)
    return None if table is None else {"kind": "table", "table": table, "has_views": not is_cut}


def _parquet(reader: Reader) -> Look | None:
    file = reader.open()
    if file is None:
        return None
    with file:
        table = read_parquet(file)
    return None if table is None else {"kind": "table", "table": table}


def _tensors(reader: Reader) -> Look | None:
    file = reader.open()
    if file is None:
        return None
    with file:
        try:
            found: TensorFile = read_tensors(file, reader.entry.size, MAX_TENSOR_HEADER)
        except BadSafetensors as refusal:
            return {"kind": "binary", "problem": str(refusal)}
    return {
        "kind": "tensors",
        "found": found,
        "tensors": found.tensors[:MAX_TENSORS_SHOWN],
        "more_tensors": max(0, len(found.tensors) - MAX_TENSORS_SHOWN),
    }


def _notebook(reader: Reader, revision: str) -> Look | None:
    if reader.entry.size > MAX_NOTEBOOK_BYTES:
        return None
    text = reader.text(MAX_NOTEBOOK_BYTES)
    found = None if text is None else read_notebook(text)
    if found is None:
        return None
    return {"kind": "notebook", "cells": _cells(reader, found, revision), "left_out": found.left_out} | {
        "has_views": reader.entry.size <= MAX_TEXT_BYTES
    }


def _cells(reader: Reader, notebook: Notebook, revision: str) -> list[tuple[Any, str]]:
    """Each cell with its source as safe HTML."""
    place = reader.repo.get_absolute_url()
    room = 128 * 1024
    shown = []
    for cell in notebook.cells:
        room -= len(cell.source)
        if cell.kind == "markdown" and room > 0:
            html = render_markdown(cell.source, place, revision)
        else:
            html = highlight_as(cell.source, notebook.language if room > 0 and cell.kind == "code" else "")
        shown.append((cell, html))
    return shown


def _tidy_json(reader: Reader) -> Look | None:
    """JSON without line breaks, set out in lines; what is laid out already stays as its author wrote it."""
    text = reader.text(MAX_TEXT_BYTES)
    if text is None or reader.entry.size > MAX_TEXT_BYTES or text.count("\n") > len(text) // 400:
        return None
    try:
        laid_out = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    if laid_out.count("\n") < 2:
        return None
    return {"kind": "json", "lines": numbered(laid_out, "a.json"), "has_views": True}


def _text(reader: Reader) -> Look:
    entry = reader.entry
    if entry.size > MAX_TEXT_BYTES:
        return {"kind": "large"}
    data = reader.head(MAX_TEXT_BYTES)
    if entry.pointer is not None and is_binary(data):
        return {"kind": "large"}
    if b"\0" in data:
        return {"kind": "binary"}
    text = data.decode("utf-8", "replace")
    return {"kind": "text", "lines": numbered(text, entry.path), "is_mended": "\ufffd" in text}
