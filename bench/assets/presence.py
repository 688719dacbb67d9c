"""Which kinds of things a picture shows: Tux Paint's composites as pictures with any number of labels."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from PIL import Image

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.composites import (
    CATEGORIES,
    IMAGES,
    MOST_OBJECTS,
    SCENES,
    SIDE,
    STAMPS,
    Scene,
    by_words,
    compose,
    read_stamps,
)
from bench.assets.writing import image_cells, write_dataset


def tuxpaint(folder: Path, take: Take) -> None:
    """The very scenes of `tuxpaint-detection`, the kinds of their objects in place of boxes and masks."""
    stamps = read_stamps(take("tuxpaint-stamps-default") / STAMPS)
    pictures = take("scikit-image") / "skimage/data"
    tables = {}
    for split, chosen in by_words(stamps).items():
        scenes = [Image.open(pictures / name).convert("RGB") for name in SCENES[split]]
        generator = random.Random(f"tuxpaint-{split}-0")
        made = [compose([stamps[i] for i in chosen], scenes, generator) for _ in range(IMAGES[split])]
        tables[split] = table(made, split)
    card = Card(
        title="Tux Paint composites: what stands in the picture",
        license="gpl-2.0",
        license_note="Stamps GPL-2 as a whole; pictures of scikit-image BSD-3-Clause, mostly CC0.",
        packages=["tuxpaint-stamps-default", "scikit-image"],
        tasks=["image-classification"],
        about=f"The pictures of `tuxpaint-detection`, {SIDE} × {SIDE} pixels with 1 to {MOST_OBJECTS} "
        f"objects. Labels are the kinds that occur, of {', '.join(CATEGORIES)}: one of them or several.",
        splits="Cut-outs are parted by a hash of seed 0, 70 : 10 : 20, equal descriptions together: "
        "objects of the test were never seen. The backgrounds of `test` are other pictures than those of "
        "`train`.",
        columns={"labels": "**target**: the kinds of objects in the picture, in the order of the list above"},
        semi_synthetic="The objects are real cut-outs, photos and drawings mixed, the scenes are not: size, "
        "place and neighbours are drawn at random. Figures on it say nothing about photos.",
    )
    write_dataset(folder, card, tables)


def kinds(scene: Scene) -> list[str]:
    """The categories of what can be seen in a scene, each once, in the order of `CATEGORIES`."""
    there = {stamp.category for stamp in scene.stamps}
    return [name for index, name in enumerate(CATEGORIES) if index in there]


def table(scenes: Sequence[Scene], split: str) -> pa.Table:
    """`image` and `labels`, a row a scene; the pictures are encoded as in `tuxpaint-detection`."""
    paths = [f"{split}-{index:05}.jpg" for index in range(len(scenes))]
    labels = pa.array([kinds(scene) for scene in scenes], pa.list_(pa.string()))
    return pa.table(
        {"image": image_cells([_jpeg(scene.picture) for scene in scenes], paths), "labels": labels}
    )


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()
