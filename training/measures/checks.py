"""What every measure asks of its input, refused in one sentence that names the input and the row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.errors import UserError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def as_array(values: Any, name: str) -> NDArray[Any]:
    """`values` as an array of any kind; tensors lose what numpy does not know: gradients and bfloat16.

    `UserError` `measure:shape` where rows differ in length.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.double() if values.is_floating_point() else values
    try:
        return np.asarray(values)
    except ValueError:
        raise UserError("measure:shape", f"The {name} are ragged: every row must have as many.") from None


def numbers(values: ArrayLike, name: str, *shape: int | None) -> Floats:
    """`values` as float64 of the given shape (None: any length there; no shape at all: any shape).

    `UserError` `measure:shape`, `measure:type` and `measure:nan` (for NaN and infinity).
    """
    array = as_array(values, name)
    if array.dtype.kind not in "biuf":
        raise UserError("measure:type", f"The {name} must be numbers.")
    array = array.astype(np.float64, copy=False)
    _check_shape(array, name, shape)
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(np.atleast_1d(array)))[0, 0]) + 1
        text = f"The {name} hold NaN or infinity (first in row {row}), so nothing can be measured on them."
        raise UserError("measure:nan", text)
    return array


def indices(values: ArrayLike, name: str, count: int | None = None, *shape: int | None) -> Ints:
    """`values` as int64 class indices from 0 to below `count`, one-dimensional unless a shape is given.

    `UserError` `measure:type`, `measure:shape` and `measure:class`.
    """
    array = as_array(values, name)
    if array.dtype.kind == "b" or not array.size:
        array = array.astype(np.int64)
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.floor(array)).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise UserError("measure:type", f"The {name} must be class indices: whole numbers from 0.")
    _check_shape(array, name, shape or (None,))
    wrong = (array < 0) if count is None else (array < 0) | (array >= count)
    if wrong.any():
        first = tuple(np.argwhere(wrong)[0])
        allowed = "at least 0" if count is None else f"between 0 and {count - 1}"
        text = f"The {name} hold class {int(array[first])} in row {int(first[0]) + 1}; it must be {allowed}."
        raise UserError("measure:class", text)
    return array.astype(np.int64, copy=False)


def binary(values: ArrayLike, name: str, *shape: int | None) -> Bools:
    """`values` as booleans; only 0 and 1 will do. `UserError` as `indices`."""
    return indices(values, name, 2, *shape).astype(np.bool_)


def distributions(values: ArrayLike, rows: int) -> Floats:
    """Probabilities [rows, classes] that sum to 1 in every row, to 1e-2: half precision is welcome.

    `UserError` `measure:probabilities` besides those of `numbers`.
    """
    array = numbers(values, "probabilities", rows, None)
    wrong = (array < 0).any(axis=1) | (np.abs(array.sum(axis=1) - 1) > 1e-2)
    if wrong.any():
        row = int(np.argmax(wrong))
        text = (
            f"The probabilities in row {row + 1} are negative or sum to {array[row].sum():.3g} instead of 1."
        )
        raise UserError("measure:probabilities", text)
    return array


def fractions(values: ArrayLike, name: str, *shape: int | None) -> Floats:
    """Numbers from 0 to 1. `UserError` `measure:probabilities` besides those of `numbers`."""
    array = numbers(values, name, *shape)
    if ((array < 0) | (array > 1)).any():
        row = int(np.argwhere((array < 0) | (array > 1))[0, 0])
        raise UserError("measure:probabilities", f"The {name} must lie between 0 and 1 (see row {row + 1}).")
    return array


def some_rows(count: int) -> None:
    """`UserError` `measure:no-rows` where there is nothing to measure."""
    if not count:
        raise UserError("measure:no-rows", "There are no rows to measure.")


def same_length(first: int, second: int, names: str) -> None:
    """`UserError` `measure:shape` unless the counts agree; `names`: what is counted, both, for people."""
    if first != second:
        raise UserError("measure:shape", f"There are {first:,} and {second:,} {names}; they must be as many.")


def defined(measures: Mapping[str, float]) -> dict[str, float]:
    """Without the measures that are NaN or infinite, as plain floats: ready for JSON."""
    return {name: float(value) for name, value in measures.items() if math.isfinite(value)}


def _check_shape(array: NDArray[Any], name: str, shape: tuple[int | None, ...]) -> None:
    if not shape:
        return
    wanted = ["any" if length is None else f"{length:,}" for length in shape]
    fits = len(shape) == array.ndim and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        have = " × ".join(f"{length:,}" for length in array.shape) or "one number"
        text = f"The {name} have the shape {have}; it must be {' × '.join(wanted)}."
        raise UserError("measure:shape", text)
    some_rows(array.shape[0])
