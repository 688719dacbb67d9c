"""Runs: cancel, requeue, put first or last. Workers and compute have desks of their own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Max, Min, QuerySet
from django.utils.html import format_html

from accounts.desk import LookOnlyAdmin, do_each
from runs import actions as verbs
from runs import admin_compute, admin_workers  # noqa: F401 (register themselves)
from runs.lifecycle import put_back, set_priority
from runs.models import Run


@admin.register(Run)
class RunAdmin(LookOnlyAdmin):
    list_display = (
        "short",
        "stage",
        "activity",
        "priority",
        "created_by",
        "target_repo",
        "worker",
        "attempt",
        "created_at",
        "page",
    )
    list_filter = ("stage", "kind", "priority", "flavor", "worker")
    search_fields = ("uuid", "created_by__username", "target_repo__name")
    list_select_related = ("created_by", "target_repo__namespace", "worker")
    actions = ("cancel", "requeue", "put_first", "put_last", "back_in_line")

    @admin.display(description="run")
    def short(self, row: Run) -> str:
        return str(row.uuid)[:8]

    @admin.display(description="page")
    def page(self, row: Run) -> str:
        return format_html('<a href="{}">open</a>', row.get_absolute_url())

    @admin.action(description="Cancel", permissions=["view"])
    def cancel(self, request: Any, rows: QuerySet[Run]) -> None:
        do_each(self, request, rows, lambda run: verbs.cancel(request.actor, run=run), "Canceled")

    @admin.action(description="Requeue: give a running run to another attempt", permissions=["view"])
    def requeue(self, request: Any, rows: QuerySet[Run]) -> None:
        do_each(self, request, rows, lambda run: put_back(run, lost=False), "Requeued")

    @admin.action(description="Put first: before all that waits at this moment", permissions=["view"])
    def put_first(self, request: Any, rows: QuerySet[Run]) -> None:
        self._rank(request, rows, 1, "Put first")

    @admin.action(description="Put last: when nothing else waits", permissions=["view"])
    def put_last(self, request: Any, rows: QuerySet[Run]) -> None:
        self._rank(request, rows, -1, "Put last")

    @admin.action(description="Back in line: fair shares again", permissions=["view"])
    def back_in_line(self, request: Any, rows: QuerySet[Run]) -> None:
        self._rank(request, rows, 0, "Back in line")

    def _rank(self, request: Any, rows: QuerySet[Run], step: int, done: str) -> None:
        """Each further "first" or "last" goes past the one before."""
        do_each(self, request, rows, lambda run: set_priority(run, priority=_past(run, step)), done)


def _past(run: Run, step: int) -> int:
    found = Run.objects.waiting().exclude(pk=run.pk).aggregate(most=Max("priority"), least=Min("priority"))
    if not step:
        return 0
    return max(found["most"] or 0, 0) + 1 if step > 0 else min(found["least"] or 0, 0) - 1
