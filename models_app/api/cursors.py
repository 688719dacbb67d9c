"""Where the next page of a list begins: after a row, not after a count, so that nothing is shown twice."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.db.models import Q

from models_app.api.wire import WireError, read_time
from models_app.models import Repo, RepoQuerySet

_DATES = ("last_modified", "created_at")
_LARGEST = 2**62


class Order(Protocol):
    """A way through a list: one page of it, and the opaque cursor of the next (empty at the end)."""

    def page(self, repos: RepoQuerySet, cursor: str, limit: int) -> tuple[list[Repo], str]: ...


@dataclass(frozen=True)
class FieldOrder:
    """By one column, then by age: rows that come or go between two pages move no other row."""

    field: str
    descending: bool = True

    def page(self, repos: RepoQuerySet, cursor: str, limit: int) -> tuple[list[Repo], str]:
        """The page after `cursor`; WireError 400 for a cursor this hub did not make."""
        if cursor:
            value, pk = self._read(cursor)
            beyond = "lt" if self.descending else "gt"
            same = Q(**{self.field: value, f"pk__{beyond}": pk})
            repos = repos.filter(Q(**{f"{self.field}__{beyond}": value}) | same)
        sign = "-" if self.descending else ""
        rows = list(repos.order_by(f"{sign}{self.field}", f"{sign}pk")[: limit + 1])
        if len(rows) <= limit:
            return rows, ""
        value = getattr(rows[limit - 1], self.field)
        plain = value.isoformat() if isinstance(value, datetime) else value
        return rows[:limit], _pack([self.field, plain, rows[limit - 1].pk])

    def _read(self, cursor: str) -> tuple[Any, int]:
        field, value, pk = _unpack(cursor, 3)
        if field != self.field or not _is_whole(pk):
            raise _bad_cursor()
        if self.field not in _DATES:
            # Written so that what is no number at all (NaN) is refused too.
            if type(value) not in (int, float) or not -_LARGEST < value < _LARGEST:
                raise _bad_cursor()
            return value, pk
        moment = read_time(value)
        if moment is None:
            raise _bad_cursor()
        return moment, pk


@dataclass(frozen=True)
class RelevanceOrder:
    """As the search ranked them; relevance has no stable value, so the cursor counts rows."""

    def page(self, repos: RepoQuerySet, cursor: str, limit: int) -> tuple[list[Repo], str]:
        """The page after `cursor`; WireError 400 for a cursor this hub did not make."""
        start = _unpack(cursor, 1)[0] if cursor else 0
        if not _is_whole(start):
            raise _bad_cursor()
        rows = list(repos[start : start + limit + 1])
        return rows[:limit], _pack([start + limit]) if len(rows) > limit else ""


def _pack(parts: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _unpack(cursor: str, count: int) -> list[Any]:
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor[:500] + "=" * (-len(cursor[:500]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise _bad_cursor() from None
    if not isinstance(parts, list) or len(parts) != count:
        raise _bad_cursor()
    return parts


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < _LARGEST


def _bad_cursor() -> WireError:
    return WireError(400, "The cursor is not one of this list; start again without it.")
