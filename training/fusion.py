"""Rewrite the traced graph of a frozen body for oneDNN: batch-norm into the convolution before it, then the
activation and the residual addition into the same kernel, weights packed once.

These are the kernels `torch.compile` picks on a CPU, called directly: the same speed without half a minute of
compilation. They are private operators of torch, so `training.inference` compares the result with the plain
body on real images before it trusts it, and goes without them where they are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx

aten = torch.ops.aten

# activation → (oneDNN's name, its scalars from the node's arguments, its algorithm)
Scalars = Callable[[tuple[Any, ...]], list[float]]
ACTIVATIONS: dict[Any, tuple[str, Scalars]] = {
    aten.relu: ("relu", lambda args: []),
    aten.relu_: ("relu", lambda args: []),
    aten.relu6: ("hardtanh", lambda args: [0.0, 6.0]),
    aten.relu6_: ("hardtanh", lambda args: [0.0, 6.0]),
    aten.hardtanh: ("hardtanh", lambda args: _two(args, -1.0, 1.0)),
    aten.hardtanh_: ("hardtanh", lambda args: _two(args, -1.0, 1.0)),
    aten.silu: ("swish", lambda args: []),
    aten.silu_: ("swish", lambda args: []),
    aten.hardswish: ("hardswish", lambda args: []),
    aten.hardswish_: ("hardswish", lambda args: []),
    aten.sigmoid: ("sigmoid", lambda args: []),
    aten.hardsigmoid: ("hardsigmoid", lambda args: []),
    aten.tanh: ("tanh", lambda args: []),
}


@dataclass(frozen=True)
class Conv:
    """One convolution while its neighbours are being folded in; tensors are fp32 masters."""

    weight: Tensor
    bias: Tensor
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int
    activation: str = "none"
    scalars: tuple[float, ...] = ()
    other: fx.Node | None = None

    def scaled(self, scale: Tensor, shift: Tensor) -> Conv:
        """The convolution that gives `scale * (this) + shift`, per output channel."""
        weight = self.weight * scale.reshape(-1, 1, 1, 1)
        return replace(self, weight=weight, bias=self.bias * scale + shift)


def available() -> bool:
    """True if this build of torch has the fused oneDNN operators."""
    names = (
        "_convolution_pointwise",
        "_convolution_pointwise_",
        "_reorder_convolution_weight",
        "_linear_pointwise",
        "_reorder_linear_weight",
    )
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in names)


def fuse(graph: fx.GraphModule, masters: Mapping[int, Tensor], dtype: torch.dtype, *, onednn: bool) -> None:
    """Fold batch-norms and, with `onednn`, fuse and pack, in place.

    `masters` maps id(parameter of the graph) to its fp32 original, so that folding rounds to `dtype` once, at
    the end. Convolutions written otherwise than as `aten.conv2d` with integer padding stay as they are.
    """
    for node in list(graph.graph.nodes):
        if node.target is aten.conv2d.default:
            _fuse_conv(graph, node, masters, dtype, onednn)
        elif node.target is aten.linear.default and onednn:
            _pack_linear(graph, node, masters, dtype)
    graph.graph.eliminate_dead_code()
    graph.graph.lint()
    graph.recompile()


def _fuse_conv(
    graph: fx.GraphModule, node: fx.Node, masters: Mapping[int, Tensor], dtype: torch.dtype, onednn: bool
) -> None:
    conv = _read_conv(graph, node, masters)
    if conv is None:
        return
    chain = [node]
    follower = _only_user(node)
    if follower is not None and follower.target is aten.batch_norm.default and not follower.args[5]:
        conv = conv.scaled(*_affine(graph, follower, masters))
        chain.append(follower)
    if onednn:
        conv = _absorb_pointwise(conv, chain)
        new = _emit_onednn(graph, chain, conv, dtype)
    elif len(chain) > 1:
        new = _emit_plain(graph, chain, conv, dtype)
    else:
        return
    _replace(graph, chain, new)


def _pack_linear(
    graph: fx.GraphModule, node: fx.Node, masters: Mapping[int, Tensor], dtype: torch.dtype
) -> None:
    """Pack a linear layer and take in its GELU; torch's own would copy the weight for every image of a batch
    whose input is strided, as attention's is."""
    source = node.args[0]
    weight = _tensor(graph, node.args[1], masters)
    bias = _tensor(graph, node.args[2], masters) if len(node.args) > 2 and node.args[2] is not None else None
    if weight is None or not isinstance(source, fx.Node):
        return
    shape = source.meta["val"].shape
    rows = int(shape.numel() // shape[-1])
    chain = [node]
    how: tuple[str, list[float], str] = ("none", [], "")
    follower = _only_user(node)
    if follower is not None and follower.target is aten.gelu.default:
        how = ("gelu", [], str(follower.kwargs.get("approximate", "none")))
        chain.append(follower)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype), rows)
    with graph.graph.inserting_before(node):
        constants = [_constant(graph, node, "packed", packed)]
        constants += [] if bias is None else [_constant(graph, node, "bias", bias.to(dtype))]
        args = (source, *constants, *([None] if bias is None else []), *how)
        new = graph.graph.call_function(torch.ops.mkldnn._linear_pointwise.default, args)
    _replace(graph, chain, new)


