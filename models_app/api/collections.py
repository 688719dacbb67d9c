"""Collections on the wire (hf-wire section 11). Of a single one `position` is told, in a list never."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse
from django.urls import path
from rest_framework.request import Request

from accounts.actor import Level
from models_app import collections as reads
from models_app.actions import collection_items as items
from models_app.actions import collections as actions
from models_app.api.collection_json import collection_json, single_json
from models_app.api.wire import (
    HubAPIView,
    WireError,
    error_response,
    flag_field,
    json_object,
    paginate,
    query_int,
    query_words,
    text_field,
)
from models_app.models import Collection

PAGE, MAX_PAGE = 50, 100
MAX_POSITION = 10**6
# Nobody can vote here, so collections by their votes, or by what is trending, are the latest first.
_SORTS = ("lastModified", "trending", "upvotes")


class Collections(HubAPIView):
    """GET and POST /api/collections."""

    def get(self, request: Request) -> JsonResponse:
        rows = Collection.objects.visible_to(self.actor)
        if owners := query_words(request, "owner"):
            rows = rows.filter(namespace__name__lower__in=[owner.lower() for owner in owners])
        if named := query_words(request, "item"):
            rows = rows.filter(pk__in=reads.holding(self.actor, named).values("collection"))
        for text in query_words(request, "q")[:1]:
            rows = rows.filter(title__icontains=text)
        sort = request.GET.get("sort") or "lastModified"
        if sort not in _SORTS:
            raise WireError(400, f"'sort' must be one of {', '.join(_SORTS)}.")
        limit = query_int(request, "limit", default=PAGE, lowest=1, highest=MAX_PAGE)
        rows = reads.with_first_items(self.actor, rows.order_by("-updated_at", "-pk"))
        page, headers = paginate(request, rows, limit)
        found = [collection_json(row, row.first_items) for row in page]
        return JsonResponse(found, safe=False, headers=headers)

    def post(self, request: Request) -> JsonResponse:
        body = json_object(request)
        if body.get("resourceGroupId") is not None:
            raise WireError(400, "This hub has no resource groups.")
        try:
            made = actions.create_collection(
                self.actor,
                namespace=text_field(body, "namespace", limit=96, default="") or None,
                title=text_field(body, "title"),
                description=text_field(body, "description", default=""),
                private=bool(flag_field(body, "private")),
            )
        except actions.CollectionExists as error:
            return _exists(error)
        return JsonResponse(single_json(made, self.actor))


class OneCollection(HubAPIView):
    """GET, PATCH and DELETE /api/collections/{namespace}/{words}-{24 hex digits}; PATCH wraps its answer."""

    def get(self, request: Request, namespace: str, slug: str) -> JsonResponse:
        found = reads.access_collection(self.actor, namespace, slug)
        return JsonResponse(single_json(found, self.actor))

    def patch(self, request: Request, namespace: str, slug: str) -> JsonResponse:
        found = reads.access_collection(self.actor, namespace, slug, Level.WRITE)
        body = json_object(request)
        try:
            changed = actions.change_collection(
                self.actor,
                collection=found,
                title=_optional(body, "title"),
                description=_optional(body, "description"),
                theme=_optional(body, "theme"),
                private=flag_field(body, "private"),
                position=_position(body),
            )
        except actions.CollectionExists as error:
            return _exists(error)
        return JsonResponse({"success": True, "data": single_json(changed, self.actor)})

    def delete(self, request: Request, namespace: str, slug: str) -> JsonResponse:
        found = reads.access_collection(self.actor, namespace, slug, Level.WRITE)
        actions.delete_collection(self.actor, collection=found)
        return JsonResponse({"success": True})


class Items(HubAPIView):
    """POST /api/collections/{namespace}/{slug}/items `{"item": {"id", "type"}, "note"}`: the collection."""

    def post(self, request: Request, namespace: str, slug: str) -> JsonResponse:
        found = reads.access_collection(self.actor, namespace, slug, Level.WRITE)
        body = json_object(request)
        item = body.get("item")
        if not isinstance(item, dict):
            raise WireError(400, "'item' must be an object with 'id' and 'type'.")
        try:
            items.add_item(
                self.actor,
                collection=found,
                item_type=text_field(item, "type", limit=20),
                item_id=text_field(item, "id", limit=300),
                note=text_field(body, "note", default=""),
            )
        except items.ItemExists as error:
            return error_response(409, error.message)
        return JsonResponse(single_json(reads.access_collection(self.actor, namespace, slug), self.actor))


class OneItem(HubAPIView):
    """PATCH and DELETE /api/collections/{namespace}/{slug}/items/{_id}."""

    def patch(self, request: Request, namespace: str, slug: str, key: str) -> JsonResponse:
        found = reads.access_collection(self.actor, namespace, slug, Level.WRITE)
        body = json_object(request)
        note, position = _optional(body, "note"), _position(body)
        items.change_item(self.actor, collection=found, key=key, note=note, position=position)
        return JsonResponse({"success": True})

    def delete(self, request: Request, namespace: str, slug: str, key: str) -> JsonResponse:
        found = reads.access_collection(self.actor, namespace, slug, Level.WRITE)
        items.delete_item(self.actor, collection=found, key=key)
        return JsonResponse({"success": True})


def _exists(error: actions.CollectionExists) -> JsonResponse:
    return error_response(409, error.message, slug=error.collection.slug)


def _optional(body: dict[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else text_field(body, name)


def _position(body: dict[str, Any]) -> int | None:
    value = body.get("position")
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= MAX_POSITION:
        raise WireError(400, "'position' must be a whole number of at least 0.")
    return value


_ONE = "api/collections/<str:namespace>/<str:slug>"
urlpatterns = [
    path("api/collections", Collections.as_view()),
    path(_ONE, OneCollection.as_view()),
    path(f"{_ONE}/items", Items.as_view()),
    path(f"{_ONE}/items/<str:key>", OneItem.as_view()),
]
