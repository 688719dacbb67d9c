"""People at stock clients, who are held to the methods that a test says it tries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import LiveHub
from tests.wire.methods.register import People


@pytest.fixture
def people(request: pytest.FixtureRequest, hub: LiveHub, client_home: Path) -> Iterator[People]:
    """`people("carol").whoami()`; in the end every method the test is marked with must have been called."""
    found = People(hub)
    yield found
    missed = set(getattr(request.function, "tries", ())) - found.asked
    assert missed == set(), f"the test says it tries {sorted(missed)}, and never called them"


@pytest.fixture
def alice(people: People) -> Any:
    """The stock client as alice (no user of the database: these tests have none)."""
    return people()


@pytest.fixture
def model(alice: Any, unique: str) -> str:
    """A fresh model repo of alice's."""
    return str(alice.create_repo(unique).repo_id)
