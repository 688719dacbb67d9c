"""Workers at the desk: all of them, the hub's own and people's; what they do, and what is wanted of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from accounts.desk import LookOnlyAdmin, do_each
from runs import worker_actions as verbs
from runs.models import Stage, Worker, WorkerState


@admin.register(Worker)
class WorkerAdmin(LookOnlyAdmin):
    list_display = (
        "name",
        "online",
        "state",
        "is_enabled",
        "owner",
        "tier",
        "flavors",
        "machine",
        "runs_now",
        "last_seen_at",
    )
    list_filter = ("state", "is_enabled", "tier")
    search_fields = ("name", "owner__name")
    list_select_related = ("owner",)
    fields = (
        "name",
        "online",
        "state",
        "is_enabled",
        "owner",
        "tier",
        "flavors",
        "hardware",
        "versions",
        "doing",
        "runs_now",
        "last_seen_at",
        "created_by",
        "created_at",
    )
    readonly_fields = ("online", "runs_now")
    actions = ("activate", "drain", "take_offline", "enable", "disable")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        held = Count("runs", filter=Q(runs__stage=Stage.RUNNING))
        return super().get_queryset(request).annotate(held=held)

    @admin.display(description="online", boolean=True)
    def online(self, row: Worker) -> bool:
        return row.is_online

    @admin.display(description="runs now", ordering="held")
    def runs_now(self, row: Worker) -> int:
        return int(getattr(row, "held", 0))

    @admin.display(description="machine")
    def machine(self, row: Worker) -> str:
        return row.hardware.get("gpu") or row.hardware.get("platform") or ""

    @admin.action(description="Activate: it takes runs", permissions=["view"])
    def activate(self, request: Any, rows: QuerySet[Worker]) -> None:
        self._want(request, rows, WorkerState.ACTIVE, "Activated")

    @admin.action(description="Drain: it finishes what it has and takes nothing more", permissions=["view"])
    def drain(self, request: Any, rows: QuerySet[Worker]) -> None:
        self._want(request, rows, WorkerState.DRAINING, "Draining")

    @admin.action(description="Take offline: its runs are put back for others", permissions=["view"])
    def take_offline(self, request: Any, rows: QuerySet[Worker]) -> None:
        self._want(request, rows, WorkerState.OFFLINE, "Taken offline")

    @admin.action(description="Enable", permissions=["view"])
    def enable(self, request: Any, rows: QuerySet[Worker]) -> None:
        do_each(
            self,
            request,
            rows,
            lambda row: verbs.set_enabled(request.actor, worker=row, enabled=True),
            "Enabled",
        )

    @admin.action(
        description="Disable: its token counts for nothing, its runs are put back", permissions=["view"]
    )
    def disable(self, request: Any, rows: QuerySet[Worker]) -> None:
        do_each(
            self,
            request,
            rows,
            lambda row: verbs.set_enabled(request.actor, worker=row, enabled=False),
            "Disabled",
        )

    def _want(self, request: Any, rows: QuerySet[Worker], state: WorkerState, done: str) -> None:
        do_each(
            self, request, rows, lambda row: verbs.set_state(request.actor, worker=row, state=state), done
        )
