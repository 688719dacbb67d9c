"""What the admin pages of every room share: rows are looked at, and changed by actions only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest


class LookOnlyAdmin(admin.ModelAdmin):
    """Everything shown, nothing typed over: a row edited here would miss its event, its git or its index."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def do_each(
    desk: Any, request: HttpRequest, rows: QuerySet[Any], step: Callable[[Any], object], done: str
) -> None:
    """Run an action on each chosen row; one message for what was done, one for each refusal."""
    changed = 0
    for row in rows:
        try:
            step(row)
            changed += 1
        except (ValidationError, PermissionDenied) as error:
            text = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
            desk.message_user(request, f"{row}: {text}", messages.ERROR)
        except Exception as error:
            # The rooms' own refusals carry their sentence in `message`; anything else is a fault.
            if not hasattr(error, "message"):
                raise
            desk.message_user(request, f"{row}: {error.message}", messages.ERROR)
    if changed:
        desk.message_user(request, f"{done}: {changed}.", messages.SUCCESS)
