"""transformers' encoders with a classification head: load, draw the head anew, stages, features, save."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.errors import UserError
from training.stock import read_net, require_scratch_size
from training.text.basefiles import WEIGHTS, check_weights, read_config
from training.text.pooling import add_mean_layer, draw_mean_layer, takes_mean
from training.weights import read_header

# Modules behind the encoder, first to last; those that the base file lacks are new and learn with the head.
TAILS = {
    "albert": ("albert.pooler", "classifier"),
    "bert": ("bert.pooler", "classifier"),
    "deberta-v2": ("pooler", "classifier"),
    "distilbert": ("pre_classifier", "classifier"),
    "modernbert": ("head", "classifier"),
}
TOKEN_TAILS = {"modernbert": ("head", "classifier")}
FINAL = ("pooler", "final_norm")
MAX_SCRATCH_PARAMETERS = 2_000_000_000


@dataclass
class Encoder:
    """`net` is a stock `…ForSequenceClassification` or `…ForTokenClassification`; `labels[i]` names output i.

    `tail`: the modules behind the encoder; `new`: those of them that are drawn at random. `pooling` is "cls",
    "mean", or "tokens" where every token is classified.
    """

    net: Any
    labels: list[str]
    tail: tuple[str, ...]
    new: tuple[str, ...]
    pooling: str

    @property
    def head(self) -> str:
        return self.tail[-1]


def load_encoder(
    base_dir: Path, *, labels: list[str], tokens: bool, scratch: bool, seed: int, pooling: str = "auto"
) -> Encoder:
    """The base model with a head for `labels`, fp32, eval mode; `scratch` draws every weight anew.

    The head stays when the base already tells exactly these classes apart, in this order. `pooling` "mean"
    averages over the tokens where the stock class can: by a setting of ModernBERT, by one layer more in the
    BERT family (see `training.text.pooling`). Raises `UserError` where weights and config do not agree.
    """
    config = read_config(base_dir)
    if not scratch:
        check_weights(base_dir)
    pooled = "tokens" if tokens else takes_mean(config, base_dir, pooling)
    same_head = [config.id2label.get(index) for index in range(len(config.id2label))] == labels
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    config.problem_type = None if tokens else "single_label_classification"
    added = pooled == "mean" and add_mean_layer(config)
    torch.manual_seed(seed)
    net, missing = _build(base_dir, config, tokens, scratch)
    if added:
        draw_mean_layer(net)
    tail = (TOKEN_TAILS if tokens else TAILS).get(config.model_type, ("classifier",))
    new = {name for name in tail if any(key.startswith(f"{name}.") for key in missing)}
    if not same_head and not scratch:
        _draw_head(net.get_submodule(tail[-1]), config.initializer_range, seed)
        new.add(tail[-1])
    _check_missing(config, missing, tail, added)
    if added:
        # The pooler behind the mean has been set with it: it does not wait for being learnt.
        new &= {tail[-1]}
    return Encoder(net.eval(), list(labels), tail, tuple(sorted(new)), pooled)


def load_finished(model_dir: Path, *, tokens: bool) -> Encoder:
    """A published model, in eval mode. Raises `UserError` if its files do not make one."""
    config = read_config(model_dir)
    check_weights(model_dir)
    names = [config.id2label.get(index) for index in range(len(config.id2label))]
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise UserError("model:no-labels", "The model's config.json must name its classes in id2label.")
    net, missing = _build(model_dir, config, tokens, scratch=False)
    tail = (TOKEN_TAILS if tokens else TAILS).get(config.model_type, ("classifier",))
    if missing:
        raise _mismatch(config, f"{sorted(missing)[0][:100]} is missing")
    return Encoder(net.eval(), names, tail, (), "tokens" if tokens else "cls")


def _build(model_dir: Path, config: Any, tokens: bool, scratch: bool) -> tuple[Any, set[str]]:
    """The net, and the names of parameters that the file did not fill."""
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    kind = AutoModelForTokenClassification if tokens else AutoModelForSequenceClassification
    try:
        with _quiet():
            _check_size(kind, model_dir, config, scratch)
            if scratch:
                return kind.from_config(config).float(), set()
            net, missing = read_net(kind, model_dir, config)
    except UserError:
        raise
    except Exception as error:
        # Fields that contradict each other surface as whatever the layers raise.
        raise _mismatch(config, str(error)[:200]) from None
    return net, missing


def _check_size(kind: Any, model_dir: Path, config: Any, scratch: bool) -> None:
    """Sizes that the file does not bear out are refused before memory is taken for them."""
    with torch.device("meta"):
        net = kind.from_config(config)
    wanted = sum(item.numel() for item in net.parameters())
    if scratch:
        require_scratch_size(wanted, MAX_SCRATCH_PARAMETERS)
        return
    found = sum(math.prod(entry.shape) for entry in read_header(model_dir / WEIGHTS).values())
    # A layer and a pooler more than the file has may be ours, and a head as wide as the classes are many.
    width, wide = config.hidden_size, int(getattr(config, "intermediate_size", 0) or 4 * config.hidden_size)
    if wanted > found + width * (8 * width + 2 * wide + config.num_labels) + 1_000_000:
        text = f"config.json describes {wanted:,} parameters, the file holds {found:,}"
        raise _mismatch(config, text)


def _check_missing(config: Any, missing: set[str], tail: tuple[str, ...], added: bool) -> None:
    """Nothing of the encoder itself may be drawn at random because the file lacks it."""
    allowed = tuple(f"{name}." for name in tail)
    last = f".{config.num_hidden_layers - 1}."
    for name in sorted(missing):
        if not name.startswith(allowed) and not (added and last in name):
            raise _mismatch(config, f"{name[:100]} is missing or has another shape")


def _draw_head(head: nn.Module, spread: float, seed: int) -> None:
    """Small weights for the last layer, so that it starts undecided."""
    last = [module for module in head.modules() if isinstance(module, nn.Linear)][-1]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        last.weight.normal_(0.0, spread, generator=generator)
        if last.bias is not None:
            last.bias.zero_()


def stages(encoder: Encoder) -> list[list[str]]:
    """Parameter names of the body, a list a stage, from the embeddings to the last layer.

    Layers that share their weights (ALBERT) are one stage; what follows the last layer belongs to it.
    """
    net, layers = encoder.net, _layers_name(encoder.net)
    count = len(net.get_submodule(layers))
    found: list[list[str]] = [[] for _ in range(count + 1)]
    with_head = set(head_names(encoder))
    for name, _ in net.named_parameters():
        if name in with_head:
            continue
        if name.startswith(f"{layers}."):
            found[1 + int(name.removeprefix(f"{layers}.").split(".")[0])].append(name)
        elif any(part in FINAL for part in name.split(".")) or name.startswith(_dotted(encoder.tail)):
            found[-1].append(name)
        else:
            found[0].append(name)
    return [stage for stage in found if stage]


def head_names(encoder: Encoder) -> list[str]:
    """Parameters that learn with the head: the last module's, and those of whatever else is new behind it."""
    learning = _dotted((encoder.head, *(name for name in encoder.new if name in encoder.tail)))
    return [name for name, _ in encoder.net.named_parameters() if name.startswith(learning)]


def _dotted(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}." for name in names)


def _layers_name(net: Any) -> str:
    """Path of the list of layers."""
    wanted = {net.config.num_hidden_layers, getattr(net.config, "num_hidden_groups", None)}
    prefix = net.base_model_prefix
    for name, module in net.get_submodule(prefix).named_modules(prefix=prefix):
        if isinstance(module, nn.ModuleList) and len(module) in wanted:
            return name
    raise UserError("model:not-an-encoder", "The base model has no list of layers.")


def save_encoder(encoder: Encoder, tokenizer: Any, model_dir: Path) -> None:
    """model.safetensors, config.json and the tokenizer, as transformers itself writes and reads them."""
    model_dir.mkdir(parents=True, exist_ok=True)
    with _quiet():
        encoder.net.save_pretrained(str(model_dir), max_shard_size="100GB")
        tokenizer.save_pretrained(str(model_dir))


def _mismatch(config: Any, reason: str) -> UserError:
    text = f"model.safetensors does not hold the {config.model_type} of config.json: {reason}."
    return UserError("model:wrong-weights", text)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's own progress bars and reports: what matters of them is said by us."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
