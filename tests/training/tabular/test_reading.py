from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.training.tabular_world import houses, write_csv, write_jsonl, write_parquet
from training.errors import UserError
from training.tabular import bounds
from training.tabular.columns import (
    Column,
    Table,
    as_categories,
    as_numbers,
    as_times,
    column_of,
    infer_kind,
    rows_to_table,
)
from training.tabular.reading import class_names, read_file, read_table


def where(index: int) -> str:
    return f"in row {index + 1}"


def cells(table: Table) -> dict[str, list[Any]]:
    """Every column as its kind reads it, NaN as None."""
    found = {}
    for name, column in table.columns.items():
        if infer_kind(column) == "numeric":
            numbers = as_numbers(column, table.where)
            found[name] = [None if np.isnan(cell) else float(cell) for cell in numbers]
        else:
            found[name] = as_categories(column, table.where).tolist()
    return found


@pytest.mark.parametrize(
    "place", ["train.csv", "train.jsonl", "train.parquet", "data/train-00000-of-00001.parquet"]
)
def test_all_formats_hold_the_same_cells(tmp_path: Path, place: str) -> None:
    rows = houses(40)
    write = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}[place.rpartition(".")[2]]
    write(tmp_path / place, rows)
    table = read_table(tmp_path, "train")
    assert table.rows == 40
    kinds = {name: infer_kind(column) for name, column in table.columns.items()}
    assert kinds == {
        "area": "numeric",
        "age": "numeric",
        "district": "categorical",
        "garden": "categorical",
        "price": "numeric",
    }
    expected = {name: [row[name] for row in rows] for name in rows[0]}
    expected["garden"] = [str(cell).lower() for cell in expected["garden"]]
    assert cells(table) == expected


def test_shards_are_read_in_order_and_rows_named_by_shard(tmp_path: Path) -> None:
    for index in range(2):
        write_parquet(
            tmp_path / "data" / f"train-0000{index}-of-00002.parquet", [{"x": index}, {"x": 10 + index}]
        )
    table = read_table(tmp_path, "train")
    assert table.columns["x"].values.tolist() == [0, 10, 1, 11]
    assert table.where(3) == "in data/train-00001-of-00002.parquet, row 2"


def test_only_the_wanted_columns_are_read(tmp_path: Path) -> None:
    for place in ("a/train.csv", "b/train.jsonl", "c/train.parquet"):
        write = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}[place.rpartition(".")[2]]
        write(tmp_path / place, houses(10))
        assert list(read_table(tmp_path / place[0], "train", ["price", "area"]).columns) == ["price", "area"]
        with pytest.raises(UserError, match=r"has no column 'rooms'; its columns are: .*area"):
            read_table(tmp_path / place[0], "train", ["rooms"])


def test_kinds_of_parquet_columns(tmp_path: Path) -> None:
    day = datetime.datetime(2020, 5, 17, 12, tzinfo=datetime.UTC)
    columns = {
        "when": pa.array([day, None], pa.timestamp("us", "UTC")),
        "date": pa.array([day.date(), None]),
        "word": pa.array(["a", None]).dictionary_encode(),
        "flag": pa.array([True, None]),
        "cents": pa.array([1, 2], pa.decimal128(5, 2)),
        "bytes": pa.array([b"a", b"b"]),
        "list": pa.array([[1], [2]]),
    }
    pq.write_table(pa.table(columns), tmp_path / "train.parquet")
    table = read_table(tmp_path, "train")
    kinds = {name: column.kind for name, column in table.columns.items()}
    assert kinds == {
        "when": "time",
        "date": "time",
        "word": "text",
        "flag": "flag",
        "cents": "number",
        "bytes": "other",
        "list": "other",
    }
    assert table.columns["when"].values[0] == np.datetime64("2020-05-17T12:00:00")
    assert np.isnat(table.columns["date"].values[1])
    assert table.columns["word"].values.tolist() == ["a", None]


