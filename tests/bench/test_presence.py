"""Labels of a composite are the kinds of what is pasted on it, and the engine reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from bench.assets.composites import CATEGORIES, SIDE, Scene, Stamp
from bench.assets.presence import kinds, table
from training.imagetargets import read_tags


def _scene(*categories: int) -> Scene:
    stamps = [Stamp(Image.new("RGBA", (4, 4)), "A thing", category) for category in categories]
    return Scene(Image.new("RGB", (SIDE, SIDE)), np.zeros((SIDE, SIDE), np.uint8), stamps)


def test_every_kind_is_told_once_in_the_order_of_all() -> None:
    assert kinds(_scene(3, 0, 3)) == [CATEGORIES[0], CATEGORIES[3]]
    assert kinds(_scene()) == []


def test_the_engine_reads_them_as_labels(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = table([_scene(1), _scene(), _scene(2, 1, 0, 3)], "train")
    pq.write_table(rows, tmp_path / "data" / "train-00000-of-00001.parquet")
    found = read_tags(tmp_path, "train", image_column="image", label_column="labels")
    assert found.labels == sorted(CATEGORIES)
    assert found.flags.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]
