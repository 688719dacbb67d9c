"""From columns to what a net reads: fitted on the training rows only, kept as `preprocessing.json`.

Numbers go through the training set's quantiles to a normal distribution, or are standardised; a flag beside
them says where one was missing. Categories are places in a vocabulary: 0 for what training never saw (or
saw too rarely), 1 for missing, then the known ones. Dates become their parts, the cyclic ones as circles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from training.errors import UserError
from training.tabular.codes import CategoricalCode, Code, NumericCode, TimeCode, Where
from training.tabular.columns import Column, Table, infer_kind


@dataclass(frozen=True)
class Encoder:
    """All input columns in the order of the training table; numbers and dates first in `encode`'s order."""

    codes: tuple[Code, ...]

    @staticmethod
    def fit(
        table: Table,
        columns: Sequence[str],
        *,
        categorical: Sequence[str] | None = None,
        scaling: str = "quantile",
    ) -> tuple[Encoder, dict[str, str]]:
        """The encoder and the columns left out, each with the reason. Raises `UserError` if nothing is left.

        `categorical` None judges every column by its cells; given, the others must hold numbers or dates.
        """
        codes: list[Code] = []
        left_out: dict[str, str] = {}
        for name in columns:
            column = table.column(name)
            declared = None if categorical is None else name in categorical
            kind = infer_kind(column, categorical=declared)
            code = _fit_code(kind, column, table.where, scaling)
            if code is not None:
                codes.append(code)
            else:
                left_out[name] = "free text" if kind == "ignored" else "never varies"
        if not codes:
            raise UserError(
                "data:no-columns", "No column of the table varies; there is nothing to learn from."
            )
        return Encoder(tuple(codes)), left_out

    @property
    def columns(self) -> list[str]:
        return [code.name for code in self.codes]

    @property
    def numbers(self) -> int:
        return sum(code.numbers for code in self.codes if not isinstance(code, CategoricalCode))

    @property
    def sizes(self) -> list[int]:
        """Vocabulary sizes of the categorical columns, unknown and missing among them."""
        return [code.size for code in self.codes if isinstance(code, CategoricalCode)]

    def encode(self, table: Table) -> tuple[torch.Tensor, torch.Tensor]:
        """float32 [n, numbers] and int64 [n, categorical columns]."""
        numbers: list[np.ndarray] = [np.empty((table.rows, 0))]
        places: list[np.ndarray] = []
        for code in self.codes:
            found = code.encode(table.column(code.name), table.where)
            if isinstance(code, CategoricalCode):
                places.append(found)
            else:
                numbers.append(found)
        stacked = np.stack(places, 1) if places else np.empty((table.rows, 0), dtype=np.int64)
        return torch.from_numpy(np.concatenate(numbers, 1)).float(), torch.from_numpy(stacked)


def _fit_code(kind: str, column: Column, where: Where, scaling: str) -> Code | None:
    if kind == "numeric":
        return NumericCode.fit(column, where, scaling)
    if kind == "datetime":
        return TimeCode.fit(column, where)
    return CategoricalCode.fit(column, where) if kind == "categorical" else None
