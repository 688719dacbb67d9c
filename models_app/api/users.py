"""Who am I, and who are they (hf-wire sections 2 and 11).

And the two calls that every client process begins with.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import HttpResponse, JsonResponse
from rest_framework.request import Request

from accounts.models import AccessToken, Membership, Namespace, TokenRole
from models_app import social
from models_app.api.people import organization_named, person_json, user_named
from models_app.api.wire import HubAPIView, WireError, wire_time
from models_app.models import Repo, RepoType

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
