"""Boxes and masks of a composite are those of what can be seen in it."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
from PIL import Image

from bench.assets import composites
from bench.assets.composites import SIDE, Scene, Stamp, by_words, compose, objects, read_stamps
from bench.assets.emoji import on_white


def _stamp(colour: str, size: tuple[int, int], category: int) -> Stamp:
    return Stamp(Image.new("RGBA", size, colour), f"A {colour} thing", category)


STAMPS = [_stamp("red", (40, 20), 0), _stamp("blue", (10, 30), 3)]
COLOURS = {0: (255, 0, 0), 3: (0, 0, 255)}
GREY = [Image.new("RGB", (300, 250), (90, 90, 90))]


def test_boxes_areas_and_masks_are_what_the_picture_shows() -> None:
    generator = random.Random("a")
    counts = set()
    for _ in range(40):
        scene = compose(STAMPS, GREY, generator)
        pixels, found = np.asarray(scene.picture), objects(scene)
        counts.add(len(scene.stamps))
        for number, stamp in enumerate(scene.stamps, start=1):
            seen = scene.owner == number
            assert (pixels[seen] == COLOURS[stamp.category]).all()
            left, top, width, height = (int(side) for side in found["bbox"][number - 1])
            inside = np.zeros((SIDE, SIDE), bool)
            inside[top : top + height, left : left + width] = True
            assert not (seen & ~inside).any()
            edges = (seen[top], seen[top + height - 1], seen[:, left], seen[:, left + width - 1])
            assert all(edge.any() for edge in edges)
            assert found["area"][number - 1] == seen.sum()
            assert seen.sum() >= 0.5 * composites.SMALLEST**2 * SIDE**2 / 3.5
        assert (pixels[scene.owner == 0] == 90).all()
    assert counts == {1, 2, 3, 4}


def test_the_same_seed_gives_the_same_picture() -> None:
    one, two, other = (compose(STAMPS, GREY, random.Random(seed)) for seed in ("a", "a", "b"))
    assert one.picture.tobytes() == two.picture.tobytes() != other.picture.tobytes()
    assert (one.owner == two.owner).all()


def test_rows_hold_class_masks_and_captions() -> None:
    owner = np.zeros((SIDE, SIDE), np.uint8)
    owner[10:20, 30:50], owner[100:101, 5:6] = 1, 2
    scene = Scene(Image.new("RGB", (SIDE, SIDE)), owner, [STAMPS[1], STAMPS[0]])
    row = composites._table([scene], "train").to_pylist()[0]
    assert row["objects"] == {
        "bbox": [[30.0, 10.0, 20.0, 10.0], [5.0, 100.0, 1.0, 1.0]],
        "area": [200, 1],
        "category": [3, 0],
    }
    assert row["caption"] == "A blue thing. A red thing."
    mask = np.asarray(Image.open(io.BytesIO(row["mask"]["bytes"])))
    assert (mask[10:20, 30:50] == 4).all()
    assert mask[100, 5] == 1
    assert mask.sum() == 4 * 200 + 1
    assert (np.asarray(Image.open(io.BytesIO(row["instances"]["bytes"]))) == owner).all()


def test_only_cut_outs_with_words_are_stamps(tmp_path: Path) -> None:
    for name, alpha, words in (
        ("animals/birds/hen", 0, "A hen. It lays eggs.\nde.utf8=Eine Henne.\n"),
        ("animals/square", 255, "A square.\n"),
        ("food/pear", 0, None),
    ):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGBA", (20, 10), (9, 9, 9, alpha))
        picture.paste((9, 9, 9, 255), (5, 2, 15, 8))
        picture.save(path)
        if words:
            path.with_suffix(".txt").write_text(words)
    found = read_stamps(tmp_path)
    assert [(stamp.words, stamp.category, stamp.picture.size) for stamp in found] == [("A hen", 0, (10, 6))]


def test_cut_outs_of_one_description_are_in_one_split() -> None:
    stamps = [_stamp("red", (2, 2), row % 2) for row in range(4)]
    stamps += [Stamp(stamps[0].picture, f"thing {row // 2}", 2) for row in range(40)]
    splits = by_words(stamps)
    assert sorted(row for rows in splits.values() for row in rows) == list(range(44))
    words = [{(stamps[row].category, stamps[row].words) for row in rows} for rows in splits.values()]
    assert len(words[0] | words[1] | words[2]) == sum(map(len, words))
    assert [sum(stamps[row].category == 2 for row in rows) for rows in splits.values()] == [28, 4, 8]


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    picture.putpixel((1, 0), (255, 0, 0, 255))
    picture.save(tmp_path / "a.png")
    found = np.asarray(Image.open(io.BytesIO(on_white(tmp_path / "a.png"))))
    assert found.tolist() == [[[255, 255, 255], [255, 0, 0]]]
