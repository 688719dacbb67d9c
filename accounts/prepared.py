"""Small look-ups whose SQL is written once: what every request asks must not cost a millisecond of its own.

For a look-up by an indexed column Django takes far longer to write the SQL than the database to answer it
(measured: 0.5 ms against 0.03 ms). Here a queryset is compiled once a thread and run with other values then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from django.db import connections, models
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=models.Model)


class Prepared(Generic[M]):
    """`build(*values)` for a queryset that ends up as the same SQL whatever the values.

    `stand_ins` are values of the same types that mean nothing else; they are only compiled. The queryset
    selects rows (with `select_related` and `defer` as it likes) and hands the values to the database
    unchanged; ValueError where it does not.
    """

    def __init__(self, build: Callable[..., models.QuerySet[M]], *stand_ins: str | int) -> None:
        self._build = build
        self._stand_ins = stand_ins
        # Connections belong to threads, and a compiled query to its connection.
        self._compiled = threading.local()

    def first(self, *values: str | int) -> M | None:
        """The one row that these values find, or None."""
        found: M | None = next(iter(self._current().rows(values, 1)), None)
        return found

    def all(self, *values: str | int) -> list[M]:
        """Every row that these values find; for what is known to be few."""
        return list(self._current().rows(values))

    def _current(self) -> _Statement:
        statement: _Statement | None = getattr(self._compiled, "statement", None)
        if statement is None or not statement.is_current():
            statement = self._compiled.statement = _Statement(self._build(*self._stand_ins), self._stand_ins)
        return statement


class _Statement:
    """The compiled form of one queryset on one connection."""

    def __init__(self, queryset: models.QuerySet[Any], stand_ins: tuple[str | int, ...]) -> None:
        compiler = self.compiler = queryset.query.get_compiler(using=queryset.db)
        self.connection = compiler.connection
        self.sql, params = compiler.as_sql()
        if missing := set(stand_ins).difference(params):
            raise ValueError(f"The query does not pass on {missing} as given.")
        places = {value: place for place, value in enumerate(stand_ins)}
        self.sources = [(places.get(param), param) for param in params]
        fields = compiler.klass_info["select_fields"]
        self.own = slice(fields[0], fields[-1] + 1)
        self.names = [column.target.attname for column, _, _ in compiler.select[self.own]]
        self.converters = compiler.get_converters([column for column, _, _ in compiler.select])
        self.related = get_related_populators(  # the stubs are of a later Django
            compiler.klass_info, compiler.select, queryset.db
        )  # type: ignore[call-arg]

    def is_current(self) -> bool:
        return connections[self.connection.alias] is self.connection

    def rows(self, values: tuple[str | int, ...], most: int | None = None) -> Iterator[Any]:
        params = [constant if place is None else values[place] for place, constant in self.sources]
        with self.connection.cursor() as cursor:
            cursor.execute(self.sql, params)
            rows = cursor.fetchmany(most) if most else cursor.fetchall()
        for row in self.compiler.apply_converters(rows, self.converters):
            instance = self.compiler.klass_info["model"].from_db(
                self.connection.alias, self.names, row[self.own]
            )
            for populator in self.related:
                populator.populate(row, instance)
            yield instance
