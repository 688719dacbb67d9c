"""The fused body says what the plain body says, for every kind of network, or gives way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from training import fusion, inference
from training.inference import disagreement, fast_body, plain_body

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


class Shared(nn.Module):
    """Every hazard of fusing in place: an output read by three others, added, kept to the end."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.a = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.norm_a = nn.BatchNorm2d(16)
        self.b = nn.Conv2d(16, 16, 1)
        self.c = nn.Conv2d(16, 16, 3, padding=1, groups=4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        root = self.stem(images)
        first = self.norm_a(self.a(root))
        late = self.b(root)
        first += root
        first = self.relu(first)
        second = self.c(first) + late
        return second * root + first.flatten(1).mean(dim=1).reshape(-1, 1, 1, 1)


class Attention(nn.Module):
    """Patches, layer-norm, attention, an MLP with GELU: what a vision transformer is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 8, stride=8)
        self.norm = nn.LayerNorm(32)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32, bias=False))

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        return (tokens + self.mlp(tokens)).mean(dim=1)


def mixed_activations() -> nn.Module:
    layers: list[nn.Module] = []
    width = 3
    for activation in (
        nn.ReLU(), nn.ReLU6(), nn.SiLU(), nn.Hardswish(), nn.Sigmoid(), nn.Hardsigmoid(), nn.Tanh(),
        nn.Hardtanh(-0.5, 0.25), nn.GELU(), nn.LeakyReLU(0.1), nn.ReLU(inplace=True),
    ):  # fmt: skip
        layers += [nn.Conv2d(width, 8, 3, padding=1), nn.BatchNorm2d(8), activation]
        width = 8
    return nn.Sequential(*layers)


def torchvision_model(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        vision = pytest.importorskip("torchvision")
        model = vision.models.get_model(name)
        model.fc = model.classifier = nn.Identity()
        return model

    return build


def timm_model(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        return pytest.importorskip("timm").create_model(name, pretrained=False, num_classes=0)

    return build


BODIES: dict[str, Callable[[], nn.Module]] = {
    "shared": Shared,
    "attention": Attention,
    "activations": mixed_activations,
    "resnet18": torchvision_model("resnet18"),
    "mobilenet_v2": torchvision_model("mobilenet_v2"),
    "mobilenet_v3": torchvision_model("mobilenet_v3_small"),
    "efficientnet-lite": timm_model("tf_efficientnet_lite0"),
    "convnext": timm_model("convnextv2_atto"),
}


def lived_in(body: nn.Module) -> nn.Module:
    """Batch-norm statistics, scales and shifts that are not 0 and 1, so that folding them wrongly shows."""
    for module in body.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return body


@pytest.mark.parametrize("name", BODIES)
def test_the_fused_form_agrees_with_plain_fp32(name: str) -> None:
    body = lived_in(BODIES[name]())
    images = torch.randn(6, 3, 64, 64)
    fast = fast_body(body, images, device=CPU, precision="fp32")
    assert fast.form == "fused"
    others = torch.randn(6, 3, 64, 64)
    assert disagreement(fast.run(others), plain_body(body, CPU)(others)) < 1e-3
    assert torch.equal(fast.run(others), fast.run(others))


@pytest.mark.skipif(
    inference.native_precision(CPU) != "bf16", reason="this processor does not multiply bf16 natively"
)
@pytest.mark.parametrize("name", ["shared", "attention", "resnet18", "convnext"])
def test_bf16_is_taken_where_it_is_native_and_close(name: str) -> None:
    body = lived_in(BODIES[name]())
    images = torch.randn(6, 3, 64, 64) + torch.randn(6, 3, 1, 1)
    fast = fast_body(body, images, device=CPU)
    assert (fast.form, fast.precision) == ("fused", "bf16")
    assert disagreement(fast.run(images), plain_body(body, CPU)(images)) < 0.125


def test_no_convolution_or_batch_norm_of_a_residual_network_is_left_alone() -> None:
    body = torchvision_model("resnet18")()
    twin, masters = inference._twin(body, torch.float32, CPU)
    graph = inference._trace(twin, torch.randn(2, 3, 64, 64))
    fusion.fuse(graph, masters, torch.float32, onednn=fusion.available())
    left = [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    assert not [name for name in left if "batch_norm" in name]
    if fusion.available():
        assert not [name for name in left if "relu" in name or "add" in name or "conv2d" in name]


def test_folding_without_onednn_keeps_the_numbers() -> None:
    body = lived_in(torchvision_model("resnet18")()).eval()
    twin, masters = inference._twin(body, torch.float32, CPU)
    images = torch.randn(2, 3, 64, 64)
    graph = inference._trace(twin, images)
    fusion.fuse(graph, masters, torch.float32, onednn=False)
    assert not [node for node in graph.graph.nodes if "batch_norm" in str(node.target)]
    with torch.inference_mode():
        assert disagreement(graph(images), body(images)) < 1e-4


class Fragile(nn.Module):
    """Rounds its input away in bf16: 256 + small is 256 there."""

    def forward(self, images: Tensor) -> Tensor:
        return ((images.mean(dim=(2, 3)) + 256) - 256) * 100


def test_features_that_bf16_destroys_are_computed_in_fp32(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(inference, "native_precision", lambda device: "bf16")
    images = torch.rand(6, 3, 16, 16)
    with caplog.at_level(logging.WARNING):
        fast = fast_body(Fragile(), images, device=CPU)
    assert fast.precision == "fp32"
    assert "bf16 are off by" in caplog.text
    assert torch.allclose(fast.run(images), plain_body(Fragile(), CPU)(images), atol=1e-3)


class Untraceable(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        means = images.mean(dim=(2, 3))
        return means * 2 if float(means.sum()) > 0 else means


def test_a_body_that_cannot_be_traced_runs_plain() -> None:
    images = torch.rand(6, 3, 16, 16)
    fast = fast_body(Untraceable(), images, device=CPU)
    assert (fast.form, fast.precision) == ("plain", "fp32")
    assert torch.equal(fast.run(images), images.mean(dim=(2, 3)) * 2)


def test_a_wrong_fused_kernel_is_found_out_and_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def fuse_wrongly(graph: torch.fx.GraphModule, *args: object, **how: object) -> None:
        with torch.no_grad():
            for parameter in graph.parameters():
                parameter.data = parameter.data * 1.1

    monkeypatch.setattr(fusion, "fuse", fuse_wrongly)
    body = nn.Conv2d(3, 8, 3)
    images = torch.rand(6, 3, 16, 16)
    fast = fast_body(body, images, device=CPU)
    assert fast.form == "plain"
    with torch.no_grad():
        assert torch.allclose(fast.run(images), body(images).mean(dim=(2, 3)), atol=1e-5)


def test_disagreement_counts_missing_numbers_and_rows_all_alike() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert disagreement(rows, rows) == 0
    assert disagreement(rows + 0.1, rows) == pytest.approx(0.2)
    assert disagreement(rows * float("nan"), rows) == float("inf")
    assert disagreement(rows[:1], rows) == float("inf")
    alike = torch.ones(3, 4)
    assert disagreement(alike * 1.01, alike) == pytest.approx(0.1, rel=1e-3)
