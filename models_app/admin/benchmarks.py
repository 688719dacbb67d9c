"""Benchmarks and their results: an index over files in repos, so here they are only looked at."""

from __future__ import annotations

from django.contrib import admin

from accounts.desk import LookOnlyAdmin
from models_app.models import Benchmark, EvalResult


@admin.register(Benchmark)
class BenchmarkAdmin(LookOnlyAdmin):
    list_display = ("name", "repo", "is_listed")
    list_filter = ("is_listed",)
    search_fields = ("name", "repo__name", "repo__namespace__name")
    list_select_related = ("repo__namespace",)


@admin.register(EvalResult)
class EvalResultAdmin(LookOnlyAdmin):
    list_display = ("repo", "dataset_id", "task_id", "value", "count", "verified", "date", "run_uuid")
    list_filter = ("verified",)
    search_fields = ("repo__name", "repo__namespace__name", "dataset_id")
    list_select_related = ("repo__namespace",)
