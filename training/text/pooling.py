"""Mean pooling in classes that only know the first token, so that stock libraries load the result.

ModernBERT has a setting for it. The BERT family gets one layer more at its end that averages: queries and
keys are zero, so that every token attends to all real tokens alike; the value is passed on, many times as
large as the residual beside it, and the layer's norm takes the size off again. Out comes the normalised
mean of the last hidden states at every place, the first one too, off by 1 / GAIN of that place's own state.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.errors import UserError

FAMILY = ("bert", "camembert", "electra", "roberta", "xlm-roberta")
GAIN = 100.0


def takes_mean(config: Any, base_dir: Path, wanted: str) -> str:
    """ "mean" or "cls". "auto" is the mean for sentence encoders trained that way, else what the model does.

    Raises `UserError` where the mean is wanted of a model whose stock class cannot compute it.
    """
    can = config.model_type == "modernbert" or config.model_type in FAMILY
    if wanted == "mean" and not can:
        text = f"pooling must be cls or auto for a {config.model_type}: it only looks at the first token."
        raise UserError("recipe:pooling", text)
    if wanted == "auto":
        wanted = "mean" if can and _trained_on_means(base_dir) else "own"
    if config.model_type == "modernbert":
        if wanted != "own":
            config.classifier_pooling = wanted
        return str(config.classifier_pooling)
    return "mean" if wanted == "mean" else "cls"


def add_mean_layer(config: Any) -> bool:
    """Make room in `config` for the averaging layer; False where a setting does it."""
    if config.model_type not in FAMILY:
        return False
    config.num_hidden_layers += 1
    return True


def draw_mean_layer(net: Any) -> None:
    """Set the last layer's weights so that it averages; a pooler behind it passes the mean on."""
    layer = net.base_model.encoder.layer[-1]
    attention, output = layer.attention, layer.output
    with torch.no_grad():
        for linear in (attention.self.query, attention.self.key, layer.intermediate.dense, output.dense):
            linear.weight.zero_()
            linear.bias.zero_()
        _identity(attention.self.value, 1.0)
        _identity(attention.output.dense, GAIN)
        for norm in (attention.output.LayerNorm, output.LayerNorm):
            norm.reset_parameters()
        pooler = getattr(net.base_model, "pooler", None)
        if pooler is not None:
            _identity(pooler.dense, 0.5)
        elif hasattr(net.classifier, "dense"):
            _identity(net.classifier.dense, 0.5)


def _identity(linear: nn.Linear, scale: float) -> None:
    nn.init.eye_(linear.weight).mul_(scale)
    linear.bias.zero_()


def _trained_on_means(base_dir: Path) -> bool:
    """What sentence-transformers writes beside its models."""
    try:
        plain = json.loads((base_dir / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(plain, dict) and plain.get("pooling_mode_mean_tokens") is True
