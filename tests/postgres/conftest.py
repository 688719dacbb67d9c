"""A PostgreSQL server, a hub on it, and one's own eyes and hands in the hub's database."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.live import LiveHub, make_hub
from tests.postgres_server import NoPostgres, create_database, postgres_server


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server: the one of `make postgres`, or one of this session's."""
    if given := os.environ.get("HUB_DATABASE_URL"):
        yield given
        return
    try:
        with postgres_server(durable=False) as own:
            yield own.url()
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def hub(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """A live hub on PostgreSQL, shared by these stories."""
    live = make_hub(tmp_path_factory.mktemp("hub"), HUB_DATABASE_URL=create_database(server))
    yield live
    live.stop()


class Database:
    """The hub's database, seen and touched past the hub."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def held(self, query: str, *values: object) -> Iterator[psycopg.Connection]:
        """A transaction that has run `query`, and is undone when the block ends unless it was committed."""
        with psycopg.connect(self.url) as connection:
            connection.execute(query.encode(), values)
            try:
                yield connection
            finally:
                connection.rollback()

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """What the query finds now."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def wait_until_blocked(self, sessions: int) -> None:
        """Return once so many of the hub's sessions wait for a lock; AssertionError after 15 seconds."""
        waiting = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        deadline = time.monotonic() + 15
        while len(self.rows(waiting)) < sessions:
            assert time.monotonic() < deadline, f"never {sessions} sessions waited for a lock"
            time.sleep(0.02)


@pytest.fixture
def database(hub: LiveHub) -> Database:
    """The hub's database."""
    return Database(hub.environment["HUB_DATABASE_URL"])
