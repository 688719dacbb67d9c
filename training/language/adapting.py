"""What of a causal model learns: adapters beside a base held as the recipe says, or its own last stages."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training import learning, sharding
from training.errors import UserError
from training.language.causal import CAUSAL, Family, load_causal, new_causal, quiet, save_whole, stages
from training.language.lora import Adapter, add_lora, merged, save_adapter
from training.language.published import base_name, remember_base
from training.language.quantized import quantize
from training.recipe import LoraSpec
from training.tasks.base import Plan

MIB = 2**20


@dataclass
class LanguageParts(learning.Network):
    """Adapters sit inside frozen layers: dropout and recomputed activations need all of them in train mode,
    and no layer of these nets keeps statistics that could move."""

    to_be_sharded: bool = False

    def set_learning_mode(self) -> None:
        self.net.train()


@dataclass
class Adapted:
    """`stages`: the parameters that learn, input to output; `save` writes what is published."""

    parts: LanguageParts
    stages: list[list[str]]
    save: Callable[[Path], None]


def held(plan: Plan, family: Family = CAUSAL) -> Any:
    """The base on the CPU, its numbers as the recipe says. Raises `UserError`."""
    recipe = plan.recipe
    if recipe.init == "scratch":
        return new_causal(plan.base(), recipe.seed, family)
    adapters = recipe.strategy.lora or LoraSpec()
    precision = adapters.base_precision if recipe.strategy.kind == "lora" else "fp32"
    net = load_causal(plan.base(), torch.bfloat16 if precision == "bf16" else torch.float32, family)
    if precision in ("int8", "nf4"):
        before, after = quantize(net, precision)
        if after == before:
            text = f"No layer of this base model can be held in {precision} (strategy.lora.base_precision)."
            raise UserError("recipe:base-precision", text)
        plan.reporter.log(
            f"the base is held in {precision}: {after / MIB:.0f} MiB instead of {before / MIB:.0f}"
        )
    return net


def adapt(plan: Plan, net: Any, tokenizer: Any, family: Family = CAUSAL) -> Adapted:
    """Put adapters beside the base, or let its last stages learn, on the plan's device."""
    strategy = plan.recipe.strategy
    if strategy.checkpoint_activations:
        with quiet():  # newer versions call it otherwise, older ones know this name only
            net.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    save: Callable[[nn.Module, Path], None] = save_whole
    if strategy.kind == "lora":
        net = _with_adapter(plan, net, family)
        save = _adapter_saver(plan, family)
        grown = {name for name, item in net.named_parameters() if item.requires_grad}
        chosen = [kept for stage in stages(net) if (kept := [name for name in stage if name in grown])]
        parts = LanguageParts(net, "", chosen)
    else:
        parts = LanguageParts(net, "", stages(net))
        chosen = [stage for stage in learning.freeze(parts, strategy) if stage]
    # A net that is too large for one GPU goes there in parts, once the loop begins.
    parts.to_be_sharded = sharding.wanted(plan.recipe, net, plan.device)
    if not parts.to_be_sharded:
        net.to(plan.device)
    few = sum(item.numel() for item in net.parameters() if item.requires_grad)
    plan.reporter.log(f"{few:,} parameters learn")

    def save_with_tokenizer(model_dir: Path) -> None:
        save(net, model_dir)
        tokenizer.save_pretrained(model_dir)

    return Adapted(parts, chosen, save_with_tokenizer)


def _with_adapter(plan: Plan, net: Any, family: Family) -> Any:
    spec, base = plan.recipe.strategy.lora or LoraSpec(), plan.recipe.base_model
    assert base is not None  # the recipe's own rules see to it
    name = base_name(base.repo, plan.base())
    remember_base(name, base.revision, plan.base())
    adapter = Adapter(spec.rank, spec.alpha, spec.dropout, spec.targets, spec.rslora, spec.dora)
    return add_lora(
        net, adapter, base_repo=name, revision=base.revision, seed=plan.recipe.seed, family=family
    )


def _adapter_saver(plan: Plan, family: Family) -> Callable[[nn.Module, Path], None]:
    spec = plan.recipe.strategy.lora or LoraSpec()
    if not spec.merge:
        return save_adapter

    def save(net: nn.Module, model_dir: Path) -> None:
        # Merged into the base's own precision, not into the one it was held in while adapters learnt.
        folder = Path(tempfile.mkdtemp(dir=plan.work_dir))
        try:
            save_adapter(net, folder)
            save_whole(merged(folder, plan.base(), family), model_dir)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return save
