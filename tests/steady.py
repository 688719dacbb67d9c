"""What makes every test repeatable, with Django or without: a pytest plugin and part of `conftest`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

import training  # noqa: F401 (before torch is loaded: it tells torch's threads not to spin on shared cores)

# How fast a busy machine draws examples is no property of the code, and a run must be repeatable; a long
# run, asked for by TUNEYARD_EXAMPLES, is there to see others.
settings.register_profile(
    "tuneyard",
    deadline=None,
    derandomize="TUNEYARD_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tuneyard")
