"""Who waits for a client holds no database connection, so that a few of them are enough for many threads."""

from __future__ import annotations

from django.db import connections


def give_connection_back() -> None:
    """Return this thread's connection to its process's pool, but in a transaction; the next query takes one.

    Does nothing where connections are not shared (SQLite).
    """
    connection = connections["default"]
    if connection.connection is not None and not connection.in_atomic_block and _is_pooled(connection):
        connection.close()


def _is_pooled(connection: object) -> bool:
    return getattr(connection, "pool", None) is not None
