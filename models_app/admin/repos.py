"""Repos: find them, take them out of service, put them back."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.html import format_html

from accounts.desk import LookOnlyAdmin, do_each
from models_app.actions.repos import disable_repo, enable_repo
from models_app.models import Repo


class DisabledFilter(admin.SimpleListFilter):
    title = "service"
    parameter_name = "disabled"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "disabled"), ("no", "in service")]

    def queryset(self, request: Any, queryset: QuerySet[Repo]) -> QuerySet[Repo]:
        return queryset.filter(disabled_at__isnull=self.value() == "no") if self.value() else queryset


@admin.register(Repo)
class RepoAdmin(LookOnlyAdmin):
    list_display = ("repo_id", "repo_type", "private", "gated", "is_disabled", "last_modified", "page")
    list_filter = ("repo_type", "private", DisabledFilter)
    search_fields = ("name", "namespace__name")
    list_select_related = ("namespace",)
    ordering = ("-last_modified",)
    actions = ("disable", "enable")

    @admin.display(description="disabled", boolean=True)
    def is_disabled(self, row: Repo) -> bool:
        return row.disabled_at is not None

    @admin.display(description="page")
    def page(self, row: Repo) -> str:
        return format_html('<a href="{}">open</a>', row.get_absolute_url())

    @admin.action(description="Disable: nobody but staff can reach it", permissions=["view"])
    def disable(self, request: Any, rows: QuerySet[Repo]) -> None:
        def step(repo: Repo) -> None:
            disable_repo(request.actor, repo=repo, reason="disabled on the admin page")

        do_each(self, request, rows.select_related("namespace"), step, "Disabled")

    @admin.action(description="Enable", permissions=["view"])
    def enable(self, request: Any, rows: QuerySet[Repo]) -> None:
        def step(repo: Repo) -> None:
            enable_repo(request.actor, repo=repo, reason="enabled on the admin page")

        do_each(self, request, rows.select_related("namespace"), step, "Enabled")
