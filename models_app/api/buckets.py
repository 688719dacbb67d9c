"""Buckets on the wire (section 16): themselves; their files are in `bucket_tree` and `bucket_content`."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import JsonResponse
from django.urls import path, re_path
from rest_framework.request import Request

from accounts.actor import Level
from accounts.models import Namespace
from models_app.access import LoginRequired, NotThere, RepoNotFound
from models_app.actions import buckets as actions
from models_app.api.bucket_content import BucketResolve, BucketXetToken
from models_app.api.bucket_feed import BucketEvents
from models_app.api.bucket_tree import BucketBatch, BucketPaths, BucketTree
from models_app.api.bucket_view import BucketAPIView, own_name
from models_app.api.repos import wanted_private
from models_app.api.wire import (
    HubAPIView,
    WireError,
    error_response,
    json_object,
    paginate,
    public_url,
    query_int,
    wire_time,
)
from models_app.buckets import visible_buckets, with_totals
from models_app.models import Bucket

LIST_SIZE = 100


class Buckets(HubAPIView):
    """GET /api/buckets/{namespace}: those the caller may know of; `me` is one's own, `search` in the name."""

    def get(self, request: Request, namespace: str) -> JsonResponse:
        name = own_name(self.actor, namespace)
        owner = Namespace.objects.named(name).first()
        if owner is None:
            raise RepoNotFound(f"There is no user or organization named {name[:96]!r}.")
        rows = visible_buckets(self.actor).filter(namespace=owner)
        search = request.GET.get("search", "")[:200].replace("\0", "")
        if search:
            rows = rows.filter(name__icontains=search)
        limit = query_int(request, "limit", default=LIST_SIZE, lowest=1, highest=LIST_SIZE)
        page, headers = paginate(request, with_totals(rows).order_by("-updated_at", "-pk"), limit)
        return JsonResponse([_bucket_json(bucket) for bucket in page], safe=False, headers=headers)

    def delete(self, request: Request, namespace: str) -> JsonResponse:
        """404: a bucket's id is `namespace/name`, and the namespace is never guessed."""
        raise NotThere("Bucket not found: its id is namespace/name.")


class BucketRoot(BucketAPIView):
    """GET, POST, DELETE /api/buckets/{namespace}/{name}: look, create, delete."""

    def get(self, request: Request, **words: str) -> JsonResponse:
        bucket = self.bucket()
        rows: QuerySet[Bucket] = Bucket.objects.filter(pk=bucket.pk).select_related("namespace")
        return JsonResponse(_bucket_json(with_totals(rows).get()))

    def post(self, request: Request, namespace: str, name: str) -> JsonResponse:
        """Answers `url`; also with 409, which `exist_ok` needs."""
        if self.actor.user is None:
            raise LoginRequired("Invalid username or password.")
        body = json_object(request)
        for field in ("region", "resourceGroupId"):
            if body.get(field) is not None:
                raise WireError(400, f"This hub has no {field!r} to choose: leave it out.")
        try:
            owner = own_name(self.actor, namespace)
            private = wanted_private(body)
            bucket = actions.create_bucket(self.actor, namespace=owner, name=name, private=private)
        except actions.BucketExists as error:
            return error_response(409, error.message, url=_url(error.bucket), name=error.bucket.bucket_id)
        return JsonResponse({"url": _url(bucket), "name": bucket.bucket_id, "id": str(bucket.uuid)})

    def delete(self, request: Request, **words: str) -> JsonResponse:
        actions.delete_bucket(self.actor, bucket=self.bucket(Level.ADMIN))
        return JsonResponse({"success": True})


class BucketSettings(BucketAPIView):
    """PUT /api/buckets/{id}/settings: `private` or `visibility`; answers them as they are now."""

    def put(self, request: Request, **words: str) -> JsonResponse:
        private = wanted_private(json_object(request))
        if private is None:
            raise WireError(400, "'private' must be true or false.")
        bucket = actions.change_bucket(self.actor, bucket=self.bucket(Level.ADMIN), private=private)
        return JsonResponse({"private": bucket.private, "visibility": _visibility(bucket)})


def _visibility(bucket: Bucket) -> str:
    return "private" if bucket.private else "public"


def _url(bucket: Bucket) -> str:
    return public_url(bucket.get_absolute_url())


def _bucket_json(bucket: Any) -> dict[str, Any]:
    """A bucket of `with_totals`."""
    return {
        "id": bucket.bucket_id,
        "author": bucket.namespace.name,
        "private": bucket.private,
        "visibility": _visibility(bucket),
        "createdAt": wire_time(bucket.created_at),
        "updatedAt": wire_time(bucket.updated_at),
        "size": bucket.total_size,
        "totalFiles": bucket.total_files,
    }


class NoSuchBucketRoute(BucketAPIView):
    """Whatever else is asked of a bucket: the bucket is missing, or the endpoint is."""

    def _answer(self, request: Request, rest: str, **words: str) -> JsonResponse:
        self.bucket()
        raise WireError(404, f"This hub does not serve {rest[:100]!r} for a bucket.")

    get = post = put = patch = delete = _answer


_BUCKET = "api/buckets/<str:namespace>/<str:name>"
urlpatterns = [
    path("api/buckets/<str:namespace>", Buckets.as_view()),
    path(_BUCKET, BucketRoot.as_view()),
    path(f"{_BUCKET}/settings", BucketSettings.as_view()),
    path(f"{_BUCKET}/tree", BucketTree.as_view()),
    path(f"{_BUCKET}/tree/<path:prefix>", BucketTree.as_view()),
    path(f"{_BUCKET}/paths-info", BucketPaths.as_view()),
    path(f"{_BUCKET}/batch", BucketBatch.as_view()),
    path(f"{_BUCKET}/events", BucketEvents.as_view()),
    path(f"{_BUCKET}/xet-read-token", BucketXetToken.as_view()),
    path(f"{_BUCKET}/xet-write-token", BucketXetToken.as_view(access="write")),
    path("buckets/<str:namespace>/<str:name>/resolve/<path:path>", BucketResolve.as_view()),
    re_path(r"^api/buckets/(?P<namespace>[^/]+)/(?P<name>[^/]+)/(?P<rest>.*)$", NoSuchBucketRoute.as_view()),
]
