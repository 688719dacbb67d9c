"""Language models in parts: every process holds a share of weights, gradients and moments (FSDP2).

`torch.distributed.fsdp.fully_shard` puts a layer together just before it runs and drops it after. For
networks too large for one GPU; where a GPU holds everything, whole copies are faster and can answer lack of
memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from training.distributed import World, world
from training.errors import UserError
from training.learning import Parts
from training.recipe import Recipe

TASKS = ("text-generation", "translation", "summarization")
# Of a GPU's memory that weights, gradients and moments may take before they are parted: activations need
# room as well.
SHARE = 0.5
MOMENT_BYTES = 8


def require_possible(recipe: Recipe, together: World) -> None:
    """Raises `UserError` where `--parallel fsdp` was asked for and cannot be had."""
    reason = obstacle(recipe)
    if together.mode == "fsdp" and reason is not None:
        raise UserError("cli:no-fsdp", f"--parallel fsdp does not work with {reason}.")


def obstacle(recipe: Recipe) -> str | None:
    """What of a recipe keeps its net from being parted."""
    strategy = recipe.strategy
    if recipe.task not in TASKS:
        return f"task: {recipe.task} (only with {', '.join(TASKS)})"
    if strategy.lora is not None and strategy.lora.base_precision in ("int8", "nf4"):
        return f"strategy.lora.base_precision: {strategy.lora.base_precision}"
    return None


def wanted(recipe: Recipe, net: nn.Module, device: torch.device) -> bool:
    """Whether the net is to be parted: where it is asked for, or would not fit into a GPU otherwise."""
    together = world()
    if together.size == 1 or together.mode == "ddp" or obstacle(recipe) is not None:
        return False
    if together.mode == "fsdp":
        return True
    if device.type != "cuda":
        return False
    return state_bytes(net) > SHARE * torch.cuda.get_device_properties(device).total_memory


def state_bytes(net: nn.Module) -> int:
    """Memory of weights, of gradients and of Adam's two moments."""
    held = 0
    for item in net.parameters():
        held += item.numel() * item.element_size()
        if item.requires_grad:
            held += item.numel() * (item.element_size() + MOMENT_BYTES)
    return held


def shard(network: Parts, device: torch.device) -> bool:
    """Part the net over the processes' devices if its task left it for that; whether it is in parts."""
    net: Any = network.net
    if not getattr(network, "to_be_sharded", False) or is_sharded(net):
        return is_sharded(net)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (world().size,))
    for block in _blocks(net):
        fully_shard(block, mesh=mesh)
    # Of the outermost module torch would keep what it put together for the backward pass, and not see that
    # averaged weights took its place meanwhile.
    fully_shard(net, mesh=mesh, reshard_after_forward=True)
    for module in net.modules():
        if is_sharded(module):
            # Sums, not means: the stepper weighs every process's part by its rows.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    return True


def is_sharded(net: nn.Module) -> bool:
    """Whether `net` is in parts."""
    return hasattr(net, "set_gradient_divide_factor")


def whole(tensor: Tensor) -> Tensor:
    """A copy on the CPU; of a parted tensor all of it, which every process must ask for."""
    full: Any = tensor.detach()
    if is_parted(full):
        full = full.full_tensor()
    held: Tensor = full.cpu().clone()
    return held


def fill(target: Tensor, values: Tensor) -> Tensor:
    """Copy values into a tensor, or each process's own part into a parted one; the target."""
    if is_parted(target) and not is_parted(values):
        from torch.distributed.tensor import distribute_tensor

        parted: Any = target
        placed = values.to(parted.to_local().device, parted.dtype)
        values = distribute_tensor(placed, parted.device_mesh, parted.placements, src_data_rank=None)
    with torch.no_grad():
        target.copy_(values)
    return target


def unshard(net: nn.Module) -> None:
    """A plain net again, whole on the CPU of the first process; the others are left with nothing."""
    if not is_sharded(net):
        return
    seen: dict[int, nn.Parameter] = {}
    for module in net.modules():
        for name, item in list(module._parameters.items()):
            if item is None or not is_parted(item):
                continue
            if id(item) not in seen:
                full = whole(item)
                held = full if world().leads else torch.empty(0)
                seen[id(item)] = nn.Parameter(held, requires_grad=item.requires_grad)
            module._parameters[name] = seen[id(item)]
    for module in net.modules():
        if is_sharded(module):
            # fully_shard made the class of FSDPModule and the module's own.
            module.__class__ = type(module).__bases__[1]
            module._forward_pre_hooks.clear()
            module._forward_hooks.clear()
            module._state_dict_pre_hooks.clear()
    net.cpu()


def _blocks(net: nn.Module) -> list[nn.Module]:
    """The layers of the net's stacks, outermost lists only: each is put together on its own."""
    found: list[nn.Module] = []
    inside: tuple[str, ...] = ()
    for name, module in net.named_modules():
        if isinstance(module, nn.ModuleList) and not name.startswith(inside or ("\0",)):
            found += [block for block in module if any(True for _ in block.parameters())]
            inside += (name + ".",)
    return found


def is_parted(tensor: Tensor) -> bool:
    """Whether this process holds but a share of `tensor`."""
    return hasattr(tensor, "full_tensor")