def _replace(graph: fx.GraphModule, chain: list[fx.Node], new: fx.Node) -> None:
    new.meta["val"] = chain[-1].meta["val"]
    chain[-1].replace_all_uses_with(new)
    for link in reversed(chain):
        graph.graph.erase_node(link)


def _absorb_pointwise(conv: Conv, chain: list[fx.Node]) -> Conv:
    """Take in what follows, onto `chain`: an activation, or a residual addition with or without a ReLU."""
    follower = _only_user(chain[-1])
    if follower is None:
        return conv
    kind = _overload_packet(follower)
    if kind in ACTIVATIONS:
        name, scalars = ACTIVATIONS[kind]
        chain.append(follower)
        return replace(conv, activation=name, scalars=tuple(scalars(follower.args)))
    other = _residual(follower, chain[-1])
    if other is None:
        return conv
    chain.append(follower)
    conv = replace(conv, other=other)
    follower = _only_user(follower)
    if follower is not None and _overload_packet(follower) in (aten.relu, aten.relu_):
        chain.append(follower)
        conv = replace(conv, activation="relu")
    return conv


def _residual(node: fx.Node, mine: fx.Node) -> fx.Node | None:
    """The other term if `node` adds `mine` to a tensor of the same shape with factor 1."""
    if _overload_packet(node) not in (aten.add, aten.add_) or len(node.args) != 2 or node.kwargs:
        return None
    others = [arg for arg in node.args if arg is not mine]
    if len(others) != 1 or not isinstance(others[0], fx.Node):
        return None
    value, own = others[0].meta.get("val"), mine.meta.get("val")
    if not isinstance(value, Tensor) or own is None or value.shape != own.shape or value.dtype != own.dtype:
        return None
    return others[0]


def _emit_onednn(graph: fx.GraphModule, chain: list[fx.Node], conv: Conv, dtype: torch.dtype) -> fx.Node:
    node, last, ops = chain[0], chain[-1], torch.ops.mkldnn
    source = node.args[0]
    assert isinstance(source, fx.Node)
    shape = list(source.meta["val"].shape)
    packed = ops._reorder_convolution_weight(
        conv.weight.to(dtype), conv.padding, conv.stride, conv.dilation, conv.groups, shape
    )
    geometry = (conv.padding, conv.stride, conv.dilation, conv.groups)
    # The residual term exists only where the addition stood; anything else stands where the convolution did.
    with graph.graph.inserting_before(node if conv.other is None else last):
        weight = _constant(graph, node, "packed", packed)
        bias = _constant(graph, node, "bias", conv.bias.to(dtype))
        if conv.other is None:
            args = (source, weight, bias, *geometry, conv.activation, list(conv.scalars), "")
            return graph.graph.call_function(ops._convolution_pointwise.default, args)
        relu = conv.activation if conv.activation != "none" else None
        tail: tuple[Any, ...] = (weight, bias, *geometry, "add", 1.0, relu, [], None)
        if _may_overwrite(conv.other, chain):
            return graph.graph.call_function(ops._convolution_pointwise_.binary, (conv.other, source, *tail))
        return graph.graph.call_function(ops._convolution_pointwise.binary, (source, conv.other, *tail))


