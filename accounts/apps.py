"""Who is here: users, organizations, tokens."""

from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Who is here"
    default_auto_field = "django.db.models.BigAutoField"
