"""What is read as a picture and its mask, and what is refused in which sentence."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.segmentation.world import (
    IGNORED,
    LABELS,
    SIDE,
    cell,
    masked,
    run,
    scenes,
    write_cells,
    write_scenes,
    write_split,
)
from training.errors import UserError
from training.finetune import FinetuneResult
from training.recipe import SegmentationData
from training.reporting import SilentReporter
from training.segmentation.batches import moved
from training.segmentation.loading import load_masks
from training.segmentation.masks import open_mask
from training.segmentation.measuring import stretched
from training.segmentation.reading import declared_labels, read_masks
from training.spec import ModelSpec
from training.tasks import task_kind

DATA = SegmentationData(repo="data")
SPEC = ModelSpec("lraspp", "torchvision", 3, LABELS, image_size=24)
WHERE = "in data/train-00000-of-00001.parquet, row 2"


@pytest.mark.parametrize("layout", ["parquet", "jsonl", "folders", "split-folders"])
def test_every_layout_holds_the_same_pairs(tmp_path: Path, layout: str) -> None:
    pairs = scenes(4)
    write_split(tmp_path, "train", pairs, layout)
    (tmp_path / "classes.txt").write_text("\n".join(LABELS))
    found = read_masks(tmp_path, "train", DATA)
    assert (len(found), found.labels) == (4, LABELS)
    loaded = load_masks(found, [0, 2, 3], SPEC, IGNORED)
    for place, row in enumerate((0, 2, 3)):
        expected = np.asarray(pairs[row][1])
        small = Image.fromarray(expected).resize((24, 24), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(loaded.masks[place], np.asarray(small))
        np.testing.assert_array_equal(loaded.counts[place], np.bincount(expected.ravel(), minlength=256)[:3])
        # All of the picture is there, squeezed: the mean of each channel stays.
        means = np.asarray(pairs[row][0]).mean(axis=(0, 1))
        np.testing.assert_allclose(loaded.pixels[place].float().mean(dim=(1, 2)), means, atol=4)


def test_folders_without_splits_are_the_training_split(tmp_path: Path) -> None:
    write_split(tmp_path / "all", "train", scenes(3), "split-folders")
    (tmp_path / "all" / "train").rename(tmp_path / "data")
    assert len(read_masks(tmp_path / "data", "train", DATA)) == 3
    with pytest.raises(UserError, match="has no split 'test'"):
        read_masks(tmp_path / "data", "test", DATA)


INDICES = np.array([[0, 1, 2, 3]], dtype=np.uint8)


def png(bits: int, packed: bytes) -> bytes:
    """A grey PNG of four pixels with so many bits each, which Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" + packed)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def with_palette() -> Image.Image:
    image = Image.fromarray(INDICES).convert("P")
    image.putpalette([200, 10, 10, 10, 200, 10, 10, 10, 200, 90, 90, 90] + [0] * 756)
    image.putdata(INDICES.ravel().tolist())
    return image


@pytest.mark.parametrize(
    "source",
    [
        encoded(Image.fromarray(INDICES)),
        encoded(with_palette()),
        encoded(with_palette(), bits=2),
        encoded(with_palette(), "GIF"),
        encoded(Image.fromarray(INDICES), "BMP"),
        encoded(Image.fromarray(INDICES), "TIFF"),
        encoded(Image.fromarray(INDICES.astype(np.uint16))),
        # Pillow stretches these to 0..255; the file says 0, 1, 2, 3.
        png(2, bytes([0b00011011])),
        png(4, bytes([0x01, 0x23])),
    ],
)
def test_class_indices_are_read_as_they_were_written(source: bytes) -> None:
    np.testing.assert_array_equal(open_mask(source, "here"), INDICES)


def test_black_and_white_is_two_classes() -> None:
    found = open_mask(png(1, bytes([0b01100000])), "here")
    np.testing.assert_array_equal(found, [[0, 1, 1, 0]])


