"""One module per task: honest runs against plain baselines, several seeds each."""

from __future__ import annotations
