from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.autoaugment import RandAugment, _apply_op

from training import randaugment


def pixels(count: int = 6, height: int = 24, width: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 200, (count, 3, height, width), generator=generator)
    return (noise + torch.linspace(0, 55, width)).to(torch.uint8)


@pytest.mark.parametrize("magnitude", [0, 5, 9, 30])
@pytest.mark.parametrize("size", [(24, 32), (224, 224)])
def test_operations_and_strengths_are_torchvisions(magnitude: int, size: tuple[int, int]) -> None:
    space = RandAugment()._augmentation_space(randaugment.BINS, size)
    assert tuple(space) == randaugment.OPERATIONS
    for name, (strengths, signed) in space.items():
        expected = float(strengths[magnitude]) if strengths.ndim else 0.0
        assert randaugment._strength(name, magnitude, *size) == pytest.approx(expected, rel=1e-6), name
        assert (name in randaugment.SIGNED) == signed


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", randaugment.OPERATIONS)
def test_an_operation_on_a_batch_is_torchvisions_on_each_image(name: str, sign: float) -> None:
    if sign < 0 and name not in randaugment.SIGNED:
        sign = 1.0
    given = pixels()
    strength = sign * randaugment._strength(name, 9, 24, 32)
    together = randaugment.apply(name, given, strength)
    for image, ours in zip(given, together, strict=True):
        theirs = _apply_op(image, name, strength, InterpolationMode.BILINEAR, None)
        assert torch.equal(ours, theirs), name


def test_every_image_draws_its_own_operations_from_the_generator() -> None:
    given = pixels(1).expand(64, -1, -1, -1)
    kept = given.clone()
    found = randaugment.randaugment(given, torch.Generator().manual_seed(1))
    torch.manual_seed(9)
    again = randaugment.randaugment(given, torch.Generator().manual_seed(1))
    other = randaugment.randaugment(given, torch.Generator().manual_seed(2))
    assert torch.equal(found, again)
    assert not torch.equal(found, other)
    assert torch.equal(given, kept)
    assert found.dtype == torch.uint8
    assert found.shape == given.shape
    assert len({tuple(image.flatten().tolist()) for image in found}) > 30


def test_all_operations_are_drawn_equally_often(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: dict[str, int] = {}
    signs: dict[bool, int] = {}

    def count(name: str, chosen: Tensor, strength: float) -> Tensor:
        counts[name] = counts.get(name, 0) + len(chosen)
        if name in randaugment.SIGNED:
            signs[strength > 0] = signs.get(strength > 0, 0) + len(chosen)
        return chosen

    monkeypatch.setattr(randaugment, "apply", count)
    randaugment.randaugment(pixels(1).expand(1400, -1, -1, -1), torch.Generator().manual_seed(0))
    assert set(counts) == set(randaugment.OPERATIONS) - {"Identity"}
    assert all(abs(found - 200) < 60 for found in counts.values())
    assert abs(signs[True] - signs[False]) < 150
