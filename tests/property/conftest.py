from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def _own_store(settings: Settings, tmp_path: Path) -> None:
    """Every test has a data directory of its own."""
    settings.HUB_DATA_DIR = tmp_path
    for name in ("xorbs", "tmp", "git"):
        setattr(settings, f"HUB_{name.upper()}_DIR", tmp_path / name)
