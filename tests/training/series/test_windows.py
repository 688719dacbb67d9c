from __future__ import annotations

from dataclasses import replace
from math import gcd
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.series.world import lines, wave, write_csv
from training.errors import UserError
from training.series.reading import Panel, read_panel
from training.series.rows import Columns
from training.series.windows import (
    Scaler,
    Windows,
    cut,
    fit_scaler,
    make_windows,
    rolling_stride,
    scaler_for,
)


def panel_of(folder: Path, values: np.ndarray, fill_limit: int = 2) -> Panel:
    write_csv(folder, "train", lines(values))
    return read_panel(folder, "train", Columns("timestamp", ("value",)), fill_limit=fill_limit)


def everything(windows: Windows) -> torch.Tensor:
    return torch.arange(len(windows))


def test_windows_are_the_slices_they_say(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, np.arange(30.0) + 1)
    windows = make_windows(panel, 8, 3, stride=4)
    history, observed = windows.history(everything(windows))
    future, measured = windows.future(everything(windows))
    assert history[0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert future[0].tolist() == [9, 10, 11]
    assert history[1, 0] == 5
    assert len(windows) == 5
    assert bool(observed.all())
    assert bool(measured.all())


def test_no_horizon_to_learn_from_reaches_into_what_is_held_out(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, np.arange(100.0))
    border = cut(panel, 0.2)
    learnt = make_windows(panel, 10, 5, last=border)
    held = make_windows(panel, 10, 5, first=border, stride=5)
    assert float(learnt.future(everything(learnt))[0].max()) == 79
    assert float(held.future(everything(held))[0].min()) == 80
    assert float(held.history(everything(held))[0].min()) == 70


def test_all_windows_share_one_tensor(tmp_path: Path) -> None:
    windows = make_windows(panel_of(tmp_path, wave(200)), 24, 6)
    thinned = windows.thin(10)
    assert len(thinned) == 10
    assert thinned.flat.data_ptr() == windows.flat.data_ptr()
    assert thinned.origins[0] == windows.origins[0]
    assert thinned.origins[-1] == windows.origins[-1]
    assert windows.flat.untyped_storage().nbytes() == 200 * 4


def test_holes_leave_windows_out_unless_the_net_is_told(tmp_path: Path) -> None:
    values = wave(60)
    values[20:26] = np.nan
    panel = panel_of(tmp_path, values)
    strict, padded = make_windows(panel, 12, 3), make_windows(panel, 12, 3, padded=True)
    inside = strict.history(everything(strict))
    assert all(not 22 <= int(origin) - 1 < 38 - 1 or int(origin) <= 22 for origin in strict.origins)
    assert len(padded) > len(strict)
    assert not bool(padded.history(everything(padded))[1].all())
    assert bool(torch.isfinite(inside[0]).all())
    # Horizons that nobody measured teach nothing.
    assert 21 not in padded.origins.tolist()
    assert 21 not in strict.origins.tolist()


def test_a_short_past_is_padded_and_masked(tmp_path: Path) -> None:
    windows = make_windows(panel_of(tmp_path, np.arange(40.0) + 1), 32, 4, padded=True)
    history, observed = windows.history(torch.tensor([0]))
    assert windows.origins[0] == 16
    assert history[0].tolist() == [0.0] * 16 + [float(step) for step in range(1, 17)]
    assert observed[0].tolist() == [False] * 16 + [True] * 16


def test_scales_come_from_the_part_to_learn_from_alone(tmp_path: Path) -> None:
    values = np.concatenate([np.tile([1.0, 3.0], 20), np.full(10, 1e6)])
    scaler = fit_scaler(panel_of(tmp_path, values), 1, [40])
    assert (float(scaler.mean), float(scaler.std), float(scaler.naive)) == (2.0, 1.0, 2.0)
    assert torch.equal(Scaler.from_dict(scaler.as_dict()).mean, scaler.mean)


def test_a_constant_series_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no two different values"):
        fit_scaler(panel_of(tmp_path, np.full(20, 7.0)), 1)


def test_new_series_bring_their_own_scale(tmp_path: Path) -> None:
    known = fit_scaler(panel_of(tmp_path / "a", wave(50)), 1)
    panel = replace(panel_of(tmp_path / "b", wave(50, level=900.0)), names=["new"])
    found = scaler_for(known, ["x", "y"], panel, 1, strict=False)
    assert 850 < float(found.mean) < 1000
    with pytest.raises(UserError, match="never saw the series 'new'"):
        scaler_for(known, ["x", "y"], panel, 1, strict=True)


@pytest.mark.parametrize(("horizon", "season"), [(48, 168), (24, 24), (6, 24), (5, 1)])
def test_rolling_origins_go_through_the_season(horizon: int, season: int) -> None:
    stride = rolling_stride(horizon, season)
    assert stride >= horizon
    assert gcd(stride, season) == 1
