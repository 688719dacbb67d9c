"""Compute at the desk: what namespaces may use, and the ledger of what they used."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from accounts.desk import LookOnlyAdmin
from runs import quotas
from runs.models import Attempt, ComputeQuota


@admin.register(ComputeQuota)
class ComputeQuotaAdmin(admin.ModelAdmin):
    """An empty field is what the hub's settings say, 0 no limit."""

    list_display = ("namespace", "minutes", "used_minutes", "max_running", "max_waiting", "page")
    list_editable = ("minutes", "max_running", "max_waiting")
    list_select_related = ("namespace",)
    search_fields = ("namespace__name",)
    raw_id_fields = ("namespace",)
    ordering = ("namespace__name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Whose it is, is settled once."""
        return ("namespace",) if obj is not None else ()

    @admin.display(description="used in 30 days")
    def used_minutes(self, row: ComputeQuota) -> str:
        return f"{quotas.usage_of(row.namespace, timezone.now()).seconds / 60:.0f} min"

    @admin.display(description="ledger")
    def page(self, row: ComputeQuota) -> str:
        return format_html('<a href="/queue/{}">open</a>', row.namespace.name)


@admin.register(Attempt)
class AttemptAdmin(LookOnlyAdmin):
    list_display = (
        *("run_page", "number", "namespace", "flavor", "worker_name"),
        *("outcome", "message_id", "seconds_taken", "charged", "started_at", "ended_at"),
    )
    list_filter = ("outcome", "flavor")
    search_fields = ("run__uuid", "namespace__name", "worker_name", "message_id")
    list_select_related = ("run", "namespace")
    date_hierarchy = "started_at"
    ordering = ("-pk",)

    @admin.display(description="run")
    def run_page(self, row: Attempt) -> str:
        return format_html('<a href="{}">{}</a>', row.run.get_absolute_url(), str(row.run.uuid)[:8])

    @admin.display(description="seconds", ordering="seconds")
    def seconds_taken(self, row: Attempt) -> str:
        return f"{row.seconds:.1f}"

    @admin.display(description="charged", ordering="charged_seconds")
    def charged(self, row: Attempt) -> str:
        return f"{row.charged_seconds:.1f}"
