from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.training.series.world import golden, write_fracast
from training.errors import UserError
from training.series.fracast import Fracast, read_shape
from training.series.nets import InstanceNorm, NetShape, build_net, moving_average
from training.series.published import fracast_net, load_into, read_json

SHAPE = NetShape("nlinear", 32, 4, 3, known=2, past=1, width=16, depth=2, heads=2, patch=8, stride=4)


def inputs(shape: NetShape, batch: int = 5, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*sizes: int) -> Tensor:
        return torch.randn(*sizes, generator=generator)

    return {
        "history": draw(batch, shape.context),
        "observed": torch.ones(batch, shape.context, dtype=torch.bool),
        "past": draw(batch, shape.context, shape.known + shape.past),
        "known": draw(batch, shape.horizon, shape.known),
    }


def tiny_fracast(folder: Path) -> Fracast:
    write_fracast(folder)
    net = fracast_net(folder, 6, (0.1, 0.5, 0.9))
    load_into(net, folder / "model.safetensors")
    return net.eval()


@pytest.mark.parametrize("kind", ["nlinear", "dlinear", "patchtst"])
def test_every_net_learns_from_all_its_inputs(kind: str) -> None:
    torch.manual_seed(0)
    shape = replace(SHAPE, kind=kind)
    net, given = build_net(shape), inputs(shape)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.startswith("covariates."):
                parameter.normal_(0, 0.1)
    given = {
        name: item.requires_grad_() if item.is_floating_point() else item for name, item in given.items()
    }
    output = net(given)
    assert output.shape == (5, 4, 3)
    output.square().sum().backward()
    assert all(bool(item.grad.abs().sum() > 0) for item in given.values() if item.is_floating_point())
    named = {name for stage in net.stages() for name in stage}
    heads = {name for name, _ in net.named_parameters() if name.startswith("head.")}
    assert named | heads == {name for name, _ in net.named_parameters()}
    assert not named & heads


@pytest.mark.parametrize("kind", ["nlinear", "dlinear", "patchtst"])
def test_instance_normalised_nets_follow_the_units(kind: str) -> None:
    torch.manual_seed(0)
    shape = replace(SHAPE, kind=kind, known=0, past=0)
    net, given = build_net(shape).eval(), inputs(shape)
    moved = {**given, "history": given["history"] * 30 + 500}
    assert torch.allclose(net(moved), net(given) * 30 + 500, atol=2e-2)


def test_dlinear_is_trend_and_rest() -> None:
    history = torch.arange(40.0)[None]
    trend = moving_average(history, 5)
    assert torch.allclose(trend[0, 2:-2], history[0, 2:-2])
    assert trend[0, 0] == pytest.approx((0 + 0 + 0 + 1 + 2) / 5)
    net = build_net(replace(SHAPE, kind="dlinear", instance_norm=False, known=0, past=0))
    given = inputs(net.shape)
    with torch.no_grad():
        net.head[1].load_state_dict(net.head[0].state_dict())
    lines = net.head[0](given["history"]) + net.head[0].bias
    assert torch.allclose(net(given).flatten(1), lines, atol=1e-5)


def test_revin_leaves_holes_out_and_comes_back() -> None:
    norm, history = InstanceNorm(), torch.tensor([[1.0, 3.0, 1e6, 5.0]])
    observed = torch.tensor([[True, True, False, True]])
    with torch.no_grad():
        found, scale = norm(history, observed)
    assert float(found[0, observed[0]].mean()) == pytest.approx(0, abs=1e-6)
    assert torch.allclose(norm.restore(found.unsqueeze(2), scale).squeeze(2), history, rtol=1e-5)


def test_unknown_nets_and_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match="no forecasting net of the kind 'lstm'"):
        build_net(replace(SHAPE, kind="lstm"))
    with pytest.raises(UserError, match="The head would have 1,980,000,000 weights"):
        build_net(replace(SHAPE, context=10_000, horizon=2_000, outputs=99))
    with pytest.raises(UserError, match=r"network\.width must be a multiple"):
        build_net(replace(SHAPE, kind="patchtst", heads=3))


def test_fracast_is_the_package_s_to_1e_5(tmp_path: Path) -> None:
    net = tiny_fracast(tmp_path)
    history, forecast = golden()
    assert not bool(torch.isfinite(history).all())
    observed = history.isfinite()
    with torch.inference_mode():
        found = net({"history": history.nan_to_num(), "observed": observed})
    reach = history.nan_to_num().amax(1) - history.nan_to_num(nan=1e9).amin(1)
    assert float(((found - forecast).abs() / reach[:, None, None]).max()) < 1e-5


def test_fracast_from_its_features_is_fracast(tmp_path: Path) -> None:
    net = tiny_fracast(tmp_path)
    given = {"history": golden()[0].nan_to_num(), "observed": golden()[0].isfinite()}
    with torch.inference_mode():
        assert torch.equal(net(given), net.head(net.features(**given)))


def test_fracast_says_something_of_an_empty_history(tmp_path: Path) -> None:
    net = tiny_fracast(tmp_path)
    empty = {"history": torch.zeros(1, 64), "observed": torch.zeros(1, 64, dtype=torch.bool)}
    assert bool(net(empty).isfinite().all())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_model": 10**9}, "model.d_model must be a whole number between 1 and 1,024"),
        ({"head_kind": "mlp"}, "model.head_kind must be 'gather'"),
        ({"quantiles": [0.9, 0.1]}, "model.quantiles must rise"),
        ({"quantiles": [0.5, 3.0]}, "model.quantiles must lie between 0 and 1"),
        ({"ffn_mult": "x"}, "model.ffn_mult and model.periodic_alpha must be numbers"),
    ],
)
def test_a_config_of_another_net_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    config = read_json(write_fracast(tmp_path) / "config.json")
    with pytest.raises(UserError) as caught:
        read_shape({**config, "model": {**config["model"], **change}})
    assert message in caught.value.message
    with pytest.raises(UserError, match="no section 'model'"):
        read_shape({})
