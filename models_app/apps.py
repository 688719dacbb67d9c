"""What is published and said."""

from __future__ import annotations

from django.apps import AppConfig


class ModelsAppConfig(AppConfig):
    name = "models_app"
    verbose_name = "What is published"
    default_auto_field = "django.db.models.BigAutoField"
