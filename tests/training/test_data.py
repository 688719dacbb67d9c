from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.training.world import picture, write_images
from training.data import Split, holdout, read_split, thin
from training.errors import UserError
from training.images import Geometry, to_pixels
from training.pixels import load_pixels
from training.tables import csv_rows

GEOMETRY = Geometry(16)


def png(kind: str = "cat") -> bytes:
    buffer = io.BytesIO()
    picture(kind, np.random.default_rng(1)).save(buffer, "PNG")
    return buffer.getvalue()


def refusal(folder: Path, split: str = "train", **columns: str) -> UserError:
    with pytest.raises(UserError) as caught:
        load_all(read_split(folder, split, **columns))
    return caught.value


def load_all(split: Split) -> None:
    load_pixels(split, range(len(split)), GEOMETRY)


def classes(split: Split) -> list[str]:
    return [split.labels[target] for target in split.targets]


def write_table(folder: Path, name: str, table: pa.Table) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / name)


def test_a_folder_of_splits(images: Path) -> None:
    split = read_split(images, "test")
    assert split.labels == ["cat", "dog"]
    assert Counter(classes(split)) == {"cat": 8, "dog": 8}
    pixels = load_pixels(split, range(len(split)), GEOMETRY)
    assert pixels.shape == (16, 3, 16, 16)
    red, blue = pixels[:, 0].float().mean((1, 2)), pixels[:, 2].float().mean((1, 2))
    assert ((red > blue).long() == 1 - np.array(split.targets)).all()


def test_plain_class_folders_are_the_train_split(tmp_path: Path) -> None:
    write_images(tmp_path / "all", train=2, test=1)
    root = tmp_path / "all" / "train"
    assert len(read_split(root, "train")) == 4
    assert refusal(root, "test").message == "The data set has no split 'test'."


