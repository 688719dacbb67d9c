"""What every test of people begins with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache


@pytest.fixture
def nobody_counted_yet() -> Iterator[None]:
    """No attempt has been counted against anybody (accounts/throttle.py), and none will be afterwards."""
    cache.clear()
    yield
    cache.clear()
