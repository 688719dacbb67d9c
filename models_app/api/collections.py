"""Collections on the wire (hf-wire section 11). Of a single one `position` is told, in a list never."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse
from django.urls import path
from django.utils.html import escape
from rest_framework.request import Request

from accounts.actor import Actor, Level
from models_app import collections as reads
from models_app.actions import collections as actions
from models_app.api.summaries import summary_json
from models_app.api.users import owner_json
from models_app.api.wire import (
    HubAPIView,
    WireError,
    error_response,
    json_object,
    paginate,
    query_int,
    text_field,
    wire_time,
)
from models_app.models import Collection, CollectionItem, RepoType

PAGE, MAX_PAGE = 50, 100
MAX_FILTERS = 20
MAX_POSITION = 10**6
# Nobody can vote here, so collections by their votes, or by what is trending, are the latest first.
_SORTS = ("lastModified", "trending", "upvotes")
_REPO_PROPERTIES = ("author", "downloads", "gated", "lastModified", "likes", "private")


class Collections(HubAPIView):
    """GET and POST /api/collections."""

    def get(self, request: Request) -> JsonResponse:
        rows = Collection.objects.visible_to(self.actor)
        if owners := _words(request, "owner"):
            rows = rows.filter(namespace__name__lower__in=[owner.lower() for owner in owners])
        if items := _words(request, "item"):
            rows = rows.filter(pk__in=reads.holding(self.actor, items).values("collection"))
        for text in _words(request, "q")[:1]:
            rows = rows.filter(title__icontains=text)
        sort = request.GET.get("sort") or "lastModified"
        if sort not in _SORTS:
            raise WireError(400, f"'sort' must be one of {', '.join(_SORTS)}.")
        limit = query_int(request, "limit", default=PAGE, lowest=1, highest=MAX_PAGE)
        rows = reads.with_first_items(self.actor, rows.order_by("-updated_at", "-pk"))
        page, headers = paginate(request, rows, limit)
        found = [collection_json(row, row.first_items, self.actor) for row in page]
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
                private=bool(_flag(body, "private")),
            )
        except actions.CollectionExists as error:
            return _exists(error)
        return JsonResponse(_single(made, self.actor))


class OneCollection(HubAPIView):
    """GET, PATCH and DELETE /api/collections/{namespace}/{words}-{24 hex digits}; PATCH wraps its answer."""

    def get(self, request: Request, namespace: str, slug: str) -> JsonResponse:
        found = reads.access_collection(self.actor, namespace, slug)
        return JsonResponse(_single(found, self.actor))

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
                private=_flag(body, "private"),
                position=_position(body),
            )
        except actions.CollectionExists as error:
            return _exists(error)
        return JsonResponse({"success": True, "data": _single(changed, self.actor)})

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
            actions.add_item(
                self.actor,
                collection=found,
                item_type=text_field(item, "type", limit=20),
                item_id=text_field(item, "id", limit=300),
                note=text_field(body, "note", default=""),
            )
        except actions.ItemExists as error:
            return error_response(409, error.message)
        return JsonResponse(_single(reads.access_collection(self.actor, namespace, slug), self.actor))


class OneItem(HubAPIView):
    """PATCH and DELETE /api/collections/{namespace}/{slug}/items/{_id}."""

    def patch(self, request: Request, namespace: str, slug: str, key: str) -> JsonResponse:
        found = reads.access_collection(self.actor, namespace, slug, Level.WRITE)
        body = json_object(request)
        note, position = _optional(body, "note"), _position(body)
        actions.change_item(self.actor, collection=found, key=key, note=note, position=position)
        return JsonResponse({"success": True})

    def delete(self, request: Request, namespace: str, slug: str, key: str) -> JsonResponse:
        found = reads.access_collection(self.actor, namespace, slug, Level.WRITE)
        actions.delete_item(self.actor, collection=found, key=key)
        return JsonResponse({"success": True})


def collection_json(collection: Collection, items: list[CollectionItem], actor: Actor) -> dict[str, Any]:
    """A collection as an entry of a list; an empty description is left out."""
    found: dict[str, Any] = {
        "slug": collection.slug,
        "title": collection.title,
        "gating": False,
        "lastUpdated": wire_time(collection.updated_at),
        "owner": owner_json(collection.namespace),
        "items": [item_json(item, actor) for item in items],
        "theme": collection.theme,
        "private": collection.private,
        "upvotes": 0,
        "isUpvotedByUser": False,
    }
    return {**found, "description": collection.description} if collection.description else found


def _single(collection: Collection, actor: Actor) -> dict[str, Any]:
    items = reads.items_of(actor, collection)
    return {**collection_json(collection, items, actor), "position": collection.position}


def item_json(item: CollectionItem, actor: Actor) -> dict[str, Any]:
    """An item with what a list shows of the thing; `_id` is the item's own."""
    found = _thing_json(item, actor)
    found |= {"_id": item.key, "type": item.item_type, "position": item.position}
    if item.note:
        found["note"] = {"text": item.note, "html": escape(item.note)}
    return found


def _thing_json(item: CollectionItem, actor: Actor) -> dict[str, Any]:
    if item.repo is not None:
        is_model = item.repo.repo_type == RepoType.MODEL
        wanted = (*_REPO_PROPERTIES, "pipeline_tag") if is_model else _REPO_PROPERTIES
        return {**summary_json(item.repo, actor, wanted), "repoType": item.repo.repo_type}
    if item.nested is not None:
        nested = item.nested
        return {
            "id": nested.key,
            "slug": nested.slug,
            "title": nested.title,
            "private": nested.private,
            "theme": nested.theme,
            "lastUpdated": wire_time(nested.updated_at),
        }
    bucket = item.bucket
    return {"id": bucket.bucket_id, "private": bucket.private} if bucket else {}


def _exists(error: actions.CollectionExists) -> JsonResponse:
    return error_response(409, error.message, slug=error.collection.slug)


def _words(request: Request, name: str) -> list[str]:
    """The values of a repeatable parameter; WireError 400 for more than 20."""
    words = [word.replace("\0", "").strip()[:300] for word in request.GET.getlist(name)]
    if len(words) > MAX_FILTERS:
        raise WireError(400, f"{name!r} may be given at most {MAX_FILTERS} times.")
    return [word for word in words if word]


def _optional(body: dict[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else text_field(body, name)


def _flag(body: dict[str, Any], name: str) -> bool | None:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise WireError(400, f"{name!r} must be true or false.")
    return value


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
