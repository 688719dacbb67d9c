"""What the fields of a recipe are called and mean that say which part of a net learns."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

STRATEGY_WORDS: dict[str, tuple[Any, Any]] = {
    "network": (
        _("A net without a base"),
        _("A net that is trained from scratch, for tables and series; null with a base model."),
    ),
    "network.kind": (_("Net"), _("Which net, as the task names them; auto is its usual one.")),
    "network.width": (_("Width"), _("Units of a layer; null: the task chooses.")),
    "network.depth": (_("Depth"), _("Layers; null: the task chooses.")),
    "network.heads": (
        _("Attention heads"),
        _("Attention heads, where the net has them; null: the task chooses."),
    ),
    "network.dropout": (_("Dropout"), _("Share of units left out while learning.")),
    "strategy.kind": (_("What learns"), _("Which part learns.")),
    "strategy.head.hidden": (
        _("Hidden layer of the head"),
        _("Units of a hidden layer in the new head (Linear, ReLU, Linear); null: one linear layer."),
    ),
    "strategy.head.pooling": (
        _("What the head reads"),
        _(
            "What the head reads: what the network's last layer reads, or the average of its last "
            "feature maps."
        ),
    ),
    "strategy.stages": (_("Stages that learn"), _("How many stages with last-stages.")),
    "strategy.lr_decay": (_("Learning rate per stage"), _("Learning-rate factor per stage below the head.")),
    "strategy.unfreeze_every": (
        _("Epochs per stage"),
        _("With gradual, epochs until the next stage learns too."),
    ),
    "strategy.probe_epochs": (
        _("Epochs of the head alone"),
        _("With lp-ft, epochs in which the head learns alone, before optim.epochs."),
    ),
    "strategy.probe_lr": (_("Learning rate of the head alone"), _("Highest learning rate of those epochs.")),
    "strategy.l2_sp": (
        _("Pull towards the base (L2-SP)"),
        _(
            "Pull of the body towards its pretrained weights (alpha of L2-SP); optim.weight_decay is "
            "then the head's alone."
        ),
    ),
    "strategy.lora": (_("Adapters (LoRA)"), _("Low-rank adapters, with lora; null: the usual ones.")),
    "strategy.lora.rank": (_("Rank"), _("Rank of the adapters.")),
    "strategy.lora.alpha": (_("Alpha"), _("Their scale is alpha / rank (alpha / √rank with rslora).")),
    "strategy.lora.dropout": (
        _("Dropout of the adapters"),
        _("Share of an adapter's input left out while learning."),
    ),
    "strategy.lora.targets": (
        _("Layers with adapters"),
        _("Names of the layers that get adapters; null: every linear layer but the head."),
    ),
    "strategy.lora.rslora": (_("Rank-stabilised"), _("Rank-stabilised scale.")),
    "strategy.lora.dora": (_("DoRA"), _("Learn magnitude and direction apart.")),
    "strategy.lora.base_precision": (
        _("Numbers of the frozen base"),
        _("How the frozen base is held: int8 and nf4 need a GPU that has them."),
    ),
    "strategy.lora.merge": (
        _("Publish a whole model"),
        _("Publish a whole model with the adapters added in, not the adapters alone."),
    ),
    "strategy.checkpoint_activations": (
        _("Compute activations twice"),
        _("Compute activations twice instead of keeping them: less memory, more time."),
    ),
}
