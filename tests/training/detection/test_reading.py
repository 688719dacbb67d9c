from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.detection.world import CLASSES, cell, recipe, scenes, write_cells, write_scenes
from training.detection.coco import read_coco
from training.detection.pictures import load_pictures, shares
from training.detection.reading import Scenes, detection_data, read_scenes, same_labels
from training.errors import UserError
from training.recipe import RecipeError

LAYOUTS = ("parquet", "parquet-list", "jsonl", "csv", "roboflow", "coco")
BOX = [4.0, 6.0, 20.0, 30.0]


def read(folder: Path, name: str = "train", **columns: Any) -> Scenes:
    return read_scenes(folder, name, detection_data(recipe(dataset=columns)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_says_the_same(tmp_path: Path, layout: str) -> None:
    made = scenes(6)
    found = read(write_scenes(tmp_path, {"train": made}, layout))
    assert sorted(found.labels) == sorted(CLASSES)
    assert len(found) == 6
    for row, (_, boxes, kinds) in enumerate(made):
        corners = [[left, top, left + width, top + height] for left, top, width, height in boxes]
        assert found.boxes[row].tolist() == corners
        assert [found.labels[kind] for kind in found.kinds[row]] == [CLASSES[kind] for kind in kinds]
    pixels, sides = load_pictures(found, range(6), 64)
    assert pixels[3].numpy().transpose(1, 2, 0).tolist() == np.asarray(made[3][0]).tolist()
    assert sides.tolist() == [[64, 64]] * 6


def test_corners_are_read_where_the_recipe_says_so(tmp_path: Path) -> None:
    data = write_cells(tmp_path, [{"boxes": [[4, 6, 24, 36]], "labels": ["cup"]}])
    assert read(data, box_format="voc").boxes[0].tolist() == [[4, 6, 24, 36]]
    assert read(data, box_format="coco").boxes[0].tolist() == [[4, 6, 28, 42]]


def test_indices_get_the_cards_names(tmp_path: Path) -> None:
    data = write_cells(tmp_path, [cell([BOX], [1]), None, cell([], [])], "parquet")
    assert read(data).labels == ["1"]
    (tmp_path / "README.md").write_text("---\ncategory_names: [cup, spoon]\n---\n")
    found = read(data)
    assert (found.labels, found.kinds[0].tolist()) == (["cup", "spoon"], [1])
    assert [len(kinds) for kinds in found.kinds] == [1, 0, 0]
    names = {"class_label": {"names": {"0": "cat", "1": "dog"}}}
    inner = [{"name": "bbox", "list": "float64"}, {"name": "category", "dtype": names}]
    card = {"dataset_info": {"features": [{"name": "objects", "sequence": inner}]}}
    (tmp_path / "README.md").write_text(f"---\n{json.dumps(card)}\n---\n")
    assert read(data).labels == ["cat", "dog"]


def test_crowds_are_left_out_and_counted(tmp_path: Path) -> None:
    data = write_cells(tmp_path, [{**cell([BOX, BOX], ["a", "b"]), "iscrowd": [0, 1]}])
    assert (read(data).labels, read(data).crowds) == (["a"], 1)


@pytest.mark.parametrize(
    ("found", "message", "said"),
    [
        ([1, 2], "data:bad-objects", "must hold objects"),
        ("{torn", "data:bad-objects", "no JSON"),
        ({"bbox": [BOX]}, "data:bad-objects", "must have bbox and category, there is bbox"),
        (cell([BOX], ["a", "b"]), "data:bad-objects", "differ in length"),
        ({"bbox": BOX[0], "category": ["a"]}, "data:bad-objects", "must be lists"),
        (cell([BOX] * 1001, ["a"] * 1001), "data:bad-objects", "more than 1,000"),
        (cell([BOX[:3]], ["a"]), "data:bad-box", r"Box 1 .*002\.png .*must be four numbers"),
        (cell([["4", 6, 20, 30]], ["a"]), "data:bad-box", "must be four numbers"),
        (cell([BOX, [4, 6, 0, 30]], ["a", "a"]), "data:bad-box", r"Box 2 .*has no area \(4, 6, 0, 30\)"),
        (cell([[4, 6, -3, 30]], ["a"]), "data:bad-box", "must be above 0"),
        (cell([[4, float("nan"), 3, 30]], ["a"]), "data:bad-box", "no place in a picture: 4, nan"),
        (cell([BOX], [None]), "data:bad-label", "class name or a whole number"),
        (cell([BOX], [1.5]), "data:bad-label", "class name or a whole number"),
    ],
)
def test_a_bad_cell_is_named_with_its_row(tmp_path: Path, found: Any, message: str, said: str) -> None:
    data = write_cells(tmp_path, [cell([BOX], ["a"]), cell([], []), found])
    with pytest.raises(UserError, match=said) as caught:
        read(data)
    assert caught.value.message_id == message
    assert "002.png (train/metadata.jsonl, row 3)" in caught.value.message


@pytest.mark.parametrize(
    ("kind", "fits"), [(1, True), (2, False), (-1, False), ("spoon", True), ("fork", False)]
)
def test_declared_classes_bind(tmp_path: Path, kind: Any, fits: bool) -> None:
    data = write_cells(tmp_path, [cell([BOX], [kind])])
    (tmp_path / "README.md").write_text("---\ncategory_names: [cup, spoon]\n---\n")
    if fits:
        assert read(data).kinds[0].tolist() == [1]
        return
    with pytest.raises(UserError, match="not one of the 2 declared classes"):
        read(data)


@pytest.mark.parametrize(
    ("box", "fits"), [([-1.5, 0, 30, 66], True), ([50, 50, 20, 10], False), ([70, 0, 5, 5], False)]
)
def test_boxes_lie_in_their_picture(tmp_path: Path, box: list[float], fits: bool) -> None:
    found = read(write_cells(tmp_path, [cell([BOX], ["a"]), cell([box], ["a"])]))
    _, sides = load_pictures(found, [1], 32)
    if fits:
        (told,), cut = shares(found, [1], sides)
        assert (told.tolist(), cut) == ([[0, 0, 28.5 / 64, 1]], 1)
        return
    with pytest.raises(UserError, match=r"Box 1 of the picture 001\.png .*leaves it.*64 × 64") as caught:
        shares(found, [1], sides)
    assert caught.value.message_id == "data:box-outside"


def test_missing_columns_and_splits_are_told(tmp_path: Path) -> None:
    data = write_cells(tmp_path, [cell([BOX], ["a"])])
    with pytest.raises(UserError, match="no column 'things'; its columns are: file_name, objects"):
        read(data, objects_column="things")
    with pytest.raises(UserError, match="no split 'test'"):
        read(data, "test")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": None}, "images must be a list"),
        ({"images": [{"id": 0, "file_name": "../../x.png"}]}, "must lie inside"),
        ({"images": [{"id": 0, "file_name": "a.png"}] * 2}, "two images have the id 0"),
        ({"images": [{"file_name": "a.png"}]}, "an image has no id"),
        (
            {"annotations": [{"image_id": 7, "category_id": 1, "bbox": BOX}]},
            "of the image 7, which is not listed",
        ),
        (
            {"annotations": [{"image_id": 0, "category_id": 9, "bbox": BOX}]},
            "of the category 9, which is not",
        ),
        (
            {"annotations": [{"image_id": 0, "category_id": 1, "bbox": [1, 2, 0, 4]}]},
            r"Box 1 .*a\.png.* no area",
        ),
        ({"annotations": [{"image_id": 0, "category_id": 1}]}, "must be four numbers"),
        ({"categories": [{"id": 1}]}, "the category 1 has no name"),
        ({"categories": [{"id": 1, "name": "x"}, {"id": 2, "name": "x"}]}, "two categories"),
    ],
)
def test_coco_json_that_does_not_hold_together(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    plain = {
        "images": [{"id": 0, "file_name": "a.png"}],
        "annotations": [{"image_id": 0, "category_id": 1, "bbox": BOX}],
        "categories": [{"id": 1, "name": "x"}],
    }
    file = tmp_path / "train" / "_annotations.coco.json"
    file.parent.mkdir()
    file.write_text(json.dumps(plain | change))
    with pytest.raises(UserError, match=said) as caught:
        read_coco(file, tmp_path, "train")
    assert "_annotations.coco.json" in caught.value.message


def test_classes_that_training_never_saw(tmp_path: Path) -> None:
    held = read(write_cells(tmp_path, [cell([BOX], ["fork"])]))
    with pytest.raises(UserError, match="split 'train' holds the class 'fork'"):
        same_labels(held, ["cup"])
    moved = same_labels(held, ["cup", "fork"])
    assert (moved.labels, moved.kinds[0].tolist()) == (["cup", "fork"], [1])


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"dataset": {"mix": "mixup"}}, r"dataset\.mix is not a field"),
        ({"dataset": {"augment": "strong"}}, r"dataset\.augment must be one of none, light"),
        ({"loss": {"kind": "focal"}}, r"loss\.kind must be one of auto"),
        ({"loss": {"class_weights": "balanced"}}, r"loss\.class_weights must be none"),
        ({"sampling": "balanced"}, "sampling must be shuffled"),
        ({"optim": {"label_smoothing": 0.1}}, r"optim\.label_smoothing must be 0"),
        ({"strategy": {"kind": "lora"}}, r"strategy\.kind lora is for"),
        ({"strategy": {"head": {"hidden": 8}}}, r"strategy\.head is for"),
    ],
)
def test_remedies_without_meaning_are_refused(sections: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        recipe(**sections)
