"""The moderators' desk."""

from __future__ import annotations

from models_app.admin import benchmarks, events, repos  # noqa: F401
