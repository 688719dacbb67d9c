"""Which runs are alike in memory and pace, so that what was measured of one foretells the others.

Standard library only: the web asks for the key of a recipe that it has not run yet.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

# Raised whenever equal recipes could cost something else than before.
SHAPES_VERSION = 1
# What neither memory nor pace follows from, by section.
FREE: dict[str, tuple[str, ...]] = {
    "dataset": ("fold", "mix_alpha"),
    "strategy": ("lr_decay", "probe_lr"),
    "optim": ("lr", "weight_decay", "epochs", "warmup_fraction", "schedule", "label_smoothing"),
}
# Whole sections of that kind: what is minimised costs next to nothing beside the net.
FREE_SECTIONS = ("seed", "loss", "study", "version", "base_model")
# Of these it only matters whether they are used.
SWITCHES = (("strategy", "l2_sp"), ("optim", "momentum"), ("optim", "ema"), ("optim", "grad_clip"))


def shape_key(
    recipe: Mapping[str, Any], *, base_oid: str = "", dataset_oid: str, benchmark_oid: str = ""
) -> str:
    """64 hex digits, equal for recipes that need the same memory and the same time an epoch.

    `recipe` is `Recipe.as_dict()`; the oids are the commits that it is run with, which stand for the names
    of the repos. Epochs, rates, schedule and seed are left out: `Forecast.for_recipe` scales to the epochs.
    """
    told = json.dumps(
        {
            "version": SHAPES_VERSION,
            "shape": shape_of(recipe),
            "base": base_oid,
            "dataset": dataset_oid,
            "benchmark": benchmark_oid,
        },
        sort_keys=True,
    )
    return hashlib.sha256(told.encode()).hexdigest()


def shape_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a recipe that decides memory and pace, without names and revisions of repos."""
    plain = copy.deepcopy({name: item for name, item in recipe.items() if name not in FREE_SECTIONS})
    for section, names in FREE.items():
        for name in names:
            plain.get(section, {}).pop(name, None)
    for section in ("dataset", "benchmark"):
        for name in ("repo", "revision"):
            (plain.get(section) or {}).pop(name, None)
    for section, name in SWITCHES:
        if name in plain.get(section, {}):
            plain[section][name] = bool(plain[section][name])
    if (plain.get("strategy") or {}).get("lora"):
        plain["strategy"]["lora"].pop("alpha", None)
    stopping = plain.get("early_stopping") or {}
    # A patient run keeps the best weights beside the last ones, and looks once before the first step.
    plain["early_stopping"] = {
        "patience": bool(stopping.get("patience")),
        "metric": bool(stopping.get("metric")),
    }
    return plain
