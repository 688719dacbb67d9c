"""What most stories begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

from tests.live import LiveHub
from tests.wire.command import Command


@pytest.fixture
def repo_id(hub: LiveHub, unique: str) -> str:
    """A public model of alice's with nothing in it."""
    return str(hub.api().create_repo(f"alice/{unique}").repo_id)


@pytest.fixture
def hf(hub: LiveHub, tmp_path: Path) -> Command:
    """`hf` as alice on a machine with an empty home."""
    return Command(hub, tmp_path)


@pytest.fixture
def quiet(client_home: Path) -> Iterator[None]:
    """The client of a new machine, without progress bars."""
    disable_progress_bars()
    yield
    enable_progress_bars()
