from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from training import losses

WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 0.25])


def batch(rows: int = 12, classes: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(rows, classes, generator=generator)
    return logits, torch.randint(classes, (rows,), generator=generator)


def soft(targets: Tensor) -> Tensor:
    """Every target mixed with its neighbour, as mixup does."""
    hot = F.one_hot(targets, 4).float()
    return 0.7 * hot + 0.3 * hot.roll(1, 0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs_own(smoothing: float) -> None:
    logits, targets = batch()
    for goal in (targets, soft(targets)):
        ours = losses.cross_entropy(logits, goal, smoothing=smoothing)
        torch.testing.assert_close(ours, F.cross_entropy(logits, goal, label_smoothing=smoothing))


def test_weights_of_classes_are_not_divided_out() -> None:
    logits, targets = batch()
    ours = losses.cross_entropy(logits, targets, weights=WEIGHTS)
    each = F.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(ours, (each * WEIGHTS[targets]).mean())
    # Torch divides by the weights of the batch instead: equal once those have the mean 1.
    theirs = F.cross_entropy(logits, targets, weight=WEIGHTS)
    torch.testing.assert_close(ours, theirs * WEIGHTS[targets].mean())


@pytest.mark.parametrize("kind", ["cross-entropy", "focal"])
def test_a_batch_in_two_pieces_is_the_batch_in_one(kind: str) -> None:
    logits, targets = batch()
    loss = losses.make_loss(kind, weights=WEIGHTS, smoothing=0.1)
    halves = [loss(logits[:6], targets[:6]), loss(logits[6:], targets[6:])]
    torch.testing.assert_close((halves[0] + halves[1]) / 2, loss(logits, targets))


def test_focal_is_its_formula() -> None:
    logits, targets = batch()
    p = torch.softmax(logits, dim=1)[torch.arange(12), targets]
    expected = (-WEIGHTS[targets] * (1 - p) ** 1.5 * p.log()).mean()
    torch.testing.assert_close(losses.focal(logits, targets, gamma=1.5, weights=WEIGHTS), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_focal_without_gamma_is_cross_entropy(smoothing: float, weights: Tensor | None) -> None:
    logits, targets = batch()
    for goal in (targets, soft(targets)):
        plain = losses.cross_entropy(logits, goal, smoothing=smoothing, weights=weights)
        torch.testing.assert_close(
            losses.focal(logits, goal, gamma=0.0, smoothing=smoothing, weights=weights), plain
        )


def test_focal_has_finite_gradients_where_it_is_sure() -> None:
    logits = torch.tensor([[60.0, -60.0], [-60.0, 60.0]], requires_grad=True)
    for gamma in (0.0, 0.5, 2.0):
        (gradient,) = torch.autograd.grad(losses.focal(logits, torch.tensor([0, 0]), gamma=gamma), logits)
        assert torch.isfinite(gradient).all(), gamma


def test_binary_focal_has_finite_gradients_where_it_is_sure() -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    for gamma in (0.0, 0.5, 2.0):
        loss = losses.make_loss("binary-focal", gamma=gamma)(logits, targets)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(gradient).all(), gamma


@pytest.mark.parametrize("kind", ["cross-entropy", "focal"])
def test_ignored_targets_do_not_count(kind: str) -> None:
    logits, targets = batch()
    loss = losses.make_loss(kind, smoothing=0.1)
    padded = targets.clone().reshape(3, 4)
    padded[:, 2:] = losses.IGNORED
    ours = loss(logits.reshape(3, 4, 4), padded)
    kept = padded.reshape(-1) != losses.IGNORED
    torch.testing.assert_close(ours, loss(logits[kept], targets[kept]))
    nothing = loss(logits, torch.full_like(targets, losses.IGNORED))
    assert float(nothing) == 0.0


@pytest.mark.parametrize("alpha", [0.25, None])
def test_binary_focal_is_torchvisions(alpha: float | None) -> None:
    logits, _ = batch()
    goals = (torch.rand(12, 4, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    ours = losses.binary_focal(logits, goals, gamma=2.0, alpha=alpha)
    theirs = sigmoid_focal_loss(logits, goals, alpha=-1 if alpha is None else alpha, reduction="mean")
    torch.testing.assert_close(ours, theirs)
    parts = sigmoid_focal_loss(logits, goals, alpha=-1)
    weighed = losses.binary_focal(logits, goals, alpha=None, weights=WEIGHTS)
    torch.testing.assert_close(weighed, torch.where(goals > 0, WEIGHTS * parts, parts).mean())


def test_binary_cross_entropy_weighs_and_smooths() -> None:
    logits, _ = batch()
    goals = (torch.rand(12, 4, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    p = torch.sigmoid(logits)
    parts = WEIGHTS * goals * p.log() + (1 - goals) * (1 - p).log()
    torch.testing.assert_close(losses.binary_cross_entropy(logits, goals, weights=WEIGHTS), -parts.mean())
    smooth = 0.9 * goals + 0.05
    theirs = F.binary_cross_entropy_with_logits(logits, smooth)
    torch.testing.assert_close(losses.binary_cross_entropy(logits, goals, smoothing=0.1), theirs)


def test_losses_of_numbers_are_torchs_own() -> None:
    output, targets = batch(12, 1)
    goals = targets.float() + torch.linspace(-4, 4, 12)
    flat = output.reshape(-1)
    torch.testing.assert_close(losses.squared(output, goals), F.mse_loss(flat, goals))
    torch.testing.assert_close(losses.absolute(output, goals), F.l1_loss(flat, goals))
    for delta in (0.5, 2.0):
        error = (flat - goals).abs()
        by_hand = torch.where(error <= delta, error**2 / 2, delta * (error - delta / 2)).mean()
        torch.testing.assert_close(losses.huber(output, goals, delta=delta), by_hand)


def test_quantile_is_scikit_learns_pinball() -> None:
    from sklearn.metrics import mean_pinball_loss

    output, _ = batch(12, 3)
    goals = torch.linspace(-4, 4, 12)
    levels = (0.1, 0.5, 0.9)
    theirs = [mean_pinball_loss(goals, output[:, i], alpha=level) for i, level in enumerate(levels)]
    ours = losses.quantile(output, goals, levels=levels)
    assert float(ours) == pytest.approx(sum(theirs) / 3, rel=1e-5)
    # At the median it is half the absolute error.
    middle = losses.quantile(output[:, 1:2], goals, levels=(0.5,))
    torch.testing.assert_close(2 * middle, losses.absolute(output[:, 1], goals))


def test_the_minimum_of_a_quantile_loss_is_the_quantile() -> None:
    values = torch.randn(2000, generator=torch.Generator().manual_seed(0))
    guesses = torch.linspace(-3, 3, 601)
    found = [losses.quantile(guess.expand(2000, 1), values, levels=(0.9,)) for guess in guesses]
    best = guesses[int(torch.stack(found).argmin())]
    assert float(best) == pytest.approx(float(values.quantile(0.9)), abs=0.02)


def test_an_unknown_loss_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        losses.make_loss("hinge")
