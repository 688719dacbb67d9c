from __future__ import annotations

import numpy as np
import torch

from training.detection.examples import MapRows, Objects, PictureRows, light

CPU = torch.device("cpu")


def a_block(
    left: int, top: int, right: int, bottom: int, side: int = 96
) -> tuple[torch.Tensor, torch.Tensor]:
    """A white block on black, and its box in shares of the side."""
    image = torch.zeros(1, 3, side, side)
    image[:, :, top:bottom, left:right] = 1
    return image, torch.tensor([[left, top, right, bottom]]) / side


def test_boxes_move_with_their_pixels() -> None:
    image, box = a_block(40, 30, 62, 47)
    truth = [{"boxes": box, "labels": torch.tensor([2])}]
    mirrored = 0
    for seed in range(12):
        moved, (found,) = light(image, truth, torch.Generator().manual_seed(seed))
        rows, columns = (moved[0, 0] > 0.5 * float(moved.max())).nonzero().T
        seen = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 96
        torch.testing.assert_close(found["boxes"][0], seen, rtol=0, atol=1.2 / 96)
        assert found["labels"].tolist() == [2]
        mirrored += int(float(found["boxes"][0, [0, 2]].mean()) < 0.5)
        again, _ = light(image, truth, torch.Generator().manual_seed(seed))
        assert torch.equal(again, moved)
    assert 0 < mirrored < 12


def test_what_is_mostly_cut_off_is_no_object_any_more() -> None:
    image, box = a_block(0, 0, 6, 96)
    both = torch.cat([box, torch.tensor([[0.3, 0.3, 0.7, 0.7]])])
    truth = [{"boxes": both, "labels": torch.tensor([0, 1])}]
    kept = [light(image, truth, torch.Generator().manual_seed(seed))[1][0] for seed in range(12)]
    labels = [one["labels"].tolist() for one in kept]
    assert all(1 in one for one in labels)
    assert [1] in labels
    assert [0, 1] in labels
    for one in kept:
        assert bool(((one["boxes"] >= 0) & (one["boxes"] <= 1)).all())


def test_batches_hold_pictures_or_maps_and_their_objects() -> None:
    objects = Objects.of(
        [np.zeros((0, 4)), np.array([[0.1, 0.2, 0.5, 0.6]])], [np.zeros(0, int), np.array([3])]
    )
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    rows = PictureRows(pixels, objects, "light")
    inputs, truth = rows.take(torch.tensor([1, 0]), CPU)
    torch.testing.assert_close(inputs["images"], pixels[[1, 0]].float() / 255)
    assert [len(one["labels"]) for one in truth] == [1, 0]
    assert not torch.equal(rows.take(torch.tensor([1]), CPU, seed=1)[0]["images"][0], inputs["images"][0])
    maps = MapRows({"0": torch.arange(8.0).reshape(2, 4)}, objects)
    assert maps.take(torch.tensor([1]), CPU, seed=1)[0]["maps"]["0"].tolist() == [[4, 5, 6, 7]]
    assert maps.fingerprint() == rows.fingerprint()
    other = Objects(objects.boxes, [objects.labels[0], torch.tensor([2])])
    assert other.fingerprint() != objects.fingerprint()
