"""LoRA adapters by PEFT: put beside a causal model, saved as PEFT has them, loaded, merged into the base."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.errors import UserError
from training.language.causal import CAUSAL, Family, load_causal, quiet
from training.language.files import read_json
from training.weights import read_header, write_weights

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
MAX_RANK = 4096
READ = (
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "use_rslora",
    "use_dora",
    "fan_in_fan_out",
    "task_type",
    "base_model_name_or_path",
    "revision",
)
REFUSED = (
    "alpha_pattern",
    "rank_pattern",
    "modules_to_save",
    "layer_replication",
    "target_parameters",
    "bias",
)


@dataclass(frozen=True)
class Adapter:
    """LoRA as in Hu et al. 2021: W + alpha / rank · B A, B zero at first. `rslora` divides by √rank instead
    (Kalajdzievski 2023), `dora` learns the length of every column apart (Liu et al. 2024). `targets` None:
    every linear layer but the output.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: tuple[str, ...] | None = None
    rslora: bool = False
    dora: bool = False


def add_lora(
    net: nn.Module,
    adapter: Adapter,
    *,
    base_repo: str,
    revision: str | None,
    seed: int,
    family: Family = CAUSAL,
) -> Any:
    """The model with fresh adapters; only they learn. `UserError` for targets that it does not have."""
    from peft import LoraConfig, get_peft_model

    have = linear_names(net)
    unknown = [target for target in adapter.targets or () if target not in have]
    if unknown:
        text = f"strategy.lora.targets names {unknown[0]!r}; the base model has: {', '.join(have)}."
        raise UserError("recipe:lora-targets", text)
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,  # type: ignore[arg-type]
        lora_dropout=adapter.dropout,
        target_modules=list(adapter.targets) if adapter.targets else "all-linear",
        use_rslora=adapter.rslora,
        use_dora=adapter.dora,
        fan_in_fan_out=_is_transposed(net),
        task_type=family.peft_task,
        revision=revision,
    )
    torch.manual_seed(seed)
    with quiet():
        model = get_peft_model(net, config)
    model.peft_config["default"].base_model_name_or_path = base_repo
    return model


def linear_names(net: nn.Module) -> list[str]:
    """The last parts of the names of all linear layers, the output left out."""
    from transformers.pytorch_utils import Conv1D

    output = net.get_output_embeddings()  # type: ignore[operator]
    return sorted(
        {
            name.rpartition(".")[2]
            for name, module in net.named_modules()
            if isinstance(module, nn.Linear | Conv1D) and module is not output
        }
    )


def save_adapter(model: Any, model_dir: Path) -> None:
    """`adapter_model.safetensors` and `adapter_config.json` as PEFT has them, always in the same order."""
    from peft import get_peft_model_state_dict

    model_dir.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    write_weights(model_dir / WEIGHTS, {name: state[name].float() for name in sorted(state)})
    config = model.peft_config["default"]
    before = config.inference_mode
    config.inference_mode = True
    try:
        config.save_pretrained(model_dir)
    finally:
        config.inference_mode = before
    path = model_dir / CONFIG
    plain = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(plain.get("target_modules"), list):
        plain["target_modules"] = sorted(plain["target_modules"])
    path.write_text(json.dumps(plain, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_adapter(model_dir: Path) -> Any:
    """PEFT's config of a saved adapter, of known fields only: others name modules to import, or patterns.

    Raises `UserError` for what is not plain LoRA.
    """
    from peft import LoraConfig

    plain = read_json(model_dir / CONFIG)
    rank, targets = plain.get("r"), plain.get("target_modules")
    if plain.get("peft_type") != "LORA" or type(rank) is not int or not 1 <= rank <= MAX_RANK:
        raise UserError("model:wrong-adapter", f"{CONFIG} is not that of a LoRA adapter.")
    odd = [name for name in REFUSED if plain.get(name) not in (None, "none", {}, [])]
    if odd or not isinstance(targets, list) or not all(isinstance(item, str) for item in targets):
        text = f"{CONFIG} asks for what we do not load ({', '.join(odd) or 'target_modules'})."
        raise UserError("model:wrong-adapter", text)
    return LoraConfig(**{name: plain[name] for name in READ if name in plain}, inference_mode=True)


def load_adapter(model_dir: Path, base_dir: Path, family: Family = CAUSAL) -> Any:
    """A base and the adapter beside it, in eval mode. Raises `UserError` if the two do not fit."""
    from peft import PeftModel

    config = read_adapter(model_dir)
    read_header(model_dir / WEIGHTS)
    net = load_causal(base_dir, family=family)
    try:
        with quiet():
            model = PeftModel.from_pretrained(net, str(model_dir), config=config, is_trainable=False)
    except (RuntimeError, ValueError, KeyError, OSError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        text = f"The adapter does not fit its base model: {reason}."
        raise UserError("model:wrong-adapter", text) from None
    return model.eval()


def merged(adapter_dir: Path, base_dir: Path, family: Family = CAUSAL) -> nn.Module:
    """The base with the adapter's update added into its own weights (fp32), a plain model again."""
    with quiet():
        net: nn.Module = load_adapter(adapter_dir, base_dir, family).merge_and_unload(safe_merge=True)
    return net


def _is_transposed(net: nn.Module) -> bool:
    """GPT-2 keeps its weights as [in, out]."""
    from transformers.pytorch_utils import Conv1D

    return any(isinstance(module, Conv1D) for module in net.modules())
