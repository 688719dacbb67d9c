"""Fracast-0: a small pretrained forecaster, as its package keeps it."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.assets.cards import Card, write_model_card
from bench.assets.catalogue import Take


def fracast(folder: Path, take: Take) -> None:
    source = take("fracast") / "fracast/weights"
    for name in ("model.safetensors", "config.json"):
        shutil.copyfile(source / name, folder / name)
    card = Card(
        title="Fracast-0",
        license="apache-2.0",
        license_note="Apache-2.0.",
        packages=["fracast"],
        tasks=["time-series-forecasting"],
        about="A forecaster of 85,001 parameters: up to 2,048 steps of history to 48 steps ahead, nine "
        "quantiles. The "
        "files are the package's. Its pretraining data may hold public series: what it does on them is "
        "not proven "
        "to be zero-shot.",
        front={"library_name": "fracast"},
    )
    write_model_card(folder, card)
