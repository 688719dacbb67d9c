"""Who gets on with what: towers of users and items, trained on ratings or on bare interactions."""

from __future__ import annotations
