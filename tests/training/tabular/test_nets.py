from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from training.tabular.embeddings import KINDS, Categories, Linears, NetConfig, Piecewise, bin_edges
from training.tabular.nets import HEAD, Block, build, stages

SIZES = (4, 3)


def config(kind: str, *, numbers: int = 3, sizes: tuple[int, ...] = SIZES) -> NetConfig:
    return NetConfig(kind, numbers, sizes, 2, width=16, depth=2, heads=4, embedding=4, bins=5, dropout=0.0)


def batch(
    numbers: int = 3, sizes: tuple[int, ...] = SIZES, rows: int = 6
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    places = [torch.randint(size, (6, 1), generator=generator) for size in sizes]
    empty = torch.empty(6, 0, dtype=torch.long)
    return torch.randn(6, numbers, generator=generator), torch.cat([empty, *places], 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("numbers", "sizes"), [(3, SIZES), (3, ()), (0, SIZES)])
def test_every_kind_takes_numbers_categories_or_both(kind: str, numbers: int, sizes: tuple[int, ...]) -> None:
    net = build(config(kind, numbers=numbers, sizes=sizes), seed=0)
    inputs = batch(numbers, sizes)
    out = net(inputs)
    assert out.shape == (6, 2)
    torch.testing.assert_close(net.head(net.features(inputs)), out)
    out.sum().backward()
    assert all(item.grad is not None for item in net.parameters() if item.numel())


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_alone_decides_the_weights(kind: str) -> None:
    torch.manual_seed(3)
    one = build(config(kind), seed=5)
    after = torch.rand(1)
    torch.manual_seed(3)
    torch.rand(100)
    other = build(config(kind), seed=5)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), after)
    different = build(config(kind), seed=6).state_dict()
    assert not torch.equal(one.head.weight, different["head.weight"])


@pytest.mark.parametrize("kind", KINDS)
def test_stages_are_every_parameter_below_the_head_once(kind: str) -> None:
    net = build(config(kind), seed=0)
    found = stages(net)
    named = [name for stage in found for name in stage]
    assert len(named) == len(set(named))
    assert set(named) == {name for name, _ in net.named_parameters() if not name.startswith(f"{HEAD}.")}
    assert len(found) == 3
    assert all(name.startswith("embedding.") for name in found[0])
    assert any(name.startswith("blocks.1.") for name in found[-1])


def test_piecewise_encoding_is_the_papers() -> None:
    edges = torch.tensor([[0.0, 1.0, 2.0, 4.0]])
    layer = Piecewise(NetConfig("mlp-piecewise", 1, (), 1, embedding=3, bins=3), edges)
    with torch.no_grad():
        layer.linears.weight.copy_(torch.eye(3).unsqueeze(0))
        layer.linears.bias.zero_()
    found = layer(torch.tensor([[-1.0], [0.5], [3.0], [9.0]])).squeeze(1)
    assert found.tolist() == [[0, 0, 0], [0.5, 0, 0], [1, 1, 0.5], [1, 1, 1]]


def test_edges_are_quantiles_of_distinct_values_where_many_are_equal() -> None:
    spread = torch.linspace(0, 1, 101)
    zeros = torch.cat([torch.zeros(95), torch.arange(1, 7)]).float()
    found = bin_edges(torch.stack([spread, zeros], 1), 4)
    assert found[0].tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert found[1].tolist() == pytest.approx([0, 1.5, 3, 4.5, 6])


def test_linears_are_a_layer_for_every_number() -> None:
    layer = Linears(3, 4, 5)
    x = torch.randn(2, 3, 4)
    found = layer(x)
    for index in range(3):
        torch.testing.assert_close(found[:, index], x[:, index] @ layer.weight[index] + layer.bias[index, 0])


def test_categories_of_two_columns_share_no_row() -> None:
    layer = Categories((4, 3), 2)
    with torch.no_grad():
        layer.table.copy_(torch.arange(14).reshape(7, 2))
    assert layer(torch.tensor([[3, 0]])).tolist() == [[[6, 7], [8, 9]]]
    fresh = Categories((4, 3), 2).table
    # Unknown and missing of both columns start at nothing, the words do not.
    assert (fresh == 0).all(1).nonzero().flatten().tolist() == [0, 1, 4, 5]


def test_the_transformers_block_is_attention_as_torch_has_it() -> None:
    block = Block(config("ft-transformer"), first=False).eval()
    theirs = nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(block.query_key_value.weight)
        theirs.in_proj_bias.copy_(block.query_key_value.bias)
        theirs.out_proj.load_state_dict(block.out.state_dict())
    x = torch.randn(2, 5, 16)
    normed = block.before_attention(x)
    middle = x + theirs(normed, normed, normed, need_weights=False)[0]
    value, gate = block.feed_in(block.before_feed(middle)).chunk(2, -1)
    expected = middle + block.feed_out(value * gate.relu())
    torch.testing.assert_close(block(x, collect=False), expected)
    torch.testing.assert_close(block(x, collect=True), expected[:, -1:])


def test_numerical_embeddings_learn_steps_sooner_than_a_plain_net() -> None:
    generator = np.random.default_rng(0)
    x = torch.from_numpy(generator.uniform(-1, 1, (256, 1))).float()
    y = (torch.floor(x * 4) % 2).float()
    places = torch.empty(256, 0, dtype=torch.long)

    def error(kind: str) -> float:
        shape = NetConfig(kind, 1, (), 1, width=16, depth=1, bins=16, sigma=1.0, dropout=0.0)
        net = build(shape, seed=0, edges=bin_edges(x, 16))
        optimizer = torch.optim.Adam(net.parameters(), 1e-2)
        for _ in range(150):
            optimizer.zero_grad()
            loss = ((net((x, places)) - y) ** 2).mean()
            loss.backward()
            optimizer.step()
        return loss.item()

    plain = error("mlp")
    assert error("mlp-piecewise") < plain / 2
    assert error("mlp-periodic") < plain / 2
