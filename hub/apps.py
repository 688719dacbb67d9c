"""The project as an app: it brings the checks, the commands and the broker."""

from __future__ import annotations

from django.apps import AppConfig


class HubConfig(AppConfig):
    name = "hub"

    def ready(self) -> None:
        from hub import celery, checks  # noqa: F401
