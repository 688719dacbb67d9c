"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from training.errors import UserError
from training.measures.checks import Ints, indices, same_length, some_rows
from training.measures.svg import at, clean, ink, picture, tag, write

# Beyond this many classes the rarest are drawn as one.
MAX_CLASSES = 30
OTHERS = "other classes"
LABEL_LETTERS = 14


def confusion(title: str, matrix: ArrayLike, labels: Sequence[str]) -> str:
    """Counts [truth, prediction] of the classes `labels`; a cell is the darker the greater its share of the
    row. The classes beyond the 29 commonest of more than 30 are put together.

    `UserError` for a matrix that is not square, negative or empty, or does not fit the labels.
    """
    if np.ndim(matrix) != 2 or np.shape(matrix)[0] != np.shape(matrix)[1]:
        raise UserError("measure:shape", "A confusion matrix must be square.")
    counts = indices(matrix, "confusion matrix", None, None, None)
    same_length(len(labels), len(counts), "labels and classes")
    some_rows(int(counts.sum()))
    told = _in_words(counts, list(labels))
    counts, names = _merged(counts, list(labels))
    side = 420 / len(names)
    left, top = 130.0, 130.0 if len(names) > 6 else 70.0
    parts = [_row(row, counts, names, side, left, top) for row in range(len(names))]
    for column, name in enumerate(names):
        label = _column_label(name, left + side * (column + 0.5), top - 8, len(names))
        parts.append(tag("g", label, font_size=_letters(side)))
    edge = f"M{at(left)} {at(top)}h420v420h-420z"
    parts.append(tag("path", d=edge, fill="none", stroke="currentColor", stroke_opacity=0.3))
    middle = top + 210
    parts.append(write(14, middle, "truth", text_anchor="middle", transform=f"rotate(-90 14 {at(middle)})"))
    parts.append(write(left + 210, top + 440, "prediction", text_anchor="middle"))
    return picture(600, int(top) + 450, title, told, *parts)


def _row(row: int, counts: Ints, names: list[str], side: float, left: float, top: float) -> str:
    y, total = top + side * row, int(counts[row].sum())
    parts = [write(left - 8, y + side / 2 + 4, names[row], limit=LABEL_LETTERS, text_anchor="end")]
    for column, count in enumerate(counts[row].tolist()):
        if count:
            parts.append(_cell(count, total, (names[row], names[column]), left + side * column, y, side))
    return tag("g", *parts, font_size=_letters(side))


def _cell(count: int, total: int, names: tuple[str, str], x: float, y: float, side: float) -> str:
    truth, guess = (clean(name) for name in names)
    hint = f"{truth} taken for {guess}: {count:,} of {total:,} ({count / total:.1%})"
    area = {"x": at(x), "y": at(y), "width": at(side), "height": at(side)}
    # Kept below 0.6, so that the ink of both themes can be read on it.
    shade = tag("rect", tag("title", hint), **area, fill=ink(0), fill_opacity=round(0.6 * count / total, 3))
    if side < 28:
        return shade
    text = f"{count:,}" if len(f"{count:,}") * 6 < side else f"{count:.0e}".replace("e+0", "e")
    return shade + write(x + side / 2, y + side / 2 + 4, text, text_anchor="middle")


def _letters(side: float) -> str:
    return at(max(8.0, min(12.0, side / 2)))


def _column_label(name: str, x: float, y: float, classes: int) -> str:
    if classes <= 6:
        return write(x, y, name, limit=LABEL_LETTERS, text_anchor="middle")
    turned = f"rotate(-60 {at(x)} {at(y)})"
    return write(x, y, name, limit=LABEL_LETTERS, text_anchor="start", transform=turned)


def _merged(counts: Ints, names: list[str]) -> tuple[Ints, list[str]]:
    """The commonest classes in their order, all others summed into the last."""
    if len(names) <= MAX_CLASSES:
        return counts, names
    common = np.sort(np.argsort(-(counts.sum(axis=0) + counts.sum(axis=1)), kind="stable")[: MAX_CLASSES - 1])
    place = np.full(len(names), MAX_CLASSES - 1)
    place[common] = np.arange(len(common))
    merged = np.zeros((MAX_CLASSES, MAX_CLASSES), dtype=np.int64)
    np.add.at(merged, (place[:, None], place[None, :]), counts)
    return merged, [names[index] for index in common] + [OTHERS]


def _in_words(counts: Ints, names: list[str]) -> str:
    total, right = int(counts.sum()), int(np.trace(counts))
    told = f"{total:,} rows of {len(names)} classes, {right / total:.1%} on the diagonal."
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    if wrong.any():
        truth, guess = (int(place) for place in np.unravel_index(wrong.argmax(), wrong.shape))
        told += f" Most often {names[truth][:60]} is taken for {names[guess][:60]}: {wrong.max():,} times."
    return told
