"""The log of what happened."""

from __future__ import annotations

from django.contrib import admin

from accounts.desk import LookOnlyAdmin
from models_app.models import Event


@admin.register(Event)
class EventAdmin(LookOnlyAdmin):
    list_display = ("at", "tag", "actor", "repo", "data")
    list_filter = ("tag",)
    search_fields = ("actor__username", "repo__name", "repo__namespace__name")
    list_select_related = ("actor", "repo__namespace")
    date_hierarchy = "at"
