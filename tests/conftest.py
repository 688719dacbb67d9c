"""The world of every test: alice owns, bob is her colleague, carol is a stranger, mod is staff."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tests.steady  # noqa: F401 (before torch is loaded)
from tests.live import LiveHub, make_hub

if TYPE_CHECKING:
    from accounts.models import User


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """A live hub shared by the session; stories name their repos with `unique` so that they do not meet."""
    live = make_hub(tmp_path_factory.mktemp("hub"))
    yield live
    live.stop()


@pytest.fixture(autouse=True)
def _no_counts_of_another_test() -> None:
    """What the process keeps of the repos' facts belongs to a database that is gone."""
    if (shelf := sys.modules.get("models_app.facet_shelf")) is not None:
        shelf.forget()


@pytest.fixture
def unique() -> str:
    """A repo or file name nobody else in this session has."""
    return f"r{secrets.token_hex(5)}"


@pytest.fixture
def client_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which the stock client has never run: its own cache and Xet memory, no token."""
    home = tmp_path / "hf-home"
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setenv("HF_XET_CACHE", str(home / "xet"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home / "hub"))
    return home


def _make_user(name: str, **fields: object) -> User:
    from accounts.models import Namespace, User

    user = User.objects.create_user(name, f"{name}@example.org", f"{name}-secret-9", **fields)
    Namespace.objects.create(name=name, user=user)
    return user


@pytest.fixture
def alice(db: None) -> User:
    """Owns things."""
    return _make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    """Works with alice where a test says so."""
    return _make_user("bob")


@pytest.fixture
def carol(db: None) -> User:
    """A stranger."""
    return _make_user("carol")


@pytest.fixture
def mod(db: None) -> User:
    """Staff."""
    return _make_user("mod", is_staff=True, is_superuser=True)