GREY = Image.new("L", (SIDE, 40), 1)
BROKEN = {
    "of another size": (
        Image.new("L", (SIDE, 39)),
        "data:mask-size",
        f"The mask {WHERE} has 48 × 39 pixels, its picture 48 × 40; they must be the same.",
    ),
    "an index too large": (
        Image.new("L", (SIDE, 40), 3),
        "data:bad-mask",
        f"The mask {WHERE} holds the class index 3; there are 3 classes (0 to 2), and "
        "dataset.ignore_index is 255.",
    ),
    "in colours": (
        Image.new("RGB", (SIDE, 40)),
        "data:broken-mask",
        f"The mask {WHERE} cannot be used: it is a picture in RGB; a mask holds class indices, grey or by "
        "palette.",
    ),
    "a number too large": (
        Image.fromarray(np.full((40, SIDE), 300, dtype=np.uint16)),
        "data:broken-mask",
        f"The mask {WHERE} cannot be used: it holds the value 300; class indices go from 0 to 255.",
    ),
    "no picture": (
        b"not a picture",
        "data:broken-mask",
        f"The mask {WHERE} cannot be used: it cannot be decoded as PNG, BMP, GIF or TIFF.",
    ),
    "lossy": (
        encoded(GREY, "JPEG"),
        "data:broken-mask",
        f"The mask {WHERE} cannot be used: it cannot be decoded as PNG, BMP, GIF or TIFF.",
    ),
    "truncated": (
        encoded(GREY)[:40],
        "data:broken-mask",
        f"The mask {WHERE} cannot be used: it cannot be decoded as PNG, BMP, GIF or TIFF.",
    ),
    "missing": (None, "data:missing-mask", f"There is no mask {WHERE}."),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mask_that_cannot_be_used_is_named(tmp_path: Path, image_net: Path, name: str) -> None:
    mask, message_id, said = BROKEN[name]
    data = _with_second(tmp_path, mask=mask)
    with pytest.raises(UserError) as caught:
        run(masked(), image_net, data, tmp_path / "work")
    assert (caught.value.message_id, caught.value.message) == (message_id, said)


def test_a_picture_that_cannot_be_used_is_named(tmp_path: Path, image_net: Path) -> None:
    data = _with_second(tmp_path, image=b"not a picture")
    with pytest.raises(UserError, match=f"The image {WHERE} cannot be used"):
        run(masked(), image_net, data, tmp_path / "work")


def test_other_mistakes_in_the_data_are_told(tmp_path: Path, image_net: Path) -> None:
    def refused(data: Path, said: str, **sections: Any) -> None:
        with pytest.raises(UserError, match=said):
            run(masked(**sections), image_net, data, tmp_path / "work")

    flat = [(image, Image.new("L", image.size, 1)) for image, _ in scenes(3)]
    one = write_split(tmp_path / "one", "train", flat)
    refused(one, "All pixels of the training masks are of one class, '1'; a net needs at least two")
    void = write_split(
        tmp_path / "void", "train", [(image, Image.new("L", image.size, 255)) for image, _ in flat]
    )
    refused(void, "Every pixel of the training masks is 255, which dataset.ignore_index leaves out")
    refused(one, "has no column 'label'; its columns are: image, mask", dataset={"mask_column": "label"})
    refused(one, "The data set has no split 'fit'", dataset={"train_split": "fit"})
    (one / "id2label.json").write_text('["a", "b", "a"]')
    refused(one, "must have names of their own")
    (one / "id2label.json").write_text('{"0": "a", "2": "b"}')
    refused(one, "id2label.json must be an object such as")
    refused(one, "ignore_index is 1, which is the class 'dog'", dataset=_labels("cat", "dog", ignore=1))


def test_folders_that_do_not_match_are_told(tmp_path: Path) -> None:
    write_split(tmp_path, "train", scenes(3), "folders")
    (tmp_path / "masks" / "train" / "001.png").unlink()
    with pytest.raises(UserError) as caught:
        read_masks(tmp_path, "train", DATA)
    said = "The picture images/train/001.bmp has no mask of the same name in masks/train."
    assert (caught.value.message_id, caught.value.message) == ("data:missing-mask", said)
    (tmp_path / "images" / "train" / "001.bmp").unlink()
    (tmp_path / "images" / "train" / "002.bmp").unlink()
    with pytest.raises(UserError, match=r"The mask masks/train/002\.png has no picture of the same name"):
        read_masks(tmp_path, "train", DATA)
    (tmp_path / "images" / "train" / "000.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"the same name but for its ending: .*000\.bmp and .*000\.png"):
        read_masks(tmp_path, "train", DATA)


def test_masks_outside_of_the_data_set_are_not_opened(tmp_path: Path, image_net: Path) -> None:
    write_split(tmp_path, "train", scenes(2), "jsonl")
    table = tmp_path / "train" / "metadata.jsonl"
    table.write_text(table.read_text().replace("masks/001.png", "../../secret.png"))
    with pytest.raises(UserError, match="must lie inside the data set"):
        run(masked(), image_net, tmp_path, tmp_path / "work")


def test_names_of_classes_come_from_several_places(tmp_path: Path) -> None:
    assert declared_labels(tmp_path) is None
    (tmp_path / "README.md").write_text("---\nid2label:\n  0: sky\n  1: sea\n---\n# Data\n")
    assert declared_labels(tmp_path) == ("sky", "sea")
    (tmp_path / "classes.txt").write_text("ground\nred\n")
    assert declared_labels(tmp_path) == ("ground", "red")
    (tmp_path / "id2label.json").write_text(json.dumps({"0": "a", "1": "b"}))
    assert declared_labels(tmp_path) == ("a", "b")


def test_classes_without_names_are_called_by_their_index(tmp_path: Path, image_net: Path) -> None:
    data = write_split(tmp_path / "data", "train", scenes(12))
    assert run(masked(optim={"epochs": 1}), image_net, data, tmp_path / "work").labels == ["0", "1", "2"]


def test_test_masks_are_matched_by_name(learned: FinetuneResult, squares: Path, tmp_path: Path) -> None:
    """The same pictures with their classes counted in another order give the same numbers."""
    kind = task_kind("semantic-segmentation")
    turned = np.arange(256, dtype=np.uint8)
    turned[:3] = (2, 0, 1)
    pairs = [(image, Image.fromarray(turned[np.asarray(mask)])) for image, mask in scenes(6, 1)]
    data = write_split(tmp_path / "data", "test", pairs)
    names = {"labels": ["red", "blue", "ground"]}

    def report(dataset: dict[str, Any], where: Path) -> Any:
        given = masked(dataset=dataset)
        return kind.evaluate(learned.model_dir, where, "test", recipe=given, reporter=SilentReporter())

    assert report(names, data).as_dict() == report({}, squares).as_dict()
    with pytest.raises(UserError, match="row 1 shows 'green', which the model does not know"):
        report({"labels": ["red", "green", "ground"]}, data)
    with pytest.raises(UserError, match="no class in common"):
        report({"labels": ["x", "y", "z"]}, data)
    with pytest.raises(UserError, match="holds the class index 2; there are 2 classes"):
        report({"labels": ["red", "blue"]}, data)


def test_pictures_and_masks_move_together() -> None:
    """Pixels say their own class: after every draw they must still do."""
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, 3, (16, 8, 8), generator=generator).to(torch.uint8)
    masks = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    images = (masks.float() / 2).unsqueeze(1).expand(-1, 3, -1, -1)
    seen, told = moved(images, masks, generator)
    again = (seen.mean(dim=1) * 2).round().to(torch.uint8)
    # Borders between blocks are blurred, and light changes a little.
    assert float((again == told).float().mean()) > 0.9
    assert not torch.equal(told, masks)
    assert set(told.unique().tolist()) <= {0, 1, 2}
    mirrored = moved(images, masks, torch.Generator().manual_seed(5))[1]
    assert not torch.equal(mirrored, told)


def test_large_maps_are_enlarged_class_by_class(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(1, 5, 7, 9, generator=torch.Generator().manual_seed(0))
    at_once = stretched(logits, 31, 44)
    monkeypatch.setattr("training.segmentation.measuring.MAX_ELEMENTS", 100)
    assert torch.equal(stretched(logits, 31, 44), at_once)


def test_large_data_lies_in_files(
    image_net: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(masked(optim={"epochs": 1}), image_net, squares, tmp_path / "memory")
    monkeypatch.setattr("training.pixels.MEMORY_BYTES", 100)
    found = run(masked(optim={"epochs": 1}), image_net, squares, tmp_path / "files")
    assert found.history == expected.history
    assert not (tmp_path / "files" / "scratch").exists()


def test_a_validation_split_of_its_own(image_net: Path, tmp_path: Path) -> None:
    data = write_scenes(tmp_path / "data", train=8, test=4)
    given = masked(dataset={"validation_split": "test"}, optim={"epochs": 1})
    found = run(given, image_net, data, tmp_path / "work")
    assert "val/mean_iou" in found.metrics
    strange = write_split(tmp_path / "data", "test", [(GREY.convert("RGB"), Image.new("L", GREY.size, 7))])
    with pytest.raises(UserError, match="row 1 holds the class index 7; there are 3 classes"):
        run(given, image_net, strange, tmp_path / "other")


def _with_second(tmp_path: Path, **cells: Any) -> Path:
    """Three rows, the second with another image or mask; None is no cell at all."""
    rows = [{"image": cell(image), "mask": cell(mask)} for image, mask in scenes(3)]
    for name, given in cells.items():
        held = cell(given) if isinstance(given, Image.Image) else {"bytes": given, "path": None}
        rows[1][name] = held
    write_cells(tmp_path / "data", "train", rows)
    (tmp_path / "data" / "id2label.json").write_text(json.dumps(dict(enumerate(LABELS))))
    return tmp_path / "data"


def _labels(*names: str, ignore: int) -> dict[str, Any]:
    return {"labels": list(names), "ignore_index": ignore}
