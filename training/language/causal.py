"""Causal language models in transformers' layout: loaded from local safetensors, adapted by LoRA, saved.

No code of the model's repo ever runs: the architecture must be one that transformers itself has, of a list of
those whose packing, adapters and layers are known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from training.errors import UserError
from training.language.files import read_headers, read_json, weight_files


@dataclass(frozen=True)
class Family:
    """What kind of model: transformers' class that builds it, the architectures taken, PEFT's name of it."""

    auto: str
    model_types: tuple[str, ...]
    peft_task: str


CAUSAL = Family(
    "AutoModelForCausalLM",
    (
        "gemma",
        "gemma2",
        "gpt2",
        "gpt_neox",
        "llama",
        "mistral",
        "olmo2",
        "phi3",
        "qwen2",
        "qwen3",
        "smollm3",
        "starcoder2",
    ),
    "CAUSAL_LM",
)
SEQ2SEQ = Family("AutoModelForSeq2SeqLM", ("bart", "mt5", "pegasus", "t5"), "SEQ_2_SEQ_LM")
MAX_LAYERS = 1000
# What the config may ask for beyond what the files hold: tied or computed tensors of a few architectures.
SPARE = 1.01
LAYER = re.compile(r"\.(?:layers|h|block)\.(\d+)\.")


def read_config(model_dir: Path, family: Family = CAUSAL) -> Any:
    """Raises `UserError`: no config.json, an architecture that is not on the list, a quantised base."""
    from transformers import AutoConfig

    if (model_dir / "adapter_config.json").exists():
        text = "The base model is an adapter itself; merge it into its own base and publish that first."
        raise UserError("model:is-adapter", text)
    if not (model_dir / "config.json").is_file():
        raise UserError("model:no-config", "The base model has no config.json.")
    plain = read_json(model_dir / "config.json")
    kind = plain.get("model_type")
    if kind not in family.model_types:
        text = f"The base model is of the type {str(kind)[:60]!r}; this task takes: "
        message_id = "model:not-causal" if family is CAUSAL else "model:not-seq2seq"
        raise UserError(message_id, text + ", ".join(family.model_types) + ".")
    if plain.get("quantization_config"):
        text = (
            "The base model is quantised already; take the plain one, and see strategy.lora.base_precision."
        )
        raise UserError("model:quantised", text)
    plain.pop("auto_map", None)
    plain.pop("model_type")
    try:
        config = AutoConfig.for_model(kind, **plain)
        layers = int(config.num_hidden_layers)
    except Exception as error:  # whatever the values of a stranger's config make of it
        reason = " ".join(str(error).split())[:200]
        raise UserError("model:bad-config", f"The model's config.json cannot be used: {reason}.") from None
    if not 0 < layers <= MAX_LAYERS:
        raise UserError("model:bad-config", f"The model's config.json asks for {layers} layers.")
    return config


def load_causal(model_dir: Path, dtype: torch.dtype = torch.float32, family: Family = CAUSAL) -> nn.Module:
    """The model in eval mode on the CPU, every tensor from its files. `UserError` if these do not fit."""
    config = read_config(model_dir, family)
    _check_sizes(config, model_dir, family)
    try:
        with quiet():
            loaded: Any = _auto(family).from_pretrained(
                model_dir,
                config=config,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError("model:wrong-weights", f"The base model cannot be loaded: {reason}.") from None
    net, info = loaded
    for what in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        if info.get(what):
            first = str(sorted(map(str, info[what]))[0])[:120]
            text = (
                f"The base model's weights do not fit its config: {what.replace('_', ' ')}, such as {first}."
            )
            raise UserError("model:wrong-weights", text)
    return cast(nn.Module, net).eval()


def new_causal(model_dir: Path, seed: int, family: Family = CAUSAL) -> nn.Module:
    """The architecture of a directory with random weights of its own rule, in fp32."""
    config = read_config(model_dir, family)
    torch.manual_seed(seed)
    with quiet():
        net: nn.Module = _auto(family).from_config(config, dtype=torch.float32)
    return net.eval()


def stages(net: nn.Module) -> list[list[str]]:
    """Parameter names from the embeddings over the layers to the output, a list a stage, none empty."""
    found: dict[tuple[bool, int], list[str]] = {}
    last, names = (False, -1), [name for name, _ in net.named_parameters()]
    deepest: dict[bool, int] = {}
    places = [(".decoder." in f".{name}", LAYER.search(name)) for name in names]
    for part, place in places:
        deepest[part] = max(deepest.get(part, 0), int(place[1]) if place else 0)
    for name, (part, place) in zip(names, places, strict=True):
        # What comes before the first layer embeds, what comes after the last one is the end.
        if place:
            last = (part, int(place[1]))
        elif last[1] >= 0:
            last = (part, deepest[part] + 1) if part == last[0] else (part, -1)
        found.setdefault(last, []).append(name)
    return [found[stage] for stage in sorted(found)]


def save_whole(net: nn.Module, model_dir: Path) -> None:
    """`model.safetensors`, `config.json` and `generation_config.json`, for `from_pretrained`."""
    model_dir.mkdir(parents=True, exist_ok=True)
    with quiet():
        net.save_pretrained(model_dir, max_shard_size="16GB")  # type: ignore[operator]


def _auto(family: Family) -> Any:
    import transformers

    return getattr(transformers, family.auto)


def _check_sizes(config: Any, model_dir: Path, family: Family) -> None:
    """Compare what the config would build with what the files hold, before memory is taken for either."""

    held = sum(torch.Size(entry.shape).numel() for entry in read_headers(model_dir).values())
    try:
        with torch.device("meta"), quiet():
            wanted = sum(item.numel() for item in _auto(family).from_config(config).parameters())
    except Exception as error:  # whatever the values of a stranger's config make of it
        reason = " ".join(str(error).split())[:200]
        raise UserError("model:bad-config", f"The model's config.json cannot be used: {reason}.") from None
    if wanted > SPARE * held:
        shown = ", ".join(path.name for path in weight_files(model_dir)[:3])
        text = f"The model's config.json asks for {wanted:,} numbers, {shown} holds {held:,}."
        raise UserError("model:wrong-weights", text)


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no advice to programmers in a run's log."""
    import warnings

    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
