from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tests.training.series.world import lines, wave, write_csv, write_waves
from training.errors import UserError
from training.series.reading import Panel, read_panel
from training.series.rows import Columns

PLAIN = Columns("timestamp", ("value",))


def refusal(folder: Path, columns: Columns = PLAIN, **options: object) -> UserError:
    with pytest.raises(UserError) as caught:
        read_panel(folder, "train", columns, **options)  # type: ignore[arg-type]
    return caught.value


def read(folder: Path, rows: list[str], head: str = "timestamp,value", **options: object) -> Panel:
    columns = options.pop("columns", PLAIN)
    write_csv(folder, "train", rows, head)
    return read_panel(folder, "train", columns, **options)  # type: ignore[arg-type]


def test_a_plain_table(tmp_path: Path) -> None:
    panel = read(tmp_path, lines(wave(48)))
    assert len(panel) == 48
    assert panel.bounds == [(0, 48)]
    assert panel.begins == [0]
    assert panel.grid.period == "1 h"
    assert bool(panel.observed.all())
    assert np.allclose(panel.values[:, 0], wave(48), atol=1e-4)


def test_parquet_reads_as_csv_does(tmp_path: Path) -> None:
    panel = read(tmp_path / "csv", lines(wave(30)))
    times = pa.array(panel.times).cast(pa.timestamp("us"))
    table = pa.table({"timestamp": times, "value": panel.values[:, 0].numpy()})
    (tmp_path / "data").mkdir()
    pq.write_table(table, tmp_path / "data" / "train-00000-of-00001.parquet")
    other = read_panel(tmp_path, "train", PLAIN)
    assert torch.equal(other.values, panel.values)
    assert (other.times == panel.times).all()
    assert other.grid == panel.grid


def test_disorder_and_equal_repeats_are_mended_and_told(tmp_path: Path) -> None:
    rows, told = lines(wave(20)), []
    mixed = [*rows[10:], rows[15], *rows[:10]]
    panel = read(tmp_path, mixed, log=told.append)
    assert np.allclose(panel.values[:, 0], wave(20), atol=1e-4)
    assert "2 rows are earlier than the row above" in told[0]
    assert told[1].startswith("1 rows repeat a time with the same values")


def test_repeats_that_disagree_are_refused_with_their_rows(tmp_path: Path) -> None:
    rows = lines(wave(20))
    write_csv(tmp_path, "train", [*rows, rows[3].split(",")[0] + ",999"])
    error = refusal(tmp_path)
    assert error.message_id == "data:repeated-time"
    assert (
        "train.csv, row 4 and train.csv, row 21 give different values for 2024-01-01 03:00" in error.message
    )


def test_gaps_are_filled_up_to_the_bound_and_masked(tmp_path: Path) -> None:
    values, told = wave(40), []
    rows = lines(values)
    del rows[10:13]
    rows[20] = rows[20].split(",")[0] + ",NA"
    panel = read(tmp_path, rows, fill_limit=2, log=told.append)
    assert len(panel) == 40
    assert panel.observed[:, 0].logical_not().nonzero().flatten().tolist() == [10, 11, 12, 23]
    assert panel.usable[:, 0].logical_not().nonzero().flatten().tolist() == [12]
    assert panel.values[11, 0] == panel.values[9, 0]
    assert told == [
        "3 of 40 steps are missing from the grid of 1 h.",
        "4 target values are missing: 3 take the value before them, for 1 it is over 2 steps old.",
    ]


def test_a_time_off_the_grid_is_named(tmp_path: Path) -> None:
    rows = lines(wave(20))
    rows[7] = rows[7].replace("07:00", "07:20")
    write_csv(tmp_path, "train", rows)
    text = "train.csv, row 8: 2024-01-01 07:20 is off the grid, whose step is 1 h."
    assert refusal(tmp_path).message == text


def test_one_mad_year_does_not_make_a_grid_of_millions(tmp_path: Path) -> None:
    write_csv(tmp_path, "train", [*lines(wave(20)), "2924-01-01 00:00,1"])
    assert refusal(tmp_path).message_id == "data:sparse"


