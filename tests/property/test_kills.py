"""A few kills in every run of the suite; `python -m tests.property.kills --times 300` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.property import kills

pytestmark = pytest.mark.wire


@pytest.mark.timeout(600)
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_state(tmp_path: Path) -> None:
    counts = kills.run(tmp_path, times=9, seed=3, say=print)
    assert counts["kills"] == 9
    assert counts["files read by hash"] > 9