def _emit_plain(graph: fx.GraphModule, chain: list[fx.Node], conv: Conv, dtype: torch.dtype) -> fx.Node:
    node = chain[0]
    with graph.graph.inserting_before(node):
        packed = conv.weight.to(dtype).contiguous(memory_format=torch.channels_last)
        weight = _constant(graph, node, "packed", packed)
        bias = _constant(graph, node, "bias", conv.bias.to(dtype))
        args = (node.args[0], weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)
        return graph.graph.call_function(aten.conv2d.default, args)


def _may_overwrite(other: fx.Node, chain: list[fx.Node]) -> bool:
    """True if `other` owns its memory and nobody reads it, or a view of it, after the addition.

    Only readers that are already rewritten count as done: one still to come may move behind the addition.
    """
    ops = torch.ops.mkldnn
    fused = (
        ops._convolution_pointwise.default,
        ops._convolution_pointwise.binary,
        ops._convolution_pointwise_.binary,
    )
    if other.target not in (*fused, aten.max_pool2d.default):
        return False
    return all(user in chain or (user.target in fused and user < chain[-1]) for user in other.users)


def _read_conv(graph: fx.GraphModule, node: fx.Node, masters: Mapping[int, Tensor]) -> Conv | None:
    arguments: list[Any] = list(node.args) + [None, [1], [0], [1], 1][len(node.args) - 2 :]
    weight = _tensor(graph, arguments[1], masters)
    if weight is None or weight.ndim != 4 or (arguments[2] is not None and node.kwargs):
        return None
    bias = (
        _tensor(graph, arguments[2], masters) if arguments[2] is not None else weight.new_zeros(len(weight))
    )
    if bias is None:
        return None
    stride, padding, dilation = (_pair(value) for value in arguments[3:6])
    return Conv(weight, bias, stride, padding, dilation, int(arguments[6]))


def _affine(graph: fx.GraphModule, node: fx.Node, masters: Mapping[int, Tensor]) -> tuple[Tensor, Tensor]:
    """Scale and shift of an evaluation-mode batch-norm, per channel, in fp32."""
    gamma, beta, mean, variance = (
        None if arg is None else _tensor(graph, arg, masters) for arg in node.args[1:5]
    )
    assert mean is not None
    assert variance is not None
    scale = torch.rsqrt(variance.double() + float(node.args[7]))  # type: ignore[arg-type]
    if gamma is not None:
        scale = scale * gamma.double()
    shift = -mean.double() * scale
    if beta is not None:
        shift = shift + beta.double()
    return scale.float(), shift.float()


def _tensor(graph: fx.GraphModule, arg: Any, masters: Mapping[int, Tensor]) -> Tensor | None:
    """The fp32 original behind a `get_attr` node; None for anything computed."""
    if not isinstance(arg, fx.Node) or arg.op != "get_attr":
        return None
    value = getattr(graph, str(arg.target))
    return masters.get(id(value), value).detach().float()


def _constant(graph: fx.GraphModule, node: fx.Node, role: str, value: Tensor) -> fx.Node:
    name = f"_{role}_{node.name}"
    graph.register_buffer(name, value, persistent=False)
    return graph.graph.get_attr(name)


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _overload_packet(node: fx.Node) -> Any:
    return getattr(node.target, "overloadpacket", None)


def _pair(value: Any) -> list[int]:
    numbers = [int(number) for number in value]
    return numbers * 2 if len(numbers) == 1 else numbers


def _two(args: tuple[Any, ...], low: float, high: float) -> list[float]:
    given = [float(value) for value in args[1:3]]
    return given + [low, high][len(given) :]
