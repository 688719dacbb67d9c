"""How much memory a model's weights take at least, by the names and sizes of its files."""

from __future__ import annotations

import pytest

from models_app.content.card_facts import tags_of, weights_bytes


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], None),
        ([("README.md", 10), ("tokenizer.json", 99)], None),
        ([("model.safetensors", 100)], 100),
        (
            [("model-1-of-2.safetensors", 60), ("model-2-of-2.safetensors", 50), ("pytorch_model.bin", 100)],
            110,
        ),
        ([("q4.gguf", 40), ("q8.gguf", 80)], 80),
        ([("MODEL.ONNX", 7), ("optimizer.bin", 900), ("sub/training_args.bin", 900)], 7),
        ([("safetensors", 5), ("a.b/c", 5)], None),
    ],
)
def test_one_copy_of_the_weights_counts(files: list[tuple[str, int]], expected: int | None) -> None:
    assert weights_bytes(files) == expected


def test_datasets_tell_their_formats() -> None:
    paths = ["data/train.parquet", "README.md", "a/1.PNG", "a/2.png", ".gitattributes", "d.csv/noending"]
    found = tags_of({}, "", "dataset", paths, library="", pipeline="")
    assert sorted(value for kind, value in found if kind == "format") == ["images", "parquet"]
