from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.series.world import wave
from training.errors import UserError
from training.series import baselines


def test_the_plain_ones_by_hand() -> None:
    past = torch.tensor([[1.0, 2.0, 6.0, 7.0]])
    assert baselines.naive(past, 2).tolist() == [[7, 7]]
    assert baselines.seasonal_naive(past, 5, 3).tolist() == [[2, 6, 7, 2, 6]]
    assert baselines.drift(past, 2).tolist() == [[9, 11]]
    assert baselines.mean(past, 2).tolist() == [[4, 4]]
    with pytest.raises(UserError, match="shorter than the season"):
        baselines.seasonal_naive(past, 1, 24)


def test_ridge_finds_a_linear_law_and_keeps_its_units() -> None:
    values = torch.from_numpy(wave(600)).float()
    pieces = values.unfold(0, 54, 1)
    past, future = pieces[:, :48], pieces[:, 48:]
    for scale in (1.0, 1e6):
        fitted = baselines.fit_autoregression(scale * past[:400], scale * future[:400])
        error = (fitted(scale * past[450:]) - scale * future[450:]).abs().mean() / scale
        assert error < 1.5 < (baselines.naive(past[450:], 6) - future[450:]).abs().mean()


def test_ridge_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import Ridge

    generator = np.random.default_rng(0)
    past, future = generator.normal(size=(80, 5)), generator.normal(size=(80, 2))
    fitted = baselines.fit_autoregression(torch.tensor(past), torch.tensor(future), penalties=(0.5,))
    level = past.mean(1, keepdims=True)
    scale = 0.5 * ((past - level) ** 2).sum(0).mean()
    theirs = Ridge(scale, fit_intercept=False).fit(past - level, future - level)
    assert np.allclose(fitted.weights.numpy(), theirs.coef_.T, atol=1e-9)
