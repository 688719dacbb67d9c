"""Runs and workers: cancel, requeue, put a worker aside."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.html import format_html

from accounts.desk import LookOnlyAdmin, do_each
from runs import actions as verbs
from runs.lifecycle import put_back
from runs.models import Run, Worker


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


@admin.register(Worker)
class WorkerAdmin(LookOnlyAdmin):
    list_display = ("name", "is_enabled", "flavors", "last_seen_at", "created_at")
    list_filter = ("is_enabled",)
    fields = ("name", "is_enabled", "flavors", "versions", "last_seen_at", "created_at")
    actions = ("enable", "disable")

    @admin.action(description="Enable", permissions=["view"])
    def enable(self, request: Any, rows: QuerySet[Worker]) -> None:
        self.message_user(request, f"Enabled: {rows.update(is_enabled=True)}.")

    @admin.action(description="Disable: it can claim no further run", permissions=["view"])
    def disable(self, request: Any, rows: QuerySet[Worker]) -> None:
        self.message_user(request, f"Disabled: {rows.update(is_enabled=False)}.")
