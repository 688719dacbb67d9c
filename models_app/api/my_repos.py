"""What somebody's repos and buckets take up (hf-wire section 3, `hf repos list`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Sum
from django.http import JsonResponse
from django.urls import path
from rest_framework.request import Request

from accounts.actor import Actor, Level
from accounts.models import Namespace
from models_app.access import Forbidden, LoginRequired
from models_app.api.people import organization_named
from models_app.api.wire import HubAPIView, paginate, wire_time
from models_app.buckets import visible_buckets
from models_app.models import Repo

PAGE = 500


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    type: str
    updated_at: datetime
    private: bool
    storage: int


class MyRepositories(HubAPIView):
    """GET /api/settings/repositories: the caller's own, the latest first, pages by `Link`."""

    def get(self, request: Request) -> JsonResponse:
        if self.actor.user is None:
            raise LoginRequired("Invalid username or password.")
        return _answer(self.actor, request, Namespace.objects.get(user=self.actor.user))


class OrganizationRepositories(HubAPIView):
    """GET /api/organizations/{name}/settings/repositories: for its members."""

    def get(self, request: Request, name: str) -> JsonResponse:
        if self.actor.user is None:
            raise LoginRequired("Invalid username or password.")
        namespace = organization_named(name)
        if self.actor.namespace_levels.get(namespace.pk, Level.NONE) < Level.READ:
            raise Forbidden(f"You are not a member of {namespace.name}.")
        return _answer(self.actor, request, namespace)


def _answer(actor: Actor, request: Request, namespace: Namespace) -> JsonResponse:
    rows = sorted(
        [*_repos(actor, namespace), *_buckets(actor, namespace)], key=lambda row: row.updated_at, reverse=True
    )
    total = sum(row.storage for row in rows)
    page, headers = paginate(request, rows, PAGE)
    return JsonResponse([_row_json(row, total) for row in page], safe=False, headers=headers)


def _repos(actor: Actor, namespace: Namespace) -> list[_Row]:
    found = Repo.objects.visible_to(actor).filter(namespace=namespace)
    fields = ("name", "repo_type", "last_modified", "private", "card__total_bytes")
    return [
        _Row(f"{namespace.name}/{name}", repo_type, at, private, size or 0)
        for name, repo_type, at, private, size in found.values_list(*fields)
    ]


def _buckets(actor: Actor, namespace: Namespace) -> list[_Row]:
    found = visible_buckets(actor).filter(namespace=namespace).annotate(size=Sum("files__file__size"))
    fields = ("name", "updated_at", "private", "size")
    return [
        _Row(f"{namespace.name}/{name}", "bucket", at, private, size or 0)
        for name, at, private, size in found.values_list(*fields)
    ]


def _row_json(row: _Row, total: int) -> dict[str, Any]:
    return {
        "id": row.id,
        "type": row.type,
        "updatedAt": wire_time(row.updated_at),
        "visibility": "private" if row.private else "public",
        "storage": row.storage,
        "storagePercent": round(100 * row.storage / total, 4) if total else 0,
    }


urlpatterns = [
    path("api/settings/repositories", MyRepositories.as_view()),
    path("api/organizations/<str:name>/settings/repositories", OrganizationRepositories.as_view()),
]
