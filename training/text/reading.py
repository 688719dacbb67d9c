"""A split of texts with a class each, or of lists of tokens with a tag each, from a snapshot directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import UserError
from training.splits import card_names, class_name, natural
from training.text.conll import conll_file, read_conll
from training.text.rows import has_cells, read_cells

MAX_CLASSES = 10_000
MAX_TEXT_CHARS = 1_000_000
MAX_SPLIT_CHARS = 4 * 1024 * 1024 * 1024
MAX_WORDS = 100_000
MAX_WORD_CHARS = 10_000


@dataclass(frozen=True)
class Texts:
    """`targets[i]` indexes `labels`, the class names of the data set in its own order.

    `seconds` holds the second text of every row where the task compares two. `where(i)` is row i for people.
    """

    name: str
    labels: list[str]
    targets: list[int]
    texts: list[str]
    seconds: list[str] | None
    where: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.targets)

    def keys(self) -> list[bytes]:
        """A short hash of every row's text that ignores case and white space, to find duplicates by."""
        parts = [self.texts] if self.seconds is None else [self.texts, self.seconds]
        return [_key(row) for row in zip(*parts, strict=True)]


@dataclass(frozen=True)
class Tokens:
    """`tags[i][j]` indexes `labels` and belongs to `words[i][j]`."""

    name: str
    labels: list[str]
    words: list[list[str]]
    tags: list[list[int]]
    where: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.tags)

    def keys(self) -> list[bytes]:
        return [_key(row) for row in self.words]


def read_texts(
    root: Path,
    split: str,
    *,
    text_column: str,
    second_column: str | None,
    label_column: str,
) -> Texts:
    """Texts and classes of a split. Raises `UserError` in the user's terms, the row named."""
    columns = [column for column in (text_column, second_column, label_column) if column]
    if len(set(columns)) != len(columns):
        raise UserError("data:one-column-twice", "The columns of text and label must differ.")
    cells = read_cells(root, split, columns, label_column)
    if not len(cells):
        raise UserError("data:empty", f"The split {split!r} holds no texts.")
    texts = _texts(cells.values[text_column], text_column, cells.where, empty=False)
    seconds = (
        _texts(cells.values[second_column], second_column, cells.where, empty=True) if second_column else None
    )
    names = cells.names or card_names(root, label_column)
    raw = cells.values[label_column]
    classes = [class_name(item, names, cells.where, index) for index, item in enumerate(raw)]
    labels = _labels(names, classes)
    index_of = {label: index for index, label in enumerate(labels)}
    return Texts(split, labels, [index_of[item] for item in classes], texts, seconds, cells.where)


def read_tokens(root: Path, split: str, *, token_column: str, tag_column: str) -> Tokens:
    """Tokens and tags of a split: JSON lines or Parquet as `datasets` writes them, or CoNLL-style text."""
    names, words, raw, where = _raw_tokens(root, split, token_column, tag_column)
    if not words:
        raise UserError("data:empty", f"The split {split!r} holds no tokens.")
    classes = []
    for index, (row, row_tags) in enumerate(zip(words, raw, strict=True)):
        _check_row(row, row_tags, where(index), token_column, tag_column)
        classes.append([class_name(tag, names, where, index) for tag in row_tags])
    labels = _labels(names, (tag for row in classes for tag in row))
    index_of = {label: index for index, label in enumerate(labels)}
    return Tokens(split, labels, words, [[index_of[tag] for tag in row] for row in classes], where)


def _raw_tokens(
    root: Path, split: str, token_column: str, tag_column: str
) -> tuple[list[str] | None, list[Any], list[Any], Callable[[int], str]]:
    text_file = conll_file(root, split)
    if text_file is not None and not has_cells(root, split):
        return None, *read_conll(text_file, root)
    cells = read_cells(root, split, [token_column, tag_column], tag_column)
    names = cells.names or card_names(root, tag_column)
    return names, cells.values[token_column], cells.values[tag_column], cells.where


def shared_rows(learnt: Iterable[bytes], other: Sequence[bytes]) -> int:
    """How many rows of `other` are among the learnt ones, by their keys."""
    known = set(learnt)
    return sum(key in known for key in other)


def _texts(cells: list[Any], column: str, where: Callable[[int], str], *, empty: bool) -> list[str]:
    total = 0
    for index, cell in enumerate(cells):
        if not isinstance(cell, str):
            raise UserError("data:bad-text", f"The {column!r} {where(index)} is not a text.")
        if not cell.strip() and not empty:
            raise UserError("data:empty-text", f"The {column!r} {where(index)} is empty.")
        if len(cell) > MAX_TEXT_CHARS:
            text = f"The {column!r} {where(index)} is longer than {MAX_TEXT_CHARS:,} characters."
            raise UserError("data:too-large", text)
        total += len(cell)
    if total > MAX_SPLIT_CHARS:
        raise UserError("data:too-large", "The texts of the split have more than 4 Gi characters.")
    return cells


def _check_row(row: Any, tags: Any, where: str, token_column: str, tag_column: str) -> None:
    """One row's words and tags fit each other."""
    if not isinstance(row, list) or not isinstance(tags, list) or not row:
        text = f"The {token_column!r} and {tag_column!r} {where} must be lists with at least one token."
        raise UserError("data:bad-tokens", text)
    if len(row) != len(tags):
        text = f"There are {len(row):,} tokens but {len(tags):,} tags {where}."
        raise UserError("data:bad-tokens", text)
    if len(row) > MAX_WORDS:
        raise UserError("data:too-large", f"There are more than {MAX_WORDS:,} tokens {where}.")
    for place, word in enumerate(row, start=1):
        if not isinstance(word, str) or not word.strip() or len(word) > MAX_WORD_CHARS:
            text = f"Token {place} {where} must be a text of 1 to {MAX_WORD_CHARS:,} characters."
            raise UserError("data:bad-tokens", text)


def _labels(names: list[str] | None, classes: Iterable[str]) -> list[str]:
    labels = names or sorted(set(classes), key=natural)
    if len(labels) > MAX_CLASSES:
        raise UserError("data:too-many-classes", f"The data set has more than {MAX_CLASSES:,} classes.")
    if len(set(labels)) != len(labels):
        raise UserError("data:bad-label", "The data set declares two classes of the same name.")
    return labels


def _key(parts: Iterable[str]) -> bytes:
    plain = "\0".join(" ".join(part.split()).casefold() for part in parts)
    return hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=12).digest()
