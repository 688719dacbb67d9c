from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.training.text.world import write_jsonl
from training.errors import UserError
from training.text.reading import Texts, Tokens, read_texts, read_tokens, shared_rows


def texts(root: Path, split: str = "train", second: str | None = None) -> Texts:
    return read_texts(root, split, text_column="text", second_column=second, label_column="label")


def tokens(root: Path, split: str = "train") -> Tokens:
    return read_tokens(root, split, token_column="tokens", tag_column="tags")


ROWS = [{"text": "fine, indeed", "label": "b"}, {"text": "bad", "label": "a"}]


def write_csv(root: Path, rows: list[dict[str, Any]]) -> None:
    body = "".join(f'"{row["text"]}",{row["label"]}\n' for row in rows)
    (root / "train.csv").write_text("text,label\n" + body)


def write_array(root: Path, rows: list[dict[str, Any]]) -> None:
    (root / "train.json").write_text(json.dumps(rows, indent=1))


def write_lines(root: Path, rows: list[dict[str, Any]]) -> None:
    write_jsonl(root / "train.jsonl", rows)


def write_json_lines(root: Path, rows: list[dict[str, Any]]) -> None:
    write_jsonl(root / "train.json", rows)


def write_parquet(root: Path, rows: list[dict[str, Any]]) -> None:
    (root / "data").mkdir()
    for number, row in enumerate(rows):
        pq.write_table(pa.Table.from_pylist([row]), root / f"data/train-0000{number}-of-00002.parquet")


@pytest.mark.parametrize(
    "write", [write_csv, write_array, write_lines, write_json_lines, write_parquet], ids=lambda f: f.__name__
)
def test_every_layout_gives_the_same_rows(tmp_path: Path, write: Any) -> None:
    write(tmp_path, ROWS)
    split = texts(tmp_path)
    assert split.texts == ["fine, indeed", "bad"]
    assert split.labels == ["a", "b"]
    assert split.targets == [1, 0]


def test_classes_are_named_by_the_card(tmp_path: Path) -> None:
    write_lines(tmp_path, [{"text": "x", "label": 1}, {"text": "y", "label": 0}])
    (tmp_path / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n"
        "        names:\n          '0': neg\n          '1': pos\n---\n"
    )
    split = texts(tmp_path)
    assert (split.labels, split.targets) == (["neg", "pos"], [1, 0])


@pytest.mark.parametrize("key", ["sequence", "list"])
def test_tags_are_named_by_the_card(tmp_path: Path, key: str) -> None:
    write_lines(tmp_path, [{"tokens": ["a", "b"], "tags": [0, 2]}])
    (tmp_path / "README.md").write_text(
        f"---\ndataset_info:\n  features:\n  - name: tags\n    {key}:\n      class_label:\n"
        "        names:\n          '0': O\n          '1': B-X\n          '2': I-X\n---\n"
    )
    split = tokens(tmp_path)
    assert (split.labels, split.tags) == (["O", "B-X", "I-X"], [[0, 2]])


@pytest.mark.parametrize(
    "feature",
    [
        {"feature": {"names": ["O", "B-X"], "_type": "ClassLabel"}, "_type": "List"},
        [{"names": ["O", "B-X"], "_type": "ClassLabel"}],
    ],
)
def test_tags_are_named_by_the_schema_of_the_file(tmp_path: Path, feature: Any) -> None:
    table = pa.table({"tokens": [["a"]], "tags": [[1]]})
    info = json.dumps({"info": {"features": {"tags": feature}}}).encode()
    pq.write_table(table.replace_schema_metadata({b"huggingface": info}), tmp_path / "train.parquet")
    assert tokens(tmp_path).labels == ["O", "B-X"]


