"""Checks for combinations that start but are not safe; `manage.py check --deploy` shows them all."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

_LOCAL = ("localhost", "127.0.0.1", "::1", "testserver")


@register()
def check_public_url(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Every address the hub hands out is built from HUB_PUBLIC_URL, so it must be one."""
    parts = urlsplit(settings.HUB_PUBLIC_URL)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        return [
            Error(
                f"HUB_PUBLIC_URL must look like https://hub.example.org, got {settings.HUB_PUBLIC_URL!r}.",
                id="hub.E001",
            )
        ]
    return []


@register()
def check_registration(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A typo must not open or close the door silently."""
    if settings.HUB_REGISTRATION not in ("open", "closed"):
        return [
            Error(
                f"HUB_REGISTRATION is 'open' or 'closed', not {settings.HUB_REGISTRATION!r}.", id="hub.E002"
            )
        ]
    return []


@register(deploy=True)
def check_served_to_others(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What is fine on a laptop and not on an address that others reach."""
    parts = urlsplit(settings.HUB_PUBLIC_URL)
    if parts.hostname in _LOCAL:
        return []
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(Error("HUB_DEBUG shows settings and source to whoever causes an error.", id="hub.E003"))
    if parts.scheme != "https":
        found.append(Warning("HUB_PUBLIC_URL is plain http: tokens travel in the open.", id="hub.W001"))
    if "*" in settings.ALLOWED_HOSTS:
        found.append(Warning("HUB_ALLOWED_HOSTS is *: name the hub's host.", id="hub.W002"))
    on_postgres = "postgresql" in str(settings.DATABASES["default"]["ENGINE"])
    if settings.HUB_BROKER_URL.startswith("filesystem:") and on_postgres:
        found.append(Warning("A filesystem broker reaches workers on this machine only.", id="hub.W003"))
    return found
