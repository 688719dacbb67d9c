"""Template tags of the runs room."""

from __future__ import annotations
