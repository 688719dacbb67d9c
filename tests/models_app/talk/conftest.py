"""A repo of alice's, carol who takes part, and the forum."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.models import User
from models_app.actions.forum import ensure_topics
from models_app.actions.repos import create_repo
from models_app.models import Repo

BACKEND = "accounts.backends.AccountBackend"


@pytest.fixture(autouse=True)
def _storages(tmp_path: Path, settings: pytest.FixtureRequest) -> None:
    for name in ("GIT", "TMP", "PARTS", "XORBS", "ATTACHMENTS"):
        folder = tmp_path / name.lower()
        folder.mkdir()
        setattr(settings, f"HUB_{name}_DIR", folder)


@pytest.fixture
def net(alice: User) -> Repo:
    return create_repo(Actor(alice), repo_type="model", namespace="alice", name="net")


@pytest.fixture
def forum(db: None) -> list[str]:
    return ensure_topics()


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


@pytest.fixture
def as_alice(alice: User) -> Client:
    return signed_in(alice)


@pytest.fixture
def as_carol(carol: User) -> Client:
    return signed_in(carol)


@pytest.fixture
def as_mod(mod: User) -> Client:
    return signed_in(mod)