def test_conll_text(tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_text(
        "-DOCSTART- -X- O\n\nJohn NNP B-PER\nSmith NNP I-PER\n\n# NN O\n\n\nNew York\tO\nend . O\n"
    )
    split = tokens(tmp_path)
    assert split.words == [["John", "Smith"], ["#"], ["New York", "end"]]
    assert [[split.labels[tag] for tag in row] for row in split.tags] == [
        ["B-PER", "I-PER"],
        ["O"],
        ["O", "O"],
    ]
    assert split.where(1) == "in train.conll, line 6"


def test_second_texts(tmp_path: Path) -> None:
    write_lines(tmp_path, [{**row, "other": "y"} for row in ROWS])
    split = texts(tmp_path, second="other")
    assert split.seconds == ["y", "y"]
    assert len(set(split.keys())) == 2


def test_duplicates_are_found_whatever_their_case(tmp_path: Path) -> None:
    write_lines(tmp_path, [*ROWS, {"text": " Fine,  INDEED ", "label": "a"}])
    keys = texts(tmp_path).keys()
    assert keys[0] == keys[2] != keys[1]
    assert shared_rows(keys[:2], keys[2:]) == 1


@pytest.mark.parametrize(
    ("rows", "message_id", "words"),
    [
        ([], "data:empty", "holds no texts"),
        ([{"text": "x"}], "data:missing-column", "no column 'label'"),
        ([*ROWS, {"text": "x"}], "data:missing-cell", "row 3, has no 'label'"),
        ([*ROWS, {"text": 5, "label": "a"}], "data:bad-text", "train.jsonl, row 3 is not a text"),
        ([*ROWS, {"text": None, "label": "a"}], "data:bad-text", "row 3 is not a text"),
        ([*ROWS, {"text": "  ", "label": "a"}], "data:empty-text", "row 3 is empty"),
        ([*ROWS, {"text": "x", "label": None}], "data:bad-label", "train.jsonl, row 3"),
        ([*ROWS, {"text": "x", "label": 1.5}], "data:bad-label", "row 3"),
        ([{"text": "x" * 1_000_001, "label": "a"}], "data:too-large", "longer than 1,000,000 characters"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, rows: list[Any], message_id: str, words: str) -> None:
    write_lines(tmp_path, rows)
    with pytest.raises(UserError) as caught:
        texts(tmp_path)
    assert caught.value.message_id == message_id
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"tokens": ["a"], "tags": ["X", "Y"]}, "1 tokens but 2 tags"),
        ({"tokens": "a b", "tags": ["X", "Y"]}, "must be lists"),
        ({"tokens": [], "tags": []}, "at least one token"),
        ({"tokens": ["a", " "], "tags": ["X", "Y"]}, "Token 2 in train.jsonl, row 2"),
        ({"tokens": ["a", None], "tags": ["X", "Y"]}, "Token 2 in train.jsonl, row 2"),
        ({"tokens": ["a"], "tags": [None]}, "train.jsonl, row 2"),
    ],
)
def test_bad_tokens_are_named(tmp_path: Path, row: Any, words: str) -> None:
    write_lines(tmp_path, [{"tokens": ["a"], "tags": ["X"]}, row])
    with pytest.raises(UserError) as caught:
        tokens(tmp_path)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("name", "body", "message_id"),
    [
        ("train.json", b"[{]", "data:broken-table"),
        ("train.json", b"[1, 2]", "data:broken-table"),
        ("train.jsonl", b"[1]\n", "data:broken-table"),
        ("train.csv", b"text,label\n\xff\xfe,a\n", "data:broken-table"),
        ("train.parquet", b"PAR1nothing", "data:broken-table"),
        ("train.txt", b"no columns here\n", "data:no-split"),
        ("other.csv", b"text,label\nx,a\n", "data:no-split"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, name: str, body: bytes, message_id: str) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(UserError) as caught:
        texts(tmp_path)
    assert caught.value.message_id == message_id


def test_conll_lines_need_a_tag(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a X\nb\n")
    with pytest.raises(UserError, match=r"train\.txt, line 2, needs a token and a tag"):
        tokens(tmp_path)


def test_the_name_of_a_split_is_no_path(tmp_path: Path) -> None:
    for name in ("../secret", ".hidden", ""):
        with pytest.raises(UserError, match="not the name of a split"):
            texts(tmp_path, name)


def test_long_texts_fit_into_a_csv(tmp_path: Path) -> None:
    long = "word " * 60_000
    write_csv(tmp_path, [{"text": long, "label": "a"}, {"text": "x", "label": "b"}])
    assert texts(tmp_path).texts[0] == long
