from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from training import mixing


def batch(count: int = 8) -> tuple[Tensor, Tensor]:
    """Every image is of one value, its row's number, so that a pixel tells where it came from."""
    images = torch.arange(count).float().reshape(-1, 1, 1, 1).expand(-1, 3, 20, 30).clone()
    return images, torch.arange(count)


def test_mixup_blends_images_and_targets_in_one_share() -> None:
    images, targets = batch()
    for seed in range(20):
        mixed, goals = mixing.mix(
            "mixup", images, targets, torch.Generator().manual_seed(seed), alpha=0.4, classes=8
        )
        assert goals.shape == (8, 8)
        torch.testing.assert_close(goals.sum(1), torch.ones(8))
        # Image and class are the same number: the blend of one is the mean of the other.
        torch.testing.assert_close(mixed[:, 0, 0, 0], goals @ torch.arange(8.0))
        assert int((goals > 0).sum(1).max()) <= 2


def test_cutmix_counts_pixels() -> None:
    images, targets = batch()
    changed = 0
    for seed in range(20):
        mixed, goals = mixing.mix(
            "cutmix", images, targets, torch.Generator().manual_seed(seed), alpha=1.0, classes=8
        )
        found = torch.stack([(mixed[:, 0] == value).float().mean((1, 2)) for value in range(8)], dim=1)
        torch.testing.assert_close(goals, found)
        changed += not torch.equal(mixed, images)
    assert changed > 15


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_given_the_same_draws_it_is_torchvisions(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(8, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(8)
    rolled = torch.arange(8).roll(1)
    transform = {"mixup": v2.MixUp, "cutmix": v2.CutMix}[kind](num_classes=8, alpha=1.0)
    torch.manual_seed(3)
    parameters = transform.make_params([images]) | {"labels": targets, "batch_size": 8}
    theirs = [transform.transform(item, parameters) for item in (images, targets)]
    monkeypatch.setattr(torch, "randperm", lambda *args, **more: rolled)
    if kind == "mixup":
        monkeypatch.setattr(mixing, "beta_sample", lambda *args: parameters["lam"])
    else:
        x1, y1, x2, y2 = parameters["box"]
        monkeypatch.setattr(mixing, "draw_box", lambda *args: (slice(y1, y2), slice(x1, x2)))
    ours = mixing.mix(kind, images, targets, torch.Generator(), alpha=1.0, classes=8)
    for one, two in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, two)


def test_boxes_have_the_area_of_their_share() -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = []
    for _ in range(300):
        rows, columns = mixing.draw_box(200, 100, 0.75, generator)
        assert 0 <= rows.start <= rows.stop <= 200
        assert 0 <= columns.start <= columns.stop <= 100
        sizes.append((rows.stop - rows.start) * (columns.stop - columns.start) / 20_000)
    assert max(sizes) == pytest.approx(0.25, abs=0.01)
    assert min(sizes) < 0.15


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_beta_distributed(alpha: float) -> None:
    generator = torch.Generator().manual_seed(0)
    draws = torch.tensor([mixing.beta_sample(alpha, generator) for _ in range(3000)])
    assert float(draws.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(draws.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_numbers_are_blended_as_they_are() -> None:
    images, targets = batch()
    values = targets.float() * 10
    mixed, goals = mixing.mix(
        "mixup", images, values, torch.Generator().manual_seed(1), alpha=0.4, classes=None
    )
    torch.testing.assert_close(goals, 10 * mixed[:, 0, 0, 0])


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_the_generator_decides_and_nothing_else(kind: str) -> None:
    images, targets = batch()

    def blend(seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return mixing.mix(kind, images, targets, generator, alpha=1.0, classes=8)

    first = blend(5)
    torch.manual_seed(1)
    second, third = blend(5), blend(6)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], third[0])


def test_without_mixing_targets_are_shares_all_the_same() -> None:
    images, targets = batch()
    kept, goals = mixing.mix("none", images, targets, torch.Generator(), alpha=1.0, classes=8)
    assert kept is images
    assert torch.equal(goals, torch.eye(8))
