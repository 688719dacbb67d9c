"""First looks at datasets: folders, tables and Parquet say the same of the same images."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable
from typing import Any, BinaryIO

import pyarrow as pa
import pytest
from pyarrow import parquet

from models_app.content.parquet_preview import MAX_IMAGE_BYTES, preview_parquet
from models_app.content.previews import preview_folders, preview_tables, sort_labels, split_of, spread

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
Opener = Callable[[], BinaryIO]


def url(path: str) -> str:
    return f"/r/{path}"


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train/cat/1.png", "train"),
        ("data/Test/cat/1.png", "test"),
        ("val/1.png", "validation"),
        ("data/test-00000-of-00001.parquet", "test"),
        ("data/validation.parquet", "validation"),
        ("cat/1.png", "train"),
        ("contest/1.png", "train"),
    ],
)
def test_the_split_is_in_the_path(path: str, split: str) -> None:
    assert split_of(path) == split


def test_folders_count_classes_by_split_and_show_each_class() -> None:
    paths = [f"train/cat/{i}.png" for i in range(30)] + [f"train/dog/{i}.jpg" for i in range(3)]
    found = preview_folders([*paths, "test/dog/9.png", "README.md"], url)
    assert found is not None
    assert found["splits"] == [{"name": "train", "rows": 33}, {"name": "test", "rows": 1}]
    assert found["classes"] == [
        {"label": "cat", "count": 30, "splits": {"train": 30}},
        {"label": "dog", "count": 4, "splits": {"train": 3, "test": 1}},
    ]
    assert found["images"][:2] == [
        {"label": "cat", "src": "/r/train/cat/0.png"},
        {"label": "dog", "src": "/r/train/dog/0.jpg"},
    ]
    assert len(found["images"]) == 24


def test_a_pile_of_images_has_no_classes_and_text_no_preview() -> None:
    found = preview_folders(["images/1.png", "images/2.png"], url)
    assert found is not None
    assert (found["classes"], found["splits"]) == ([], [{"name": "train", "rows": 2}])
    assert preview_folders(["README.md", "a.txt"], url) is None


def test_tables_name_labels_and_missing_files_are_told() -> None:
    table = "file_name,label\n1.png,猫\n2.png,dog\nsub/gone.png,dog\n".encode()
    found = preview_tables([("train/metadata.csv", table)], ["train/1.png", "train/2.png"], url)
    assert found is not None
    assert [(row["label"], row["count"]) for row in found["classes"]] == [("dog", 2), ("猫", 1)]
    assert {"label": "猫", "src": "/r/train/1.png"} in found["images"]
    assert found["problems"] == ["train/metadata.csv names 1 files that are not in the repo."]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b'file_name,label\n"unclosed,1\n'])
def test_tables_without_names_and_labels_are_no_preview(content: bytes) -> None:
    assert preview_tables([("metadata.csv", content)], [], url) is None


def test_a_table_with_a_giant_field_is_told() -> None:
    found = preview_tables([("metadata.csv", b"file_name,label\n" + b"x" * 200_000 + b",a\n")], [], url)
    assert found is not None
    assert found["problems"] == ["metadata.csv could not be read as CSV."]


def test_labels_are_text_that_databases_take() -> None:
    table = b"file_name,label\n1.png,a\x00b\n2.png," + b"y" * 300 + b"\n"
    found = preview_tables([("metadata.csv", table)], ["1.png", "2.png"], url)
    assert found is not None
    assert [row["label"] for row in found["classes"]] == ["a\ufffdb", "y" * 100]


def test_a_table_cannot_point_outside_the_repo() -> None:
    table = b"file_name,label\n../../etc/passwd,a\n/etc/passwd,b\n"
    found = preview_tables([("metadata.csv", table)], ["x.png"], url)
    assert found is not None
    assert found["images"] == []


def parquet_bytes(
    labels: list[Any], images: list[Any] | None = None, features: dict[str, Any] | None = None
) -> bytes:
    images = (
        [{"bytes": PNG + str(i).encode(), "path": f"{i}.png"} for i in range(len(labels))]
        if images is None
        else images
    )
    table = pa.table({"image": images, "label": labels})
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def opener(content: bytes) -> Opener:
    return lambda: io.BytesIO(content)


def test_parquet_counts_labels_by_name_and_shows_each_class() -> None:
    features = {"label": {"names": ["zero", "one"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    files = [
        ("data/test-00000-of-00001.parquet", opener(parquet_bytes([1], features=features))),
        ("data/train-00000-of-00001.parquet", opener(parquet_bytes([0] * 40 + [1], features=features))),
    ]
    found = preview_parquet(files, {})
    assert found is not None
    assert found["problems"] == []
    assert found["splits"] == [{"name": "train", "rows": 41}, {"name": "test", "rows": 1}]
    assert [(row["label"], row["count"]) for row in found["classes"]] == [("one", 2), ("zero", 40)]
    assert {image["label"] for image in found["images"][:2]} == {"zero", "one"}
    assert len(found["images"]) == 24
    kind, _, data = found["images"][0]["src"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data).startswith(PNG)


def test_class_names_come_from_the_card_where_the_file_has_none() -> None:
    names = {"class_label": {"names": {"0": "cat", "1": "dog"}}}
    metadata = {
        "dataset_info": {"features": [{"name": "image", "dtype": "image"}, {"name": "label", "dtype": names}]}
    }
    found = preview_parquet([("train.parquet", opener(parquet_bytes([0, 1, 1])))], metadata)
    assert found is not None
    assert [(row["label"], row["count"]) for row in found["classes"]] == [("cat", 1), ("dog", 2)]
    unnamed = preview_parquet([("train.parquet", opener(parquet_bytes([7, 10, 9])))], {})
    assert unnamed is not None
    assert [row["label"] for row in unnamed["classes"]] == ["7", "9", "10"]


def test_splits_follow_the_cards_configs() -> None:
    metadata = {"configs": [{"data_files": [{"split": "holdout", "path": "data/part-b*"}]}]}
    files = [(f"data/part-{x}.parquet", opener(parquet_bytes(["a", "b"]))) for x in "ab"]
    found = preview_parquet(files, metadata)
    assert found is not None
    assert found["splits"] == [{"name": "train", "rows": 2}, {"name": "holdout", "rows": 2}]


def test_only_small_real_images_are_shown() -> None:
    images = [
        {"bytes": b"<svg onload=alert(1)>", "path": "a.png"},
        {"bytes": PNG + b"\0" * MAX_IMAGE_BYTES, "path": "b.png"},
        {"bytes": None, "path": "c.png"},
        {"bytes": b"\xff\xd8\xff\xe0", "path": "d.jpg"},
    ]
    found = preview_parquet([("train.parquet", opener(parquet_bytes([0, 1, 2, 3], images)))], {})
    assert found is not None
    assert [image["label"] for image in found["images"]] == ["3"]
    assert found["images"][0]["src"].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b"not parquet at all" * 10]
)
def test_broken_parquet_is_told_beside_what_is_sound(content: bytes) -> None:
    found = preview_parquet(
        [("train.parquet", opener(parquet_bytes([0, 1]))), ("train-b.parquet", opener(content))], {}
    )
    assert found is not None
    assert found["problems"] == ["train-b.parquet could not be read as Parquet."]
    assert found["splits"] == [{"name": "train", "rows": 2}]


def test_flipped_bytes_never_raise() -> None:
    sound = parquet_bytes([0, 1, 2])
    for place in range(4, len(sound), 7):
        broken = bytearray(sound)
        broken[place] ^= 0xFF
        found = preview_parquet([("train.parquet", opener(bytes(broken)))], {})
        assert found is not None


def test_too_many_values_are_no_classes() -> None:
    found = preview_parquet([("train.parquet", opener(parquet_bytes([f"id{i}" for i in range(1500)])))], {})
    assert found is not None
    assert found["classes"] == []
    assert found["problems"] == ["The label column has 1000 values or more; classes are not counted."]


def test_one_of_each_label_in_turn() -> None:
    assert spread([("a", 1), ("a", 2), ("b", 3), ("a", 4)], 3) == [("a", 1), ("b", 3), ("a", 2)]
    assert sort_labels(["10", "9", "b", "a", "9" * 5000]) == ["9", "10", "9" * 5000, "a", "b"]


def test_many_patterns_for_many_files_take_no_time() -> None:
    """This runs in a commit, while other writers wait."""
    files = [(f"data/{number}.parquet", io.BytesIO) for number in range(20_000)]
    globs = [f"*a*{number}*b*c*" for number in range(5_000)]
    card = {"configs": [{"data_files": [{"split": "x", "path": globs}] * 50}] * 20}
    began = time.process_time()
    preview_parquet(files, card)
    assert time.process_time() - began < 10


def test_thousands_of_labels_are_ordered_once() -> None:
    began = time.process_time()
    found = spread([(f"{number}", number) for number in range(50_000)], 24)
    assert [label for label, _ in found] == [str(number) for number in range(24)]
    assert time.process_time() - began < 5
