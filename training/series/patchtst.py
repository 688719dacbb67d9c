"""PatchTST (Nie et al. 2023) as transformers builds it, so that what is published loads with transformers.

Quantiles are a longer prediction: `prediction_length` is horizon x outputs, read as [horizon, outputs].
"""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor
from transformers import PatchTSTConfig, PatchTSTForPrediction
from transformers.models.patchtst.modeling_patchtst import PatchTSTForPredictionOutput

from training.errors import UserError
from training.series.nets import Covariates, NetShape

# Far beyond what exists, small enough to be built at all.
LIMITS = {
    "context_length": 100_000,
    "patch_length": 10_000,
    "patch_stride": 10_000,
    "d_model": 4096,
    "num_hidden_layers": 64,
    "num_attention_heads": 64,
    "ffn_dim": 32_768,
}
# What of a published config makes the net; the rest is about other heads, or about code to run.
FIELDS = (
    *LIMITS,
    "norm_type",
    "norm_eps",
    "attention_dropout",
    "positional_dropout",
    "path_dropout",
    "ff_dropout",
    "head_dropout",
    "bias",
    "activation_function",
    "pre_norm",
    "positional_encoding_type",
    "use_cls_token",
    "channel_attention",
    "init_std",
    "scaling",
    "pooling_type",
)


class PatchTST(PatchTSTForPrediction):
    """The library's net with the forecaster's inputs, and covariates added to its output."""

    def __init__(self, config: PatchTSTConfig, shape: NetShape) -> None:
        super().__init__(config)
        self.shape = shape
        self.covariates = Covariates(shape)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:  # type: ignore[override]
        """[B, horizon, outputs] from `history`, `observed` [B, context], `past`, `known` [B, steps, k]."""
        history, observed = inputs["history"], inputs["observed"]
        found = super().forward(history.unsqueeze(2), past_observed_mask=observed.unsqueeze(2))
        flat = cast(PatchTSTForPredictionOutput, found).prediction_outputs
        output = cast(Tensor, flat).reshape(len(history), self.shape.horizon, self.shape.outputs)
        return output + self.covariates(inputs["past"], inputs["known"])

    def stages(self) -> list[list[str]]:
        """Parameter names below the head: the embedding, then each layer of the encoder."""
        depth = self.config.num_hidden_layers
        found: list[list[str]] = [[] for _ in range(depth + 1)]
        for name, _ in self.named_parameters():
            if name.startswith("model.encoder.layers."):
                found[1 + int(name.split(".")[3])].append(name)
            elif not name.startswith("head."):
                found[0].append(name)
        return found


def build_patchtst(shape: NetShape) -> PatchTST:
    """Fresh weights from the global generator. Raises `UserError` for sizes that do not fit together."""
    if shape.width % shape.heads or shape.patch > shape.context:
        text = "network.width must be a multiple of network.heads, and the context hold at least one patch"
        raise UserError("recipe:bad-network", f"{text} of {shape.patch} steps.")
    config = PatchTSTConfig(
        num_input_channels=1,
        context_length=shape.context,
        prediction_length=shape.horizon * shape.outputs,
        patch_length=shape.patch,
        patch_stride=shape.stride,
        d_model=shape.width,
        num_hidden_layers=shape.depth,
        num_attention_heads=shape.heads,
        ffn_dim=2 * shape.width,
        attention_dropout=shape.dropout,
        ff_dropout=shape.dropout,
        positional_encoding_type="random",
        pooling_type=None,
        scaling="std" if shape.instance_norm else None,
        loss="mse",
        do_mask_input=False,
    )
    config.architectures = ["PatchTSTForPrediction"]
    return PatchTST(config, shape)


def patchtst_like(plain: dict[str, Any], shape: NetShape) -> PatchTST:
    """The net that a published config describes, its head made for `shape`; fresh weights.

    Raises `UserError` `model:bad-config` for other architectures and sizes beyond bounds.
    """
    if plain.get("model_type") != "patchtst":
        raise _bad(f"its model_type is {str(plain.get('model_type'))[:60]!r}, not 'patchtst'")
    for name, most in LIMITS.items():
        size = plain.get(name, 1)
        if type(size) is not int or not 1 <= size <= most:
            raise _bad(f"{name} must be a whole number between 1 and {most:,}")
    if plain.get("share_embedding", True) is not True or plain.get("share_projection", True) is not True:
        raise _bad("its channels do not share their weights")
    try:
        config = PatchTSTConfig(**{name: plain[name] for name in FIELDS if name in plain})
        config.num_input_channels, config.context_length = 1, shape.context
        config.prediction_length = shape.horizon * shape.outputs
        config.loss, config.do_mask_input = "mse", False
        config.architectures = ["PatchTSTForPrediction"]
        return PatchTST(config, shape)
    except (TypeError, ValueError, AttributeError, KeyError, RuntimeError) as error:
        raise _bad(f"transformers cannot build it ({str(error)[:100]})") from None


def context_of(plain: dict[str, Any]) -> int:
    """The history a published PatchTST was made for, in steps; 0 where its config does not say."""
    context = plain.get("context_length", 0)
    return context if type(context) is int else 0


def _bad(reason: str) -> UserError:
    return UserError("model:bad-config", f"The model's config.json cannot be used: {reason}.")