def test_months_are_a_grid_though_their_days_differ(tmp_path: Path) -> None:
    ends = ["2023-10-31", "2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29", "2024-03-31"]
    panel = read(tmp_path, [f"{day},{index}" for index, day in enumerate(ends)])
    assert panel.grid.period == "1 month"
    assert len(panel) == 6
    assert panel.grid.label(int(panel.times[-1]) + 1) == "2024-04"


def test_step_numbers_and_several_series_and_covariates(tmp_path: Path) -> None:
    rows = [
        f"{step},{name},{step * scale},{step % 7}"
        for name, scale in (("a", 1), ("b", 9))
        for step in range(12)
    ]
    columns = Columns("t", ("value",), "who", known=("day",))
    panel = read(tmp_path, rows, "t,who,value,day", columns=columns)
    assert panel.names == ["a", "b"]
    assert panel.bounds == [(0, 12), (12, 24)]
    assert panel.values[14, 0] == 18
    assert panel.known[9, 0] == 2
    assert panel.past.shape == (24, 0)
    assert panel.grid.period == "1 step"


def test_the_past_of_a_split_comes_from_those_before_it(tmp_path: Path) -> None:
    panel = read_panel(write_waves(tmp_path), "test", PLAIN, before=("train", "validation"))
    assert len(panel) == 600
    assert panel.begins == [480]
    assert np.allclose(panel.values[:, 0], wave(600), atol=1e-4)


def test_a_past_that_is_not_before_is_refused(tmp_path: Path) -> None:
    write_waves(tmp_path)
    error = refusal(tmp_path, before=("test",))
    assert error.message_id == "data:splits-overlap"
    assert "test.csv, row 1," in error.message


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["2024-01-01,x", "2024-01-02,2"], "train.csv, row 1, column 'value': 'x' is not a number."),
        (["2024-01-01,inf", "2024-01-02,2"], "train.csv, row 1, column 'value': the number is infinite."),
        (
            ["2024-01-01,1", "2nd of May,2"],
            "train.csv, row 2, column 'timestamp': '2nd of May' is not a time",
        ),
        (["2024-01-01,1", ",2"], "train.csv, row 2, column 'timestamp': '' is not a time"),
        (["2024-01-01,", "2024-01-02,NaN"], "The target column 'value' holds no number."),
        (["2024-01-01,5"], "Every series has a single row; forecasting needs a history."),
        ([], "The split 'train' holds no rows."),
    ],
)
def test_a_bad_table_names_file_row_and_column(tmp_path: Path, rows: list[str], message: str) -> None:
    write_csv(tmp_path, "train", rows)
    assert refusal(tmp_path).message.startswith(message)


def test_missing_columns_and_splits_and_broken_files(tmp_path: Path) -> None:
    write_csv(tmp_path, "train", lines(wave(5)), "time,value")
    text = "train.csv has no column 'timestamp'; its columns are: time, value."
    assert refusal(tmp_path).message == text
    assert refusal(tmp_path, Columns("time", ("time",))).message_id == "data:bad-columns"
    (tmp_path / "train.csv").write_bytes(b"timestamp,value\n\xff\xfe,1\n")
    assert refusal(tmp_path).message == "train.csv is not a readable CSV table in UTF-8."
    (tmp_path / "train.parquet").write_bytes(b"PAR1 nonsense")
    assert refusal(tmp_path).message == "train.parquet is not a readable Parquet file."
    with pytest.raises(UserError, match="no split 'test'"):
        read_panel(tmp_path, "test", PLAIN)


def test_rows_beyond_the_bound_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.series.columns.MAX_ROWS", 10)
    write_csv(tmp_path, "train", lines(wave(11)))
    assert refusal(tmp_path).message_id == "data:too-large"
    monkeypatch.undo()
    monkeypatch.setattr("training.series.reading.MAX_CELLS", 10)
    assert refusal(tmp_path).message.startswith("11 steps of 1 columns are more than the 10 numbers")
