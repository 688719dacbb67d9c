"""Every public method of the newest client's `HfApi`, called against a live hub, or refused for a reason."""

from __future__ import annotations
