"""Who belongs to whom, and who follows whom (hf-wire section 11): arrays with `Link`, the latest first."""

from __future__ import annotations

from django.http import JsonResponse
from django.urls import path
from rest_framework.request import Request

from accounts.models import Membership, Namespace
from models_app import social
from models_app.actions import follows
from models_app.api.people import newest_first, organization_named, person_json, user_named
from models_app.api.wire import HubAPIView


class OrganizationMembers(HubAPIView):
    """GET /api/organizations/{name}/members: an array with `Link`."""

    def get(self, request: Request, name: str) -> JsonResponse:
        rows = Membership.objects.filter(organization=organization_named(name).organization)
        page, headers = newest_first(request, rows.select_related("user"))
        return JsonResponse([person_json(row.user) for row in page], safe=False, headers=headers)


class OrganizationFollowers(HubAPIView):
    """GET /api/organizations/{name}/followers: an array with `Link`."""

    def get(self, request: Request, name: str) -> JsonResponse:
        rows = social.followers_of(organization_named(name))
        page, headers = newest_first(request, rows.select_related("user"))
        return JsonResponse([person_json(row.user) for row in page], safe=False, headers=headers)


class UserFollowers(HubAPIView):
    """GET /api/users/{name}/followers: an array with `Link`."""

    def get(self, request: Request, name: str) -> JsonResponse:
        rows = social.followers_of(user_named(name)[0])
        page, headers = newest_first(request, rows.select_related("user"))
        return JsonResponse([person_json(row.user) for row in page], safe=False, headers=headers)


class UserFollowing(HubAPIView):
    """GET /api/users/{name}/following: the people, not the organizations; an array with `Link`."""

    def get(self, request: Request, name: str) -> JsonResponse:
        rows = social.followed_people(user_named(name)[1])
        page, headers = newest_first(request, rows.select_related("namespace__user"))
        return JsonResponse([person_json(row.namespace.user) for row in page], safe=False, headers=headers)


class Follow(HubAPIView):
    """POST and DELETE /api/users/{name}/follow and /api/organizations/{name}/follow; twice is once."""

    of_organizations = False

    def post(self, request: Request, name: str) -> JsonResponse:
        follows.follow(self.actor, namespace=self._namespace(name))
        return JsonResponse({"success": True, "isFollowing": True})

    def delete(self, request: Request, name: str) -> JsonResponse:
        follows.unfollow(self.actor, namespace=self._namespace(name))
        return JsonResponse({"success": True, "isFollowing": False})

    def _namespace(self, name: str) -> Namespace:
        return organization_named(name) if self.of_organizations else user_named(name)[0]


urlpatterns = [
    path("api/users/<str:name>/followers", UserFollowers.as_view()),
    path("api/users/<str:name>/following", UserFollowing.as_view()),
    path("api/users/<str:name>/follow", Follow.as_view()),
    path("api/organizations/<str:name>/members", OrganizationMembers.as_view()),
    path("api/organizations/<str:name>/followers", OrganizationFollowers.as_view()),
    path("api/organizations/<str:name>/follow", Follow.as_view(of_organizations=True)),
]
