"""What of a network learns: freezing by strategy, train and eval mode, and which tensors may have moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from training.recipe import StrategySpec


class Parts(Protocol):
    """`head` is the prefix of the parameters that are new; `body` names the others, a list a stage, from
    input to output."""

    net: nn.Module
    head: str

    @property
    def body(self) -> list[list[str]]: ...


@runtime_checkable
class OwnMode(Protocol):
    """`Parts` whose frozen layers learn nothing but take part: adapters with dropout beside them."""

    def set_learning_mode(self) -> None: ...


@dataclass
class Network:
    """The plainest `Parts`."""

    net: nn.Module
    head: str
    body: list[list[str]] = field(default_factory=list)


def freeze(network: Parts, strategy: StrategySpec) -> list[list[str]]:
    """Let only the strategy's part learn. Returns its parameter names, a list a stage, the head last."""
    body = network.body
    few = {"head": 0, "last-stages": min(strategy.stages, len(body))}
    # Gradual unfreezing and LP-FT come to learn everything; the loop begins with less.
    kept = few.get(strategy.kind, len(body))
    head = [name for name, _ in network.net.named_parameters() if name.startswith(network.head + ".")]
    learning = [*body[len(body) - kept :], head]
    names = {name for stage in learning for name in stage}
    for name, parameter in network.net.named_parameters():
        parameter.requires_grad_(name in names)
    return learning


def set_learning_mode(network: Parts) -> None:
    """Train mode for what learns, eval mode for the frozen: its batch statistics must not move.

    With only the head learning everything is in eval mode, dropout before the head too, so that cached
    features and the plain loop see the same numbers. `Parts` with a rule of their own apply that.
    """
    if isinstance(network, OwnMode):
        network.set_learning_mode()
        return
    network.net.eval()
    grown = [name for name, parameter in network.net.named_parameters() if parameter.requires_grad]
    if any(not name.startswith(network.head + ".") for name in grown):
        follow_gradients(network.net, True)


def follow_gradients(module: nn.Module, inherited: bool) -> None:
    """Train mode for modules whose parameters all learn, eval mode elsewhere; those with none inherit."""
    parameters = list(module.parameters())
    module.training = all(item.requires_grad for item in parameters) if parameters else inherited
    for child in module.children():
        follow_gradients(child, module.training)


def changed_state(network: Parts) -> dict[str, Tensor]:
    """Every tensor that training may have moved: learning parameters and the statistics beside them."""
    set_learning_mode(network)
    grown = {name for name, parameter in network.net.named_parameters() if parameter.requires_grad}
    for prefix, module in network.net.named_modules():
        if module.training:
            grown |= {
                f"{prefix}.{name}" if prefix else name for name, _ in module.named_buffers(recurse=False)
            }
    return {name: tensor for name, tensor in network.net.state_dict().items() if name in grown}
