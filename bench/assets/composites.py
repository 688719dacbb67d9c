"""Detection and segmentation with exact truth: Tux Paint's cut-outs pasted on pictures of scikit-image."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.splits import stratified_split
from bench.assets.writing import image_cells, write_dataset

STAMPS = "usr/share/tuxpaint/stamps"
CATEGORIES = ("animals", "food", "plants", "vehicles")
# None of them shows what the categories name; the test has pictures of its own.
SCENES = {
    "train": ("brick.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "page.png"),
    "test": ("cell.png", "grass.png", "moon.png", "retina.jpg"),
}
SCENES["validation"] = SCENES["train"]
IMAGES = {"train": 1_200, "validation": 150, "test": 300}
SIDE = 224
MOST_OBJECTS = 4
SMALLEST, LARGEST = 0.25, 0.6
LEAST_VISIBLE = 0.5
TRIES = 20
CAPTION_WORDS = 12
Mask = np.ndarray


@dataclass(frozen=True)
class Stamp:
    """A cut-out: RGBA picture, what it shows in words, index of its category."""

    picture: Image.Image
    words: str
    category: int


@dataclass(frozen=True)
class Scene:
    """RGB picture; `owner` uint8 [side, side]: which object a pixel shows, from 1; 0 is background."""

    picture: Image.Image
    owner: Mask
    stamps: list[Stamp]


def tuxpaint(folder: Path, take: Take) -> None:
    stamps = read_stamps(take("tuxpaint-stamps-default") / STAMPS)
    pictures = take("scikit-image") / "skimage/data"
    tables = {}
    for split, chosen in by_words(stamps).items():
        scenes = [Image.open(pictures / name).convert("RGB") for name in SCENES[split]]
        generator = random.Random(f"tuxpaint-{split}-0")
        made = [compose([stamps[i] for i in chosen], scenes, generator) for _ in range(IMAGES[split])]
        tables[split] = _table(made, split)
    synthetic = (
        "The objects are real cut-outs, photos and drawings mixed, the scenes are not: size, place and "
        "neighbours are "
        "drawn at random and nothing casts a shadow. Figures on it say nothing about photos."
    )
    card = Card(
        title="Tux Paint composites",
        license="gpl-2.0",
        license_note="Stamps GPL-2 as a whole; pictures of scikit-image BSD-3-Clause, mostly CC0.",
        packages=["tuxpaint-stamps-default", "scikit-image"],
        tasks=["object-detection", "image-segmentation", "image-to-text"],
        about=f"Pictures of {SIDE} × {SIDE} pixels with 1 to {MOST_OBJECTS} objects of {len(CATEGORIES)} "
        "categories, out of "
        f"{len(stamps)} cut-outs. Boxes and masks are exact: they follow from how the picture was made, "
        "and hold what "
        "can be seen of an object behind others.",
        splits="Cut-outs are parted by a hash of seed 0, 70 : 10 : 20, equal descriptions together: "
        "objects of the test "
        "were never seen. The backgrounds of `test` are other pictures than those of `train`.",
        columns={
            "objects": "`bbox` is left, top, width, height as in COCO; `area` visible pixels; `category` "
            + ", ".join(f"{index} {name}" for index, name in enumerate(CATEGORIES)),
            "mask": "grey PNG: 0 background, 1 + category",
            "instances": "grey PNG: 0 background, 1 + position in `objects`",
            "caption": "what the package says of each object, far below 64 tokens",
        },
        semi_synthetic=synthetic,
        front={"category_names": list(CATEGORIES)},
    )
    write_dataset(folder, card, tables)


def read_stamps(folder: Path) -> list[Stamp]:
    """Cut-outs of the four categories that have transparency and an English description."""
    found = []
    for category, name in enumerate(CATEGORIES):
        for path in sorted((folder / name).rglob("*.png")):
            text = path.with_suffix(".txt")
            if not text.is_file():
                continue
            with Image.open(path) as picture:
                plain = picture.convert("RGBA")
            words = _first_sentence(text.read_text(encoding="utf-8", errors="replace").splitlines()[0])
            if plain.getchannel("A").getextrema()[0] < 128 and words:
                found.append(Stamp(plain.crop(plain.getchannel("A").getbbox()), words, category))
    return found


def by_words(stamps: Sequence[Stamp]) -> dict[str, list[int]]:
    """Stamps to splits, each category in the same shares, equal descriptions together."""
    members: dict[tuple[int, str], list[int]] = {}
    for index, stamp in enumerate(stamps):
        members.setdefault((stamp.category, stamp.words.lower()), []).append(index)
    keys = list(members)
    drawn = stratified_split([category for category, _ in keys])
    return {name: [i for place in chosen for i in members[keys[place]]] for name, chosen in drawn.items()}


def compose(stamps: Sequence[Stamp], scenes: Sequence[Image.Image], generator: random.Random) -> Scene:
    """A random cut of a random scene with 1 to 4 stamps; of each at least half stays in sight."""
    picture = _background(scenes[int(generator.random() * len(scenes))], generator)
    owner = np.zeros((SIDE, SIDE), np.uint8)
    kept: list[Stamp] = []
    full: list[int] = []
    for _ in range(1 + int(generator.random() * MOST_OBJECTS)):
        stamp = stamps[int(generator.random() * len(stamps))]
        for _ in range(TRIES):
            cut, left, top = _placed(stamp, generator)
            covered = owner.copy()
            inside = np.asarray(cut.getchannel("A")) > 127
            covered[top : top + cut.height, left : left + cut.width][inside] = len(kept) + 1
            sizes = [*full, int(inside.sum())]
            seen = np.bincount(covered.ravel(), minlength=len(sizes) + 1)[1:]
            if sizes[-1] and all(seen[i] >= LEAST_VISIBLE * size for i, size in enumerate(sizes)):
                picture.paste(cut, (left, top), cut)
                owner, full = covered, sizes
                kept.append(stamp)
                break
    return Scene(picture, owner, kept)


def objects(scene: Scene) -> dict[str, list[Any]]:
    """COCO's box, visible area and category of every object, in the order of their numbers."""
    found: dict[str, list[Any]] = {"bbox": [], "area": [], "category": []}
    for number, stamp in enumerate(scene.stamps, start=1):
        rows, columns = np.nonzero(scene.owner == number)
        left, top = int(columns.min()), int(rows.min())
        box = [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]
        found["bbox"].append([float(side) for side in box])
        found["area"].append(len(rows))
        found["category"].append(stamp.category)
    return found


