"""A table from a browser: one CSV with a header, split into a part to learn from and one to measure on."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import BinaryIO

from django.utils.translation import gettext

from models_app.templatetags.hub import file_size
from runs.guide_dataset import BadUpload, Prepared, drawn

MAX_TABLE_BYTES = 20 * 1000**2
MAX_COLUMNS = 500
MAX_CLASSES = 200
# Tasks whose rows can be drawn at random, and of these the ones that predict a column.
WITH_TARGET = ("tabular-classification", "tabular-regression", "text-classification")
TASKS = (*WITH_TARGET, "translation", "summarization", "text-generation")


def from_table(file: BinaryIO, task: str, target: str, seed: int) -> Prepared:
    """`train.csv` and `test.csv` of a CSV with a header; `target` is the column to be predicted."""
    raw = file.read(MAX_TABLE_BYTES + 1)
    if len(raw) > MAX_TABLE_BYTES:
        raise BadUpload(gettext("The table is larger than %(size)s.") % {"size": file_size(MAX_TABLE_BYTES)})
    header, rows = _read_table(raw)
    if task in WITH_TARGET:
        _check_target(header, rows, task, target)
    parts: dict[str, list[list[str]]] = {"train": [], "test": []}
    for split, row in drawn(rows, seed):
        parts[split].append(row)
    files = {f"{split}.csv": _as_csv(header, part) for split, part in parts.items()}
    return Prepared(files, task, [], {split: len(part) for split, part in parts.items()})


def _check_target(header: Sequence[str], rows: Sequence[Sequence[str]], task: str, target: str) -> None:
    """The column that is to be told must be there, in every row, and say what the task learns."""
    if target not in header:
        text = gettext("The table has no column “%(target)s”. Its columns are: %(names)s.")
        raise BadUpload(text % {"target": target[:80], "names": ", ".join(header)[:500]})
    values = [row[header.index(target)].strip() for row in rows]
    if "" in values:
        text = gettext("Row %(row)s has no value in “%(target)s”.")
        raise BadUpload(text % {"row": values.index("") + 2, "target": target[:80]})
    if len(set(values)) < 2:
        raise BadUpload(gettext("Every row has the same value in “%(target)s”.") % {"target": target[:80]})
    if task == "tabular-regression":
        wrong = next((value for value in values if not _is_number(value)), None)
        if wrong is not None:
            text = gettext("“%(target)s” is to be told as a number, but “%(value)s” is none.")
            raise BadUpload(text % {"target": target[:80], "value": wrong[:80]})
    elif len(set(values)) > MAX_CLASSES:
        text = gettext(
            "“%(target)s” has %(count)s different values; more than %(most)s are too many classes."
        )
        raise BadUpload(text % {"target": target[:80], "count": len(set(values)), "most": MAX_CLASSES})


def _read_table(raw: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadUpload(gettext("The table is not UTF-8 text; save it as “CSV UTF-8”.")) from None
    if "\0" in text:
        raise BadUpload(gettext("The table is no CSV text."))
    head = text.partition("\n")[0]
    mark = max(",;\t", key=head.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark) if any(row)]
    except csv.Error as error:
        raise BadUpload(gettext("The table could not be read: %(why)s.") % {"why": error}) from None
    if len(rows) < 11:
        raise BadUpload(gettext("A table needs a line of column names and at least ten rows."))
    header = [name.strip() for name in rows[0]]
    if len(set(header)) != len(header) or "" in header or not 2 <= len(header) <= MAX_COLUMNS:
        text = gettext("The first line must name two to %(most)s columns, each by a name of its own.")
        raise BadUpload(text % {"most": MAX_COLUMNS})
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            text = gettext("Row %(row)s has %(count)s values, but there are %(columns)s columns.")
            raise BadUpload(text % {"row": number, "count": len(row), "columns": len(header)})
    return header, rows[1:]


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def _as_csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue().encode()
