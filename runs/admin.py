"""Runs: cancel, requeue. Workers have a desk of their own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.html import format_html

from accounts.desk import LookOnlyAdmin, do_each
from runs import actions as verbs
from runs import admin_workers  # noqa: F401 (registers itself)
from runs.lifecycle import put_back
from runs.models import Run


@admin.register(Run)
class RunAdmin(LookOnlyAdmin):
    list_display = (
        "short",
        "stage",
        "activity",
        "created_by",
        "target_repo",
        "worker",
        "attempt",
        "created_at",
        "page",
    )
    list_filter = ("stage", "flavor", "worker")
    search_fields = ("uuid", "created_by__username", "target_repo__name")
    list_select_related = ("created_by", "target_repo__namespace", "worker")
    actions = ("cancel", "requeue")

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