def test_class_names_of_the_schema(tmp_path: Path) -> None:
    schema = pa.schema([("class", pa.int64())]).with_metadata(
        {"huggingface": '{"info": {"features": {"class": {"names": ["no", "yes"]}}}}'}
    )
    pq.write_table(pa.table({"class": pa.array([1, 0])}, schema=schema), tmp_path / "train.parquet")
    assert class_names(read_table(tmp_path, "train"), tmp_path, "class") == ["no", "yes"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", r"train.csv, row 2, has 1 cells where the header has 2"),
        ("a,a\n1,2\n", "train.csv has two columns called 'a'"),
        ("a,b\n", "The split 'train' holds no rows"),
        ("a\n\x00\xff", "train.csv is not a readable CSV table in UTF-8"),
    ],
)
def test_broken_csv(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "train.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=message):
        read_table(tmp_path, "train")


def test_broken_parquet_and_no_split(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(UserError, match=r"train\.parquet is not a readable Parquet file"):
        read_table(tmp_path, "train")
    with pytest.raises(UserError, match="no split 'test'"):
        read_table(tmp_path, "test")
    with pytest.raises(UserError, match="is not the name of a split"):
        read_table(tmp_path, "../train")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    write = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}[kind]
    write(tmp_path / f"train.{kind}", houses(20))
    monkeypatch.setattr(bounds, "MAX_CELLS", 50)
    with pytest.raises(UserError, match="more than 10 rows"):
        read_table(tmp_path, "train")
    monkeypatch.setattr(bounds, "MAX_COLUMNS", 4)
    with pytest.raises(UserError, match="more than 4 columns"):
        read_table(tmp_path, "train")


def test_jsonl_rows_may_lack_fields(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [{"a": 1}, {"b": "x"}, {"a": 2.5, "b": None}])
    table = read_table(tmp_path, "train")
    assert as_numbers(table.columns["a"], where)[[0, 2]].tolist() == [1, 2.5]
    assert np.isnan(as_numbers(table.columns["a"], where)[1])
    assert as_categories(table.columns["b"], where).tolist() == [None, "x", None]


def test_one_file_by_its_name(tmp_path: Path) -> None:
    assert read_file(write_csv(tmp_path / "some.csv", houses(3))).rows == 3
    with pytest.raises(UserError, match="cannot be read"):
        read_file(tmp_path / "none.csv")
    (tmp_path / "some.xlsx").write_bytes(b"")
    with pytest.raises(UserError, match=r"\.csv, \.jsonl or \.parquet"):
        read_file(tmp_path / "some.xlsx")


def test_what_says_nothing_is_missing() -> None:
    column = column_of("x", ["1", "", "NA", "?", None, "2.5e1"])
    assert infer_kind(column) == "numeric"
    numbers = as_numbers(column, where)
    assert numbers[[0, 5]].tolist() == [1, 25]
    assert np.isnan(numbers[1:5]).all()


def test_inference_of_text() -> None:
    assert infer_kind(column_of("x", ["a", "b", "a", "b"])) == "categorical"
    assert infer_kind(column_of("x", [f"id{index}" for index in range(50)])) == "ignored"
    assert infer_kind(column_of("x", ["a" * 300, "b"] * 5)) == "ignored"
    assert infer_kind(column_of("x", ["2020-01-01", "2020-02-30"] * 2)) == "categorical"
    assert infer_kind(column_of("x", ["2020-01-01", "2020-01-02 10:00:00+02:00", ""])) == "datetime"
    assert infer_kind(column_of("x", ["true", "FALSE", "True"])) == "categorical"
    assert infer_kind(column_of("x", [1, 2]), categorical=True) == "categorical"
    assert infer_kind(column_of("x", ["a", "b"]), categorical=False) == "numeric"
    assert infer_kind(Column("x", "other", np.empty(0)), categorical=True) == "ignored"


@pytest.mark.parametrize("cell", ["12 rooms", "1_000", "infinity", "0x10", "1,5"])
def test_text_where_a_number_is_due(cell: str) -> None:
    with pytest.raises(UserError, match=rf"'rooms' must hold numbers, got '{cell}' in row 2"):
        as_numbers(column_of("rooms", ["1", cell]), where)


@pytest.mark.parametrize("cell", [float("inf"), 1e300, 10**400])
def test_numbers_must_be_finite(cell: float) -> None:
    with pytest.raises(UserError, match=r"'rooms' holds .* in row 2; numbers must be finite"):
        as_numbers(column_of("rooms", [1.0, cell]), where)


def test_categories_and_times_refuse_what_they_are_not() -> None:
    with pytest.raises(UserError, match="'when' must hold dates, got 'soon' in row 2"):
        as_times(column_of("when", ["2020-01-01", "soon"]), where)
    with pytest.raises(UserError, match="'when' must hold dates"):
        as_times(column_of("when", [1, 2]), where)
    with pytest.raises(UserError, match="holds 300 characters in row 1"):
        as_categories(column_of("x", ["a" * 300]), where)
    with pytest.raises(UserError, match="neither text nor numbers"):
        as_categories(Column("x", "other", np.empty(0)), where)


def test_times_are_in_utc() -> None:
    found = as_times(column_of("when", ["2020-01-01T00:00:00+02:00", None]), where)
    assert found[0] == np.datetime64("2019-12-31T22:00:00")
    assert np.isnat(found[1])


def test_rows_as_dictionaries() -> None:
    table = rows_to_table([{"a": 1, "b": "x"}, {"a": None}], where)
    assert as_categories(table.columns["b"], where).tolist() == ["x", None]
    taken = table.take(np.array([1, 0, 0]))
    assert as_categories(taken.columns["b"], where).tolist() == [None, "x", "x"]
    assert taken.where(1) == "in row 1"
    with pytest.raises(UserError, match="has no column 'c'; its columns are: a, b"):
        table.column("c")
