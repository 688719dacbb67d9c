from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.preprocessing import QuantileTransformer

from tests.training.tabular_world import houses
from training.errors import UserError
from training.tabular.codes import CategoricalCode, NumericCode, TimeCode
from training.tabular.columns import Table, rows_to_table
from training.tabular.encoding import Encoder
from training.tabular.storing import PREPROCESSING, Preprocessing
from training.tabular.targets import (
    ClassTarget,
    NumberTarget,
    class_places,
    fit_classes,
    read_classes,
    read_numbers,
)


def table_of(rows: list[dict[str, Any]]) -> Table:
    return rows_to_table(rows, lambda index: f"in row {index + 1}")


def column_table(cells: list[Any]) -> Table:
    return table_of([{"x": cell} for cell in cells])


def fit(cells: list[Any], **how: Any) -> Encoder:
    return Encoder.fit(column_table(cells), ["x"], **how)[0]


def test_quantile_encoding_is_scikit_learns_inside_the_edges() -> None:
    generator = np.random.default_rng(0)
    # Skewed, with many ties: both directions of the interpolation matter.
    values = np.round(generator.exponential(3.0, 3000), 1)
    encoder = fit(values.tolist())
    theirs = QuantileTransformer(n_quantiles=100, output_distribution="normal", subsample=None)
    theirs.fit(values[:, None])
    probe = np.linspace(0.1, 12, 200)
    ours = encoder.encode(column_table(probe.tolist()))[0][:, 0].numpy()
    np.testing.assert_allclose(ours, theirs.transform(probe[:, None])[:, 0], atol=1e-5)
    edges = encoder.encode(column_table([-1e6, 1e6]))[0].flatten().tolist()
    assert edges == pytest.approx([-3.587, 3.587], abs=1e-3)  # half a rank of 3,000 inside


def test_standardised_numbers() -> None:
    encoder = fit([1.0, 2.0, 3.0], scaling="standardize")
    found = encoder.encode(column_table([2.0, 5.0]))[0].flatten().tolist()
    assert found == pytest.approx([0.0, 3 / np.sqrt(2 / 3)])


def test_only_training_rows_are_looked_at() -> None:
    encoder = fit([1.0, 2.0, 3.0, 4.0])
    before = encoder.encode(column_table([2.5]))[0]
    encoder.encode(column_table([1e9, -1e9]))
    assert torch.equal(before, encoder.encode(column_table([2.5]))[0])


def test_missing_numbers_have_a_flag_where_training_had_any() -> None:
    encoder = fit([1.0, None, 3.0, 2.0])
    assert encoder.encode(column_table([None, 2.0]))[0].tolist() == [[0.0, 1.0], [0.0, 0.0]]
    assert encoder.numbers == 2
    plain = fit([1.0, 2.0, 3.0])
    assert plain.encode(column_table([None]))[0].tolist() == [[0.0]]


def test_categories_know_unknown_and_missing() -> None:
    encoder = fit(["b", "a", "b", "a", "rare", None])
    code = encoder.codes[0]
    assert isinstance(code, CategoricalCode)
    assert code.vocabulary == ("a", "b")
    found = encoder.encode(column_table(["a", "b", "rare", "new", None, "?"]))[1]
    assert found.flatten().tolist() == [2, 3, 0, 0, 1, 1]
    assert encoder.sizes == [4]


def test_whole_numbers_may_be_categories() -> None:
    encoder = fit([3, 4, 3, 4], categorical=["x"])
    assert encoder.encode(column_table([4, "3", 5]))[1].flatten().tolist() == [3, 2, 0]


def test_dates_become_parts() -> None:
    days = ["2020-01-06", "2020-07-05", "2021-01-04", "2021-07-04", None]
    encoder = fit(days)
    code = encoder.codes[0]
    assert isinstance(code, TimeCode)
    assert code.parts == ("year", "month", "weekday")
    assert code.numbers == 1 + 2 + 2 + 1
    found = encoder.encode(column_table(["2020-01-06", None]))[0]
    # January and Monday both stand at the top of their circles.
    assert found[0, 1:].tolist() == pytest.approx([0, 1, 0, 1, 0], abs=1e-6)
    assert found[1].tolist() == [0, 0, 0, 0, 0, 1]
    hourly = fit(["2020-01-06T00:00", "2020-01-06T06:00"]).codes[0]
    assert isinstance(hourly, TimeCode)
    assert hourly.parts == ("year", "hour")


def test_columns_of_no_use_are_left_out_with_the_reason() -> None:
    rows = [{"x": index, "same": 1, "word": "a", "text": f"text {index}"} for index in range(8)]
    encoder, left_out = Encoder.fit(table_of(rows), ["x", "same", "word", "text"])
    assert encoder.columns == ["x"]
    assert left_out == {"same": "never varies", "word": "never varies", "text": "free text"}
    with pytest.raises(UserError, match="nothing to learn from"):
        Encoder.fit(table_of(rows), ["same", "word"])


def test_encoding_names_the_row_that_cannot_be_read() -> None:
    encoder = fit([1.0, 2.0, 3.0])
    with pytest.raises(UserError, match="'x' must hold numbers, got 'many' in row 2"):
        encoder.encode(column_table(["1", "many"]))
    with pytest.raises(UserError, match="has no column 'x'"):
        encoder.encode(table_of([{"y": 1}]))