def test_numbered_classes_sort_by_value(tmp_path: Path) -> None:
    write_images(tmp_path, train=1, test=0, kinds=("10", "9", "1"))
    assert read_split(tmp_path, "train").labels == ["1", "9", "10"]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_of_file_names(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    rows = [("a.png", "dog"), ("sub/b.png", "cat")]
    for name, label in rows:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(png(label))
    if kind == "csv":
        text = "\ufefffile_name,species\n" + "".join(f"{name},{label}\n" for name, label in rows)
    else:
        text = "".join(json.dumps({"file_name": name, "species": label}) + "\n" for name, label in rows)
    (folder / f"metadata.{kind}").write_text(text, encoding="utf-8")
    split = read_split(tmp_path, "train", label_column="species")
    assert classes(split) == ["dog", "cat"]
    assert load_pixels(split, [1], GEOMETRY).shape == (1, 3, 16, 16)


@pytest.mark.parametrize("path", ["../x.png", "/etc/passwd", "a/../../x.png", "", "a\0b"])
def test_a_table_cannot_reach_outside(tmp_path: Path, path: str) -> None:
    (tmp_path / "train.jsonl").write_text(json.dumps({"file_name": path, "label": "a"}))
    assert refusal(tmp_path).message_id == "data:unsafe-path"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train.csv", "file_name,kind\na.png,x\n", "train.csv has no column 'label'"),
        ("train.csv", b"file_name,label\n\xff\xfe,x\n", "train.csv is not a readable CSV table in UTF-8."),
        (
            "train.jsonl",
            '{"file_name": "a.png", "label": 1}\nnonsense\n',
            "train.jsonl, line 2, is not a JSON",
        ),
        ("train.jsonl", '{"file_name": "a.png", "label": null}\n', "The label a.png (train.jsonl, row 1)"),
        ("train.jsonl", '{"file_name": "a.png", "label": 1.5}\n', "The label a.png (train.jsonl, row 1)"),
        ("train.jsonl", '{"file_name": "a.png", "label": [1]}\n', "The label a.png (train.jsonl, row 1)"),
        ("train.csv", "file_name,label\na.png,x\n", "The image a.png (train.csv, row 1) does not exist."),
        ("train.csv", "file_name,label\n", "The split 'train' holds no images."),
        ("train-00000.parquet", b"PAR1 nonsense", "train-00000.parquet is not a readable Parquet file."),
    ],
)
def test_a_bad_table_names_file_and_row(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    assert refusal(tmp_path).message.startswith(message)


def test_parquet_with_names_in_the_schema(tmp_path: Path) -> None:
    cells = [{"bytes": png("cat"), "path": None}, {"bytes": png("dog"), "path": "x.png"}]
    info = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": cells, "label": [0, 1]})
    table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    write_table(tmp_path, "data/train-00000-of-00002.parquet", table)
    write_table(tmp_path, "data/train-00001-of-00002.parquet", table)
    write_table(tmp_path, "data/trainer-00000-of-00001.parquet", table)
    split = read_split(tmp_path, "train")
    assert classes(split) == ["cat", "dog", "cat", "dog"]
    whole = load_pixels(split, range(4), GEOMETRY)
    assert (load_pixels(split, [1, 2], GEOMETRY) == whole[1:3]).all()
    assert split.rows.where(3) == "in data/train-00001-of-00002.parquet, row 2"


def test_parquet_of_plain_bytes_takes_names_from_the_card(tmp_path: Path) -> None:
    write_table(tmp_path, "test.parquet", pa.table({"img": [png(), png()], "kind": [1, 0]}))
    feature = "{name: kind, dtype: {class_label: {names: {'0': cat, '1': dog}}}}"
    (tmp_path / "README.md").write_text(f"---\ndataset_info:\n  features:\n  - {feature}\n---\nHi\n")
    split = read_split(tmp_path, "test", image_column="img", label_column="kind")
    assert split.labels == ["cat", "dog"]
    assert classes(split) == ["dog", "cat"]


def test_a_label_beyond_the_declared_names_is_refused(tmp_path: Path) -> None:
    table = pa.table({"image": [png()], "label": [7]})
    info = json.dumps({"info": {"features": {"label": {"names": ["a", "b"]}}}})
    write_table(tmp_path, "train.parquet", table.replace_schema_metadata({"huggingface": info}))
    text = "The label '7' in train.parquet, row 1 is not one of the 2 declared classes."
    assert refusal(tmp_path).message == text


def test_two_classes_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.table({"image": [png()], "label": [0]})
    info = json.dumps({"info": {"features": {"label": {"names": ["a", "a"]}}}})
    write_table(tmp_path, "train.parquet", table.replace_schema_metadata({"huggingface": info}))
    assert refusal(tmp_path).message == "The data set declares two classes of the same name."


def test_what_does_not_fit_in_memory_lies_in_a_file(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = read_split(images, "train")
    rows = range(0, len(split), 3)
    small = load_pixels(split, rows, GEOMETRY, scratch=tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("training.pixels.MEMORY_BYTES", 100)
    assert (load_pixels(split, rows, GEOMETRY, scratch=tmp_path) == small).all()
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [small.numel()]


def test_missing_parquet_cells_and_columns(tmp_path: Path) -> None:
    write_table(tmp_path, "train.parquet", pa.table({"image": [png(), None], "label": [0, 1]}))
    assert refusal(tmp_path).message == "There is no image in train.parquet, row 2."
    text = "train.parquet has no column 'photo'; its columns are: image, label."
    assert refusal(tmp_path, image_column="photo").message == text


@pytest.mark.parametrize("content", [b"not an image", png()[:200], b"", b"\x89PNG\r\n\x1a\n" + b"\0" * 64])
def test_a_broken_image_is_named(tmp_path: Path, content: bytes) -> None:
    write_images(tmp_path, train=1, test=0)
    (tmp_path / "train" / "dog" / "001.png").write_bytes(content)
    error = refusal(tmp_path)
    assert error.message_id == "data:broken-image"
    assert error.message == "The image train/dog/001.png cannot be used: it cannot be decoded."


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    write_images(tmp_path, train=1, test=0)
    Image.new("1", (10_000, 10_000)).save(tmp_path / "train" / "cat" / "bomb.png")
    assert "10000 × 10000 pixels" in refusal(tmp_path).message


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    place = tmp_path / "train" / "a"
    place.mkdir(parents=True)
    if mode == "I;16":
        Image.fromarray(np.full((20, 30), 128 * 257, dtype=np.uint16)).save(place / "x.png")
    else:
        Image.new("L", (30, 20), 128).convert(mode).save(place / ("x.jpg" if mode == "CMYK" else "x.png"))
    pixels = load_pixels(read_split(tmp_path, "train"), [0], GEOMETRY)
    assert pixels.shape == (1, 3, 16, 16)
    if mode != "1":
        assert abs(pixels.float().mean() - 128) < 2


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_grey_pixels_are_those_of_the_same_picture_in_rgb(interpolation: str) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (31, 45), dtype=np.uint8)
    grey, geometry = Image.fromarray(noise), Geometry(64, 0.9, interpolation)
    assert (to_pixels(grey, geometry) == to_pixels(grey.convert("RGB"), geometry)).all()


def test_a_sliver_does_not_grow_without_bound(tmp_path: Path) -> None:
    place = tmp_path / "train" / "a"
    place.mkdir(parents=True)
    Image.new("L", (40_000, 1), 9).save(place / "x.png")
    assert load_pixels(read_split(tmp_path, "train"), [0], Geometry(64)).shape == (1, 3, 64, 64)


def test_holdout_takes_the_same_share_of_every_class() -> None:
    targets = [0] * 50 + [1] * 30 + [2] * 3 + [3]
    kept, held = holdout(targets, 0.1, seed=3)
    assert sorted(kept + held) == list(range(84))
    assert Counter(targets[row] for row in held) == {0: 5, 1: 3, 2: 1}
    assert (kept, held) == holdout(targets, 0.1, seed=3)
    assert held != holdout(targets, 0.1, seed=4)[1]
    assert holdout(targets, 0.0, seed=3)[1] == []


def test_thinning_keeps_small_classes() -> None:
    targets = [0] * 90 + [1] * 10
    rows = thin(range(100), targets, 20, seed=0)
    assert Counter(targets[row] for row in rows) == {0: 10, 1: 10}
    assert thin(range(100), targets, None, seed=0) == list(range(100))


@pytest.mark.parametrize("name", ["../secret", "", ".git", "no-such"])
def test_a_split_must_be_there(images: Path, name: str) -> None:
    assert refusal(images, name).message_id == "data:no-split"


def test_long_cells_are_read_without_leaving_the_limit_raised(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    table = tmp_path / "train.csv"
    table.write_text(f"text,label\n{'x' * 200_000},a\ny,b\n")
    rows = csv_rows(table, "train.csv")
    assert len(next(rows)["text"]) == 200_000
    assert csv.field_size_limit() == before
    assert next(rows)["label"] == "b"
