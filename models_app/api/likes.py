"""Likes of repos (hf-wire section 11)."""

from __future__ import annotations

from django.http import JsonResponse
from django.urls import path
from rest_framework.request import Request

from models_app import social
from models_app.actions import likes
from models_app.api.people import newest_first, person_json, user_named
from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import HubAPIView, wire_time
from models_app.models import Like as LikeRow
from models_app.models import Repo


class Like(RepoAPIView):
    """POST and DELETE …/like; twice is as good as once. The stock client only takes likes back."""

    def post(self, request: Request, **words: str) -> JsonResponse:
        return _likes_json(likes.like(self.actor, repo=self.repo()))

    def delete(self, request: Request, **words: str) -> JsonResponse:
        return _likes_json(likes.unlike(self.actor, repo=self.repo()))


def _likes_json(repo: Repo) -> JsonResponse:
    return JsonResponse({"success": True, "likes": repo.likes_count})


class Likers(RepoAPIView):
    """GET …/likers: an array with `Link`, the latest first."""

    def get(self, request: Request, **words: str) -> JsonResponse:
        rows = LikeRow.objects.filter(repo=self.repo()).select_related("user")
        page, headers = newest_first(request, rows)
        return JsonResponse([person_json(row.user) for row in page], safe=False, headers=headers)


class UserLikes(HubAPIView):
    """GET /api/users/{name}/likes: an array with `Link` of the repos the caller may know of."""

    def get(self, request: Request, name: str) -> JsonResponse:
        rows = social.likes_of(user_named(name)[1], self.actor).select_related("repo__namespace")
        page, headers = newest_first(request, rows)
        found = [
            {
                "createdAt": wire_time(row.created_at),
                "repo": {"name": row.repo.repo_id, "type": row.repo.repo_type},
            }
            for row in page
        ]
        return JsonResponse(found, safe=False, headers=headers)


_REPO = "api/<str:kind>/<str:namespace>/<str:name>"
urlpatterns = [
    path("api/users/<str:name>/likes", UserLikes.as_view()),
    path(f"{_REPO}/like", Like.as_view()),
    path(f"{_REPO}/likers", Likers.as_view()),
]
