"""Repos under another id: moved, with the old address leading there, or copied (hf-wire section 3)."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from rest_framework.request import Request

from accounts.actor import Level
from accounts.auth import actor_on
from models_app.access import access_repo
from models_app.actions.buckets import BucketExists, move_bucket
from models_app.actions.duplicates import duplicate_repo
from models_app.actions.moves import move_repo
from models_app.actions.refusals import RepoExists
from models_app.api.repo_view import REPO_TYPES, RepoAPIView, repo_url
from models_app.api.repos import refuse_runtime, wanted_private
from models_app.api.wire import (
    HubAPIView,
    WireError,
    error_response,
    json_object,
    public_url,
    raw_path,
    text_field,
)
from models_app.buckets import access_bucket
from models_app.redirects import moved_path, moved_repo


class MoveRepo(HubAPIView):
    """POST /api/repos/move `{"fromRepo", "toRepo", "type"}`; a bucket's own action moves buckets."""

    def post(self, request: Request) -> JsonResponse:
        body = json_object(request)
        repo_type = text_field(body, "type", limit=20, default="model")
        old_id, new_id = (text_field(body, name, limit=200) for name in ("fromRepo", "toRepo"))
        namespace, name = repo_id_parts(new_id, "toRepo")
        if repo_type == "bucket":
            return self._move_bucket(old_id, namespace, name)
        if repo_type not in REPO_TYPES.values():
            raise WireError(400, f"Repos of type {repo_type[:20]!r} are not supported by this hub.")
        repo_id_parts(old_id, "fromRepo")
        repo = access_repo(self.actor, repo_type, old_id, Level.ADMIN, content=False)
        moved = move_repo(self.actor, repo=repo, namespace=namespace, name=name)
        return JsonResponse({"success": True, "url": repo_url(moved), "id": moved.repo_id})

    def _move_bucket(self, old_id: str, namespace: str, name: str) -> JsonResponse:
        bucket = access_bucket(self.actor, old_id, Level.ADMIN)
        try:
            moved = move_bucket(self.actor, bucket=bucket, namespace=namespace, name=name)
        except BucketExists as error:
            message = f"A bucket called {error.bucket.bucket_id} already exists."
            return error_response(409, message)
        url = public_url(f"/buckets/{moved.bucket_id}")
        return JsonResponse({"success": True, "url": url, "id": moved.bucket_id})


class DuplicateRepo(RepoAPIView):
    """POST /api/{T}/{id}/duplicate `{"repository", "visibility"}`; a 409 also carries `url`."""

    def post(self, request: Request, **words: str) -> JsonResponse:
        source = self.repo(content=True)
        body = json_object(request)
        namespace, name = repo_id_parts(text_field(body, "repository", limit=200), "repository")
        refuse_runtime(source.repo_type, body)
        try:
            copy = duplicate_repo(
                self.actor, source=source, namespace=namespace, name=name, private=wanted_private(body)
            )
        except RepoExists as error:
            return error_response(409, error.message, url=repo_url(error.repo))
        return JsonResponse(
            {"url": repo_url(copy), "name": copy.repo_id, "id": str(copy.uuid), "filesCopyPending": False}
        )


def repo_id_parts(repo_id: str, field: str) -> tuple[str, str]:
    """Namespace and name, or WireError 400."""
    namespace, slash, name = repo_id.partition("/")
    if not namespace or not name or not slash or "/" in name:
        raise WireError(400, f"{field!r} must be a repo id of the form namespace/name.")
    return namespace, name


def redirect_of_moved(request: HttpRequest, words: dict[str, str]) -> HttpResponse | None:
    """307 to the same call on the repo that this URL's id used to name; None where there is none.

    Method and body are kept by the client. Who may not know of the repo gets what is missing gets.
    """
    repo_type = REPO_TYPES.get(words.get("kind", ""))
    if repo_type is None or not words.get("namespace") or not words.get("name"):
        return None
    repo = moved_repo(
        actor_on(request), repo_type, f"{words['namespace']}/{words['name'].removesuffix('.git')}"
    )
    if repo is None:
        return None
    query = request.META.get("QUERY_STRING", "")
    location = moved_path(raw_path(request), repo) + (f"?{query}" if query else "")
    # Relative, so that it holds under whatever name and port the client reached us.
    return HttpResponse(
        f"Temporary Redirect. Redirecting to {location}",
        status=HTTPStatus.TEMPORARY_REDIRECT,
        content_type="text/plain; charset=utf-8",
        headers={"Location": location},
    )


urlpatterns = [
    path("api/repos/move", MoveRepo.as_view()),
    path("api/<str:kind>/<str:namespace>/<str:name>/duplicate", DuplicateRepo.as_view()),
]