def _table(scenes: Sequence[Scene], split: str) -> pa.Table:
    paths = [f"{split}-{index:05}" for index in range(len(scenes))]
    masks = []
    for scene in scenes:
        lookup = np.array([0, *(1 + stamp.category for stamp in scene.stamps)], np.uint8)
        masks.append(lookup[scene.owner])
    captions = [" ".join(f"{stamp.words}." for stamp in scene.stamps) for scene in scenes]
    pictures = [_encoded(scene.picture, "JPEG", quality=95, subsampling=0) for scene in scenes]
    owners = [_encoded(Image.fromarray(scene.owner), "PNG", optimize=True) for scene in scenes]
    classes = [_encoded(Image.fromarray(mask), "PNG", optimize=True) for mask in masks]
    return pa.table(
        {
            "image": image_cells(pictures, [f"{path}.jpg" for path in paths]),
            "image_id": pa.array(range(len(scenes)), pa.int64()),
            "width": pa.array([SIDE] * len(scenes), pa.int64()),
            "height": pa.array([SIDE] * len(scenes), pa.int64()),
            "objects": [objects(scene) for scene in scenes],
            "mask": image_cells(classes, [f"{path}-mask.png" for path in paths]),
            "instances": image_cells(owners, [f"{path}-instances.png" for path in paths]),
            "caption": captions,
        }
    )


def _background(scene: Image.Image, generator: random.Random) -> Image.Image:
    side = int(min(scene.size) * (0.5 + 0.5 * generator.random()))
    left = int(generator.random() * (scene.width - side + 1))
    top = int(generator.random() * (scene.height - side + 1))
    cut = scene.crop((left, top, left + side, top + side))
    return cut.resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def _placed(stamp: Stamp, generator: random.Random) -> tuple[Image.Image, int, int]:
    """The stamp at a random size, and where its left upper corner goes."""
    longest = SIDE * (SMALLEST + (LARGEST - SMALLEST) * generator.random())
    scale = longest / max(stamp.picture.size)
    width, height = (max(1, round(side * scale)) for side in stamp.picture.size)
    left = int(generator.random() * (SIDE - width + 1))
    top = int(generator.random() * (SIDE - height + 1))
    return stamp.picture.resize((width, height), Image.Resampling.BILINEAR), left, top


def _first_sentence(text: str) -> str:
    words = text.strip().split(". ")[0].rstrip(".!?").split()
    return " ".join(words[:CAPTION_WORDS])


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