def test_preprocessing_is_read_back_as_written(tmp_path: Path) -> None:
    rows = [{**row, "when": f"20{index % 20:02}-01-01"} for index, row in enumerate(houses(60))]
    table = table_of(rows)
    encoder, left_out = Encoder.fit(table, ["area", "age", "district", "garden", "when"])
    for target in (
        NumberTarget("price", True, 1.5, 2.0, (0.1, 0.5, 0.9)),
        NumberTarget("price", False, 0.1, 1 / 3),
        ClassTarget("class", ("no", "yes")),
    ):
        stored = Preprocessing(encoder, target, left_out)
        stored.save(tmp_path)
        loaded = Preprocessing.load(tmp_path)
        assert loaded == stored
        for mine, theirs in zip(loaded.encoder.encode(table), encoder.encode(table), strict=True):
            assert torch.equal(mine, theirs)


BROKEN: list[tuple[list[Any], Any]] = [
    (["format"], "other"),
    (["columns"], []),
    (["columns", 0, "kind"], "pickle"),
    (["columns", 0, "mean"], "1"),
    (["columns", 0, "std"], 0),
    (["columns", 0, "points"], [2, 1]),
    (["columns", 0, "points"], [1]),
    (["columns", 0, "edge"], 2),
    (["columns", 0, "extra"], 1),
    (["columns", 1, "name"], "area"),
    (["columns", 2, "vocabulary"], ["a", "a"]),
    (["columns", 2, "vocabulary"], "ab"),
    (["target"], {"name": "price"}),
    (["target", "std"], -1),
    (["target", "quantiles"], [0.1]),
    (["left_out"], []),
]


@pytest.mark.parametrize(("place", "value"), BROKEN)
def test_broken_preprocessing_is_refused(tmp_path: Path, place: list[Any], value: Any) -> None:
    encoder, _ = Encoder.fit(table_of(houses(20)), ["area", "age", "district"])
    Preprocessing(encoder, NumberTarget("price", False, 0.0, 1.0), {"a": "b"}).save(tmp_path)
    plain = json.loads((tmp_path / PREPROCESSING).read_text())
    inner = plain
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / PREPROCESSING).write_text(json.dumps(plain))
    with pytest.raises(UserError, match=r"preprocessing\.json cannot be used"):
        Preprocessing.load(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"format": NaN}'])
def test_preprocessing_that_is_no_object(tmp_path: Path, text: str) -> None:
    (tmp_path / PREPROCESSING).write_text(text)
    with pytest.raises(UserError, match=r"preprocessing\.json cannot be used"):
        Preprocessing.load(tmp_path)


def test_targets_on_their_scales() -> None:
    values = np.array([10.0, 100.0, 1000.0])
    for transform in ("none", "standardize", "log"):
        target = NumberTarget.fit("price", values, transform)
        assert target.transform == transform
        learned = target.to_learn(values)
        np.testing.assert_allclose(target.restore(learned), values, rtol=1e-5)
        if transform != "none":
            assert learned.mean() == pytest.approx(0, abs=1e-6)
            assert learned.std(correction=0) == pytest.approx(1)
    assert NumberTarget.fit("price", values, "log").restore(torch.tensor([1e9])).tolist() < [np.inf]


def test_targets_that_cannot_be_learned() -> None:
    table = table_of([{"price": 2.0}, {"price": None}, {"price": -1.0}])
    with pytest.raises(UserError, match=r"target 'price' is missing in row 2 \(1 rows in all\)"):
        read_numbers(table, "price")
    with pytest.raises(UserError, match="'price' is -1 in row 3"):
        read_numbers(table.take(np.array([0, 2])), "price", log=True)
    with pytest.raises(UserError, match="must hold numbers, got 'dear' in row 1"):
        read_numbers(table_of([{"price": "dear"}]), "price")
    with pytest.raises(UserError, match="the same 'price', 3"):
        NumberTarget.fit("price", np.array([3.0, 3.0]), "standardize")


def test_classes() -> None:
    table = table_of([{"c": "10"}, {"c": "9"}, {"c": "10"}])
    found = read_classes(table, "c", None)
    target = fit_classes("c", found, None)
    assert target.classes == ("9", "10")
    assert class_places(target, found, table).tolist() == [1, 0, 1]
    with pytest.raises(UserError, match="The class '11' in row 1 is none of those learned"):
        class_places(target, ["11"], table)
    with pytest.raises(UserError, match="All training rows are of one class, '9'"):
        fit_classes("c", ["9", "9"], None)
    with pytest.raises(UserError, match="is it a number"):
        fit_classes("c", [str(index / 7) for index in range(100)], None)
    with pytest.raises(UserError, match="target 'c' is missing in row 1"):
        read_classes(table_of([{"c": None}]), "c", None)


def test_declared_classes_name_whole_numbers() -> None:
    table = table_of([{"c": 0}, {"c": 1}, {"c": 0}])
    found = read_classes(table, "c", ["no", "yes"])
    assert found == ["no", "yes", "no"]
    with pytest.raises(UserError, match="not one of the 2 declared classes"):
        read_classes(table_of([{"c": 2}]), "c", ["no", "yes"])


def test_a_numeric_code_says_what_it_was_fitted_on() -> None:
    code = fit([1.0, 2.0, 3.0, 4.0]).codes[0]
    assert isinstance(code, NumericCode)
    assert (code.mean, code.flag) == (2.5, False)
