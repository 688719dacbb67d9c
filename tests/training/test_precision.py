"""Mixed precision: when it is chosen, that operations done another way are the same, that resuming holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.training.world import Listener, recipe, write_base, write_images
from training import inference, precision
from training.cpukernels import CpuKernels
from training.errors import Interrupted
from training.finetune import finetune
from training.recipe import RecipeError, parse_recipe

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' machine may be any: what they decide must not depend on its processor."""
    monkeypatch.setattr(precision, "native_precision", lambda device: "bf16")


def test_auto_takes_bf16_for_large_nets_on_native_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = nn.Linear(10, 10), nn.Linear(1000, 1000)
    assert not precision.choose("auto", CPU, small).mixed
    assert precision.choose("auto", CPU, large).mixed
    assert precision.choose("bf16", CPU, small).mixed
    assert not precision.choose("fp32", CPU, large).mixed
    monkeypatch.setattr(precision, "native_precision", lambda device: "fp32")
    assert not precision.choose("auto", CPU, large).mixed


def test_an_unknown_precision_is_told() -> None:
    plain = recipe().as_dict() | {"precision": "fp16"}
    with pytest.raises(RecipeError, match="precision"):
        parse_recipe(plain)


def test_dropout_has_the_law_of_torch_and_its_gradient() -> None:
    torch.manual_seed(0)
    x = torch.ones(1_000_003, requires_grad=True)
    with CpuKernels():
        y = F.dropout(x, 0.1)
    share = float((y == 0).float().mean())
    # Five standard errors of a million draws.
    assert share == pytest.approx(0.1, abs=5 * 0.0003)
    assert float(y.mean().detach()) == pytest.approx(1.0, abs=2e-3)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())
    # Neighbours fall independently of one another, within a word and across words.
    gone = (y == 0).detach().float() - share
    for lag in (1, 2, 3, 4):
        assert abs(float((gone[:-lag] * gone[lag:]).mean())) < 5e-4


def test_dropout_repeats_by_seed_and_rests_in_evaluation() -> None:
    x, layer = torch.randn(257), nn.Dropout(0.5)
    with CpuKernels():
        masks = []
        for _ in range(2):
            torch.manual_seed(3)
            masks.append(layer(x))
        assert torch.equal(*masks)
        assert not torch.equal(masks[0], layer(x))
        assert torch.equal(layer.eval()(x), x)
        assert torch.equal(F.dropout(x, 1.0), torch.zeros(257))


@pytest.mark.parametrize("kind", ["none", "bool", "added"])
def test_attention_is_that_of_torch(kind: str) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 5, 8, requires_grad=True) for _ in range(3))
    keep = torch.arange(5) < 4
    added = torch.where(keep, 0.0, -1e30).expand(5, 5)
    masks = {"none": None, "bool": keep.expand(2, 1, 5, 5), "added": added}
    expected = F.scaled_dot_product_attention(query, key, value, masks[kind])
    with CpuKernels():
        # So little dropout that a mask drops nothing, yet the road with dropout is taken.
        got = F.scaled_dot_product_attention(query, key, value, masks[kind], dropout_p=1e-6)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_convolution_is_that_of_torch(stride: int) -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv2d(8, 8, 3, stride, 1, groups=8), torch.randn(2, 8, 9, 9)
    expected = layer(x)
    with CpuKernels(), torch.autocast("cpu", dtype=torch.bfloat16):
        got = layer(x)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), expected, rtol=2e-2, atol=2e-2)
    got.float().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32


def test_bf16_learns_what_fp32_learns(tmp_path: Path) -> None:
    base, data = write_base(tmp_path / "base"), write_images(tmp_path / "data")
    ends: dict[str, tuple[float, float]] = {}
    for name in ("fp32", "bf16"):
        listener = Listener()
        place = tmp_path / name
        found = finetune(
            replace(recipe(optim={"epochs": 4}), precision=name),
            base_dir=base,
            data_dir=data,
            work_dir=place,
            reporter=listener,
        )
        ends[name] = (float(found.history[0]["train/loss"]), float(found.history[-1]["train/loss"]))
        assert ("Learning in bf16 products, weights and sums in fp32." in listener.logs) == (name == "bf16")
        weights = load_file(place / "model" / "model.safetensors")
        assert {item.dtype for item in weights.values() if item.is_floating_point()} == {torch.float32}
    assert ends["bf16"] != ends["fp32"]
    assert ends["bf16"] == pytest.approx(ends["fp32"], rel=0.1, abs=0.02)


def test_a_bf16_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    base, data = write_base(tmp_path / "base"), write_images(tmp_path / "data")
    asked = replace(recipe(), precision="bf16")

    def weights(place: Path, listener: Listener) -> dict[str, Tensor]:
        found = finetune(
            asked, base_dir=base, data_dir=data, work_dir=place, reporter=listener, report_seconds=0
        )
        return load_file(found.model_dir / "model.safetensors")

    whole = weights(tmp_path / "whole", Listener())
    with pytest.raises(Interrupted):
        weights(tmp_path / "cut", Listener(stop_at=5, ending=Interrupted()))
    rest = Listener()
    tail = weights(tmp_path / "cut", rest)
    assert any(line.startswith("Resuming after step") for line in rest.logs)
    assert all(torch.equal(whole[name], tail[name]) for name in whole)


def test_this_machine_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    mixed = precision.choose("auto", CPU, nn.Linear(1000, 1000)).mixed
    assert mixed == (inference.native_precision(CPU) == "bf16")
