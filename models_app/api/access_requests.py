"""Gated repos: ask to be let in, see who asked, decide (hf-wire section 11)."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path
from rest_framework.request import Request

from accounts.actor import Level
from models_app.actions import gating
from models_app.actions.refusals import InvalidInput
from models_app.api.people import newest_first, person_json
from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import WireError, json_object, text_field, wire_time
from models_app.models import AccessRequest, AccessStatus, Repo


class AccessRequests(RepoAPIView):
    """GET …/user-access-request/{pending|accepted|rejected}: an array with `Link`, for who may write."""

    def get(self, request: Request, status: str, **words: str) -> JsonResponse:
        repo = self.repo(Level.WRITE)
        if status not in AccessStatus.values:
            raise WireError(404, "The lists are pending, accepted and rejected.")
        if repo.gated == "false":
            raise InvalidInput(f"{repo.repo_type} {repo.repo_id} is not gated.")
        rows = AccessRequest.objects.filter(repo=repo, status=status).select_related("user")
        page, headers = newest_first(request, rows)
        return JsonResponse([_request_json(row) for row in page], safe=False, headers=headers)


def _request_json(row: AccessRequest) -> dict[str, Any]:
    person = person_json(row.user)
    if not row.granted:
        person["email"] = row.user.email  # who asks shows the owners an address; who was put there did not
    found = {
        "requestId": row.uuid.hex,
        "status": row.status,
        "timestamp": wire_time(row.created_at),
        "user": person,
    }
    return {**found, "fields": row.fields} if row.fields else found


class HandleRequest(RepoAPIView):
    """POST …/user-access-request/handle `{"user" or "requestId", "status", "rejectionReason"}`."""

    def post(self, request: Request, **words: str) -> JsonResponse:
        repo, body = self.repo(Level.WRITE), json_object(request)
        named = [name for name in ("user", "requestId") if body.get(name) is not None]
        if len(named) != 1:
            raise WireError(400, "Name the request by either 'user' or 'requestId'.")
        value = text_field(body, named[0], limit=200)
        found = gating.decide(
            self.actor,
            repo=repo,
            status=text_field(body, "status", limit=20),
            username=value if named[0] == "user" else None,
            request_id=value if named[0] == "requestId" else None,
            reason=text_field(body, "rejectionReason", limit=1000, default=""),
        )
        return JsonResponse(_request_json(found))


class GrantAccess(RepoAPIView):
    """POST …/user-access-request/grant `{"user"}`."""

    def post(self, request: Request, **words: str) -> JsonResponse:
        repo = self.repo(Level.WRITE)
        username = text_field(json_object(request), "user", limit=200)
        return JsonResponse(_request_json(gating.grant(self.actor, repo=repo, username=username)))


class AskAccess(RepoAPIView):
    """POST /{P}{id}/ask-access: the form on the repo's page, which goes back there; scripts get JSON."""

    def post(self, request: HttpRequest, **words: str) -> HttpResponse:
        repo = self.repo()
        by_page = self.actor.token is None
        if self.actor.user is None and not request.headers.get("Authorization"):
            return redirect_to_login(repo.get_absolute_url())
        try:
            found = gating.ask_access(self.actor, repo=repo, answers=_answers(request))
        except InvalidInput as refusal:
            if not by_page:
                raise
            messages.error(_plain(request), refusal.message)
        return _back(repo) if by_page else JsonResponse({"status": found.status})


def _back(repo: Repo) -> HttpResponse:
    response = HttpResponseRedirect(repo.get_absolute_url())
    response.status_code = 303
    return response


def _answers(request: HttpRequest) -> dict[str, Any]:
    if "json" in (request.content_type or ""):
        return json_object(request)
    return _plain(request).POST.dict()


def _plain(request: HttpRequest) -> HttpRequest:
    """Django's own request: the REST framework's would parse a form as JSON here."""
    plain: HttpRequest = getattr(request, "_request", request)
    return plain


_REPO = "api/<str:kind>/<str:namespace>/<str:name>/user-access-request"
_KINDS = {
    "": "models",
    "datasets/": "datasets",
    "spaces/": "spaces",
    "kernels/": "kernels",
    "recipes/": "recipes",
    "tutorials/": "tutorials",
}
urlpatterns = [
    # Before the statuses, which would take these words for one.
    path(f"{_REPO}/handle", HandleRequest.as_view()),
    path(f"{_REPO}/grant", GrantAccess.as_view()),
    path(f"{_REPO}/<str:status>", AccessRequests.as_view()),
    *(
        path(f"{prefix}<str:namespace>/<str:name>/ask-access", AskAccess.as_view(), {"kind": kind})
        for prefix, kind in _KINDS.items()
    ),
]
