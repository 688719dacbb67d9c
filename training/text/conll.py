"""CoNLL-style text: a token and its tag a line, an empty line between sequences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from training.errors import UserError
from training.splits import check_name, table_file
from training.tables import MAX_TABLE_BYTES

KINDS = ("conll", "bio", "iob", "tsv", "txt")
MAX_LINES = 50_000_000
MAX_LINE_BYTES = 64 * 1024


def conll_file(root: Path, split: str) -> Path | None:
    """The text file of the split, such as `train.conll` or `data/train.txt`; None if there is none."""
    check_name(split)
    return table_file(root, split, KINDS)


def read_conll(file: Path, root: Path) -> tuple[list[list[str]], list[list[str]], Callable[[int], str]]:
    """Words and tags of every sequence, and what to call sequence i.

    The first column is the token, the last the tag; columns between them (parts of speech) are left out.
    `-DOCSTART-` lines only mark where a document begins.
    """
    name = file.relative_to(root).as_posix()
    if file.stat().st_size > MAX_TABLE_BYTES:
        raise UserError("data:too-large", f"{name} is larger than 1 GiB.")
    words: list[list[str]] = []
    tags: list[list[str]] = []
    starts: list[int] = []
    within = False
    with file.open("rb") as source:
        for number, raw in enumerate(iter(lambda: source.readline(MAX_LINE_BYTES), b""), start=1):
            columns = _columns(raw, name, number)
            if not columns or columns[0] == "-DOCSTART-":
                within = False
                continue
            if not within:
                words.append([])
                tags.append([])
                starts.append(number)
                within = True
            words[-1].append(columns[0])
            tags[-1].append(columns[-1])
    return words, tags, lambda index: f"in {name}, line {starts[index]}"


def _columns(raw: bytes, name: str, number: int) -> list[str]:
    """The columns of a line, none for an empty one; with tabs between them a token may hold blanks."""
    if number > MAX_LINES or len(raw) == MAX_LINE_BYTES:
        raise UserError("data:too-large", f"{name} has too many lines or too long ones (at line {number:,}).")
    try:
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
    except UnicodeDecodeError:
        raise UserError("data:broken-table", f"{name}, line {number}, is not text in UTF-8.") from None
    columns = [item.strip() for item in line.split("\t")] if "\t" in line else line.split()
    columns = [item for item in columns if item]
    if len(columns) == 1 and columns[0] != "-DOCSTART-":
        text = f"{name}, line {number}, needs a token and a tag, with a blank or a tab between them."
        raise UserError("data:broken-table", text)
    return columns
