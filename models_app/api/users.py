"""Who am I, who are they, who follows whom (hf-wire sections 2 and 11).

And the two calls that every client process begins with.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from rest_framework.request import Request

from accounts.models import AccessToken, Membership, Namespace, TokenRole, User
from models_app import social
from models_app.actions import follows
from models_app.api.wire import HubAPIView, WireError, next_link, query_int, wire_time
from models_app.models import Repo, RepoType

PAGE = 200
MAX_PAGE = 1000
_COUNTED = {
    RepoType.MODEL: "numModels",
    RepoType.DATASET: "numDatasets",
    RepoType.SPACE: "numSpaces",
    RepoType.KERNEL: "numKernels",
}


class WhoAmI(HubAPIView):
    """GET /api/whoami-v2: the client reads `name`, `type`, `orgs` and `auth.accessToken`."""

    def get(self, request: Request) -> JsonResponse:
        user, token = self.actor.user, self.actor.token
        if user is None:
            raise WireError(401, "Invalid username or password.")
        memberships = Membership.objects.filter(user=user).select_related("organization__namespace")
        return JsonResponse(
            {
                "type": "user",
                "id": str(user.pk),
                "name": user.username,
                "fullname": user.display_name(),
                "email": None if self.actor.is_scoped else user.email,
                "emailVerified": user.email_verified,
                "isPro": False,
                "canPay": False,
                "periodEnd": None,
                "avatarUrl": "",
                "orgs": [_org_json(membership) for membership in memberships.order_by("pk")],
                "auth": _auth_json(token),
            }
        )


def _org_json(membership: Membership) -> dict[str, Any]:
    organization = membership.organization
    return {
        "type": "org",
        "id": str(organization.pk),
        "name": organization.namespace.name,
        "fullname": organization.namespace.display_name(),
        "email": None,
        "avatarUrl": "",
        "roleInOrg": membership.role,
        "isEnterprise": False,
        "canPay": False,
        "periodEnd": None,
    }


def _auth_json(token: AccessToken | None) -> dict[str, Any]:
    if token is None:
        return {"type": "session"}
    created = wire_time(token.created_at)
    found: dict[str, Any] = {"displayName": token.name, "role": token.role, "createdAt": created}
    if token.expires_at is not None:
        found["expiresAt"] = wire_time(token.expires_at)
    if token.role == TokenRole.FINE_GRAINED:
        found["fineGrained"] = {"global": [], "scoped": _scopes_json(token.scopes)}
    return {"type": "access_token", "accessToken": found}


def _scopes_json(scopes: dict[str, Any]) -> list[dict[str, Any]]:
    """What a fine-grained token lists, in the field's words for entities and permissions."""
    found = []
    for key, level in scopes.get("repos", {}).items():
        repo_type, _, repo_id = key.partition(":")
        found.append({"entity": {"type": repo_type, "name": repo_id}, "permissions": _permissions(level)})
    for name, level in scopes.get("namespaces", {}).items():
        found.append({"entity": {"type": "namespace", "name": name}, "permissions": _permissions(level)})
    return found


def _permissions(level: str) -> list[str]:
    return ["repo.content.read", "repo.write"] if level in ("write", "admin") else ["repo.content.read"]


class UserOverview(HubAPIView):
    """GET /api/users/{name}/overview: counts are of what the caller may see."""

    def get(self, request: Request, name: str) -> JsonResponse:
        namespace, user = user_named(name)
        memberships = Membership.objects.filter(user=user).select_related("organization__namespace")
        return JsonResponse(
            {
                **person_json(user),
                "details": user.bio,
                "isFollowing": social.is_following(self.actor, namespace),
                "createdAt": wire_time(namespace.created_at),
                **repo_counts(self, namespace),
                "numDiscussions": social.discussions_of(user, self.actor).count(),
                "numPapers": 0,
                "numUpvotes": 0,
                "numLikes": social.likes_of(user, self.actor).count(),
                "numFollowers": social.followers_of(namespace).count(),
                "numFollowing": social.followed_people(user).count(),
                "orgs": [
                    {
                        "id": str(m.organization.pk),
                        "name": m.organization.namespace.name,
                        "fullname": m.organization.namespace.display_name(),
                        "avatarUrl": "",
                    }
                    for m in memberships.order_by("pk")
                ],
            }
        )


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


def repo_counts(view: HubAPIView, namespace: Namespace) -> dict[str, int]:
    """How many repos of each type the caller can see in a namespace."""
    repos = Repo.objects.visible_to(view.actor).filter(namespace=namespace).order_by()
    counted = dict(repos.values_list("repo_type").annotate(count=Count("pk")))
    return {name: counted.get(repo_type.value, 0) for repo_type, name in _COUNTED.items()}


class OrganizationOverview(HubAPIView):
    """GET /api/organizations/{name}/overview."""

    def get(self, request: Request, name: str) -> JsonResponse:
        namespace = organization_named(name)
        organization = namespace.organization
        return JsonResponse(
            {
                "_id": str(namespace.organization_id),
                "name": namespace.name,
                "fullname": namespace.display_name(),
                "details": organization.details if organization else "",
                "avatarUrl": "",
                "type": "org",
                "isVerified": False,
                "isFollowing": social.is_following(self.actor, namespace),
                "createdAt": wire_time(namespace.created_at),
                "numUsers": Membership.objects.filter(organization=organization).count(),
                "numFollowers": social.followers_of(namespace).count(),
                "numPapers": 0,
                **repo_counts(self, namespace),
            }
        )


def user_named(name: str) -> tuple[Namespace, User]:
    """A person and their namespace, or WireError 404."""
    rows = Namespace.objects.select_related("user").filter(user__isnull=False)
    namespace = rows.filter(name__lower=name.lower()).first() if name.isprintable() else None
    if namespace is None or namespace.user is None:
        raise WireError(404, f"There is no user named {name[:96]!r}.")
    return namespace, namespace.user


def organization_named(name: str) -> Namespace:
    """The namespace of an organization, or WireError 404."""
    rows = Namespace.objects.select_related("organization").filter(organization__isnull=False)
    namespace = rows.filter(name__lower=name.lower()).first() if name.isprintable() else None
    if namespace is None:
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


class AgentHarnesses(HubAPIView):
    """GET /api/agent-harnesses: the first call of a client process; cached by it for a day when it is
    JSON."""

    def get(self, request: Request) -> JsonResponse:
        return JsonResponse({"standardEnvVars": [], "harnesses": {}})


class Telemetry(HubAPIView):
    """HEAD /api/telemetry/…: answered and forgotten; this hub counts nobody."""

    def get(self, request: Request, topic: str) -> HttpResponse:
        return HttpResponse(b"")

    post = get


urlpatterns = [
    path("api/users/<str:name>/followers", UserFollowers.as_view()),
    path("api/users/<str:name>/following", UserFollowing.as_view()),
    path("api/users/<str:name>/follow", Follow.as_view()),
    path("api/organizations/<str:name>/followers", OrganizationFollowers.as_view()),
    path("api/organizations/<str:name>/follow", Follow.as_view(of_organizations=True)),
]
