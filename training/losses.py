"""What a run minimises: every loss is the mean over the batch, so that micro-batches add up to the whole.

Weights of classes are not divided out again (torch's own mean does that): a batch cut in two then gives the
gradient it gives in one piece. Weights whose mean over the training rows is 1 leave the scale as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]

# Targets of this value do not count: padding, and the pieces of a word after its first.
IGNORED = -100
# A power below 1 is infinitely steep at 0, and infinity times the zero beside it is no number.
TINY = torch.finfo(torch.float32).tiny


def cross_entropy(
    logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Softmax cross-entropy of logits [..., C]; targets are classes [...] or shares of classes [..., C].

    `smoothing` is the share of every target spread over all classes (Szegedy et al. 2016); `weights` [C]
    multiply each class's part. The mean is over all targets that are not `IGNORED`.
    """
    logits, targets, counted = _flat(logits, targets)
    weights = None if weights is None else weights.to(logits)
    summed = F.cross_entropy(
        logits, targets, weight=weights, label_smoothing=smoothing, ignore_index=IGNORED, reduction="sum"
    )
    return summed / counted


def focal(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma: float = 2.0,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean of -w_c (1 - p_c)^gamma log p_c over the true classes c (Lin et al. 2017, with softmax).

    Shapes and `smoothing` as in `cross_entropy`, which it equals at gamma 0; `weights` [C] are the paper's
    alpha. A soft target counts each class by its share.
    """
    logits, targets, counted = _flat(logits, targets)
    logs = torch.log_softmax(logits, dim=1)
    shares = _shares(targets, logits.shape[1], smoothing)
    if weights is not None:
        shares = shares * weights.to(logits)
    # 1 - p by expm1: for p near 1 the difference itself would be lost in rounding.
    return -(shares * (-torch.expm1(logs)).clamp_min(TINY).pow(gamma) * logs).sum() / counted


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Sigmoid cross-entropy, mean over all labels; logits and targets (0..1) of one shape [B, ...].

    `smoothing` draws targets towards 1/2; `weights` [C] multiply the part of the positives.
    """
    goals = targets.to(logits.dtype) * (1 - smoothing) + smoothing / 2
    positive = None if weights is None else weights.to(logits)
    return F.binary_cross_entropy_with_logits(logits.float(), goals.float(), pos_weight=positive)


def binary_focal(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma: float = 2.0,
    alpha: float | None = 0.25,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean of -alpha_t (1 - p_t)^gamma log p_t (Lin et al. 2017); shapes as in `binary_cross_entropy`.

    `alpha` is the weight of the positives, 1 - alpha that of the negatives; None weighs both 1. `weights`
    [C] multiply the part of each label's positives.
    """
    logits, goals = logits.float(), targets.float()
    entropy = F.binary_cross_entropy_with_logits(logits, goals, reduction="none")
    p = torch.sigmoid(logits)
    missed = p * (1 - goals) + (1 - p) * goals
    loss = entropy * missed.clamp_min(TINY).pow(gamma)
    if alpha is not None:
        loss = loss * (alpha * goals + (1 - alpha) * (1 - goals))
    if weights is not None:
        loss = loss * (weights.to(logits) * goals + 1 - goals)
    return loss.mean()


def squared(output: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error; output and targets of one shape."""
    return F.mse_loss(output.float(), _like(targets, output))


def absolute(output: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute error; its minimum is the median. Output and targets of one shape."""
    return F.l1_loss(output.float(), _like(targets, output))


def huber(output: Tensor, targets: Tensor, *, delta: float = 1.0) -> Tensor:
    """e²/2 up to |e| = delta, delta (|e| - delta/2) beyond (Huber 1964); output and targets of one shape."""
    return F.huber_loss(output.float(), _like(targets, output), delta=delta)


def quantile(output: Tensor, targets: Tensor, *, levels: Sequence[float]) -> Tensor:
    """Pinball loss max(q e, (q - 1) e) with e = target - output (Koenker & Bassett 1978), mean over all.

    output [..., Q] holds one column for each of `levels` (between 0 and 1), targets [...] one value.
    """
    q = torch.tensor(levels, device=output.device, dtype=torch.float32)
    error = targets.to(output.device).float().unsqueeze(-1) - output.float()
    return torch.maximum(q * error, (q - 1) * error).mean()


def make_loss(
    kind: str,
    *,
    gamma: float = 2.0,
    alpha: float | None = 0.25,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
    delta: float = 1.0,
    levels: Sequence[float] = (0.1, 0.5, 0.9),
) -> Loss:
    """The loss of a recipe's `loss.kind` as a function of output and targets. Raises KeyError for others."""
    makers: dict[str, Loss] = {
        "cross-entropy": partial(cross_entropy, smoothing=smoothing, weights=weights),
        "focal": partial(focal, gamma=gamma, smoothing=smoothing, weights=weights),
        "binary-cross-entropy": partial(binary_cross_entropy, smoothing=smoothing, weights=weights),
        "binary-focal": partial(binary_focal, gamma=gamma, alpha=alpha, weights=weights),
        "mse": squared,
        "mae": absolute,
        "huber": partial(huber, delta=delta),
        "quantile": partial(quantile, levels=tuple(levels)),
    }
    return makers[kind]


def _flat(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor | int]:
    """fp32 logits [N, C], targets [N] or [N, C], and how many of them count."""
    classes = logits.shape[-1]
    soft = targets.is_floating_point()
    flat = logits.reshape(-1, classes).float()
    if soft:
        return flat, targets.reshape(-1, classes).float(), max(1, len(flat))
    targets = targets.reshape(-1)
    return flat, targets, (targets != IGNORED).sum().clamp_min(1)


def _shares(targets: Tensor, classes: int, smoothing: float) -> Tensor:
    """Every target as shares of the classes [N, C]; nothing for those that do not count."""
    if targets.is_floating_point():
        return targets * (1 - smoothing) + smoothing / classes
    counts = (targets != IGNORED).unsqueeze(1)
    hot = F.one_hot(targets.clamp_min(0), classes).float() * (1 - smoothing) + smoothing / classes
    return hot * counts


def _like(targets: Tensor, output: Tensor) -> Tensor:
    """fp32 targets in the output's own shape: [B] beside [B, 1] would broadcast to a square in silence."""
    return targets.to(output.device).float().reshape(output.shape)
