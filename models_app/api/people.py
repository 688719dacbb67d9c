"""People and organizations as the wire's JSON, found by name, and their lists page by page."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import Namespace, User
from models_app.api.wire import WireError, next_link, query_int

PAGE = 200
MAX_PAGE = 1000


def person_json(user: User) -> dict[str, Any]:
    """A person in a list: the login is `user`."""
    return {
        "_id": str(user.pk),
        "user": user.username,
        "fullname": user.display_name(),
        "avatarUrl": "",
        "isPro": False,
        "type": "user",
    }


def owner_json(namespace: Namespace) -> dict[str, Any]:
    """A person or an organization as an owner: the login is `name`."""
    return {
        "_id": str(namespace.organization_id or namespace.user_id),
        "name": namespace.name,
        "fullname": namespace.display_name(),
        "avatarUrl": "",
        "isPro": False,
        "type": "org" if namespace.is_organization else "user",
    }


def user_named(name: str) -> tuple[Namespace, User]:
    """A person and their namespace; WireError 404, also for somebody who is suspended."""
    namespace = Namespace.objects.named(name).select_related("user").first()
    if namespace is None or namespace.user is None or namespace.user.is_suspended:
        raise WireError(404, f"There is no user named {name[:96]!r}.")
    return namespace, namespace.user


def organization_named(name: str) -> Namespace:
    """The namespace of an organization, or WireError 404."""
    namespace = Namespace.objects.named(name).select_related("organization").first()
    if namespace is None or not namespace.is_organization:
        raise WireError(404, f"There is no organization named {name[:96]!r}.")
    return namespace


def newest_first(request: HttpRequest, rows: QuerySet[Any]) -> tuple[list[Any], dict[str, str]]:
    """One page and its headers. The cursor is the last row's key, so rows that come or go move no other;
    `limit` is cut to 1000."""
    limit = query_int(request, "limit", default=PAGE, lowest=1, highest=MAX_PAGE)
    cursor = query_int(request, "cursor", default=0, highest=10**12)
    if cursor:
        rows = rows.filter(pk__lt=cursor)
    page = list(rows.order_by("-pk")[: limit + 1])
    if len(page) <= limit:
        return page, {}
    return page[:limit], {"Link": next_link(request, cursor=page[limit - 1].pk)}
