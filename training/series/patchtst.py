"""PatchTST (Nie et al. 2023) as transformers builds it, so that what is published loads with transformers.

Quantiles are a longer prediction: `prediction_length` is horizon x outputs, read as [horizon, outputs].
"""

from __future__ import annotations

from typing import cast

from torch import Tensor
from transformers import PatchTSTConfig, PatchTSTForPrediction
from transformers.models.patchtst.modeling_patchtst import PatchTSTForPredictionOutput

from training.errors import UserError
from training.series.nets import Covariates, NetShape


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
    """Fresh weights from the global generator."""
    if shape.width % shape.heads or shape.patch > shape.context:
        wanted = "network.width must be a multiple of network.heads, and network.patch at most the context"
        raise UserError("recipe:bad-network", f"{wanted}.")
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
    return PatchTST(config, shape)
