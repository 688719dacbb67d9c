from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def _own_store(settings: Settings, tmp_path: Path) -> None:
    """Every test has a data directory of its own."""
    settings.HUB_XORBS_DIR = tmp_path / "xorbs"
    settings.HUB_TMP_DIR = tmp_path / "tmp"
    settings.HUB_GIT_DIR = tmp_path / "git"
