"""Pictures, texts and columns of the same rows: frozen encoders, and a small net that fuses what they say."""

from __future__ import annotations
