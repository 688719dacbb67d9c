"""Who am I, who are they (hf-wire sections 2 and 11), and the two calls every client process begins with."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse
from rest_framework.request import Request

from accounts.models import AccessToken, Membership, Namespace, User
from models_app.api.wire import HubAPIView, WireError, paginate, wire_time
from models_app.models import Repo


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
    return {
        "type": "access_token",
        "accessToken": {"displayName": token.name, "role": token.role, "createdAt": created},
    }


class UserOverview(HubAPIView):
    """GET /api/users/{name}/overview: counts are of what the caller may see."""

    def get(self, request: Request, name: str) -> JsonResponse:
        rows = Namespace.objects.select_related("user").filter(user__isnull=False)
        namespace = rows.filter(name__lower=name.lower()).first() if name.isprintable() else None
        if namespace is None or namespace.user is None:
            raise WireError(404, f"There is no user named {name[:96]!r}.")
        memberships = Membership.objects.filter(user=namespace.user).select_related("organization__namespace")
        return JsonResponse(
            {
                **_person_json(namespace.user),
                "details": namespace.user.bio,
                "isFollowing": False,
                "createdAt": wire_time(namespace.created_at),
                **repo_counts(self, namespace),
                "orgs": [
                    {
                        "name": m.organization.namespace.name,
                        "fullname": m.organization.fullname,
                        "avatarUrl": "",
                    }
                    for m in memberships.order_by("pk")
                ],
            }
        )


def _person_json(user: User) -> dict[str, Any]:
    return {
        "_id": str(user.pk),
        "user": user.username,
        "fullname": user.display_name(),
        "avatarUrl": "",
        "isPro": False,
        "type": "user",
    }


def repo_counts(view: HubAPIView, namespace: Namespace) -> dict[str, int]:
    """How many repos of each type the caller can see in a namespace."""
    repos = Repo.objects.visible_to(view.actor).filter(namespace=namespace)
    return {"numModels": repos.models().count(), "numDatasets": repos.datasets().count(), "numSpaces": 0}


class OrganizationOverview(HubAPIView):
    """GET /api/organizations/{name}/overview."""

    def get(self, request: Request, name: str) -> JsonResponse:
        namespace = organization_namespace(name)
        organization = namespace.organization
        members = Membership.objects.filter(organization=organization).count()
        return JsonResponse(
            {
                "name": namespace.name,
                "fullname": namespace.display_name(),
                "details": organization.details if organization else "",
                "avatarUrl": "",
                "type": "org",
                "isVerified": False,
                "isFollowing": False,
                "numUsers": members,
                **repo_counts(self, namespace),
            }
        )


def organization_namespace(name: str) -> Namespace:
    """The namespace of an organization, or WireError 404."""
    rows = Namespace.objects.select_related("organization").filter(organization__isnull=False)
    namespace = rows.filter(name__lower=name.lower()).first() if name.isprintable() else None
    if namespace is None:
        raise WireError(404, f"There is no organization named {name[:96]!r}.")
    return namespace


class OrganizationMembers(HubAPIView):
    """GET /api/organizations/{name}/members: an array with `Link`."""

    def get(self, request: Request, name: str) -> JsonResponse:
        rows = Membership.objects.filter(organization=organization_namespace(name).organization)
        page, headers = paginate(request, rows.select_related("user").order_by("pk"), 200)
        return JsonResponse([_person_json(row.user) for row in page], safe=False, headers=headers)


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
