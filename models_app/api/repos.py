"""Repos come, change and go on the wire (hf-wire section 3)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from rest_framework.request import Request

from accounts.actor import Level
from models_app.access import RepoNotFound, access_repo
from models_app.actions import repos as actions
from models_app.actions.refusals import RepoExists
from models_app.api.repo_view import REPO_TYPES, RepoAPIView, repo_url
from models_app.api.wire import (
    HubAPIView,
    WireError,
    error_response,
    flag_field,
    json_object,
    raw_segments,
    text_field,
)
from models_app.models import RepoType

_RUNTIME_WORDS = ("hardware", "sleepTimeSeconds", "secrets", "variables", "volumes", "template")


class CreateRepo(HubAPIView):
    """POST /api/repos/create; a 409 also carries `url`, which `exist_ok` needs."""

    def post(self, request: Request) -> JsonResponse:
        body = json_object(request)
        repo_type, namespace, name = _named(body)
        refuse_runtime(repo_type, body)
        try:
            repo = actions.create_repo(
                self.actor,
                repo_type=repo_type,
                namespace=namespace,
                name=name,
                private=wanted_private(body),
                sdk=text_field(body, "sdk", limit=20, default="") if repo_type == RepoType.SPACE else "",
            )
        except RepoExists as error:
            return error_response(409, error.message, url=repo_url(error.repo))
        return JsonResponse({"url": repo_url(repo), "name": repo.repo_id, "id": str(repo.uuid)})


class DeleteRepo(HubAPIView):
    """DELETE /api/repos/delete, with a JSON body."""

    def delete(self, request: Request) -> JsonResponse:
        repo_type, namespace, name = _named(json_object(request))
        if namespace is None:
            namespace = self.actor.user.username if self.actor.user else ""
        repo = access_repo(self.actor, repo_type, f"{namespace}/{name}", Level.ADMIN, content=False)
        actions.delete_repo(self.actor, repo=repo)
        return JsonResponse({"success": True})


def _named(body: dict[str, Any]) -> tuple[str, str | None, str]:
    """Type, namespace (None: my own) and name of a body; `name` may be a whole id where no organization
    is."""
    repo_type = text_field(body, "type", limit=20, default="model")
    name = text_field(body, "name", limit=200)
    namespace = text_field(body, "organization", limit=96, default="") or None
    if namespace is None and "/" in name:
        namespace, _, name = name.partition("/")
    return repo_type, namespace, name


def wanted_private(body: dict[str, Any]) -> bool | None:
    """None when the body says nothing; 2.x clients send `visibility`, older ones `private`."""
    visibility = body.get("visibility")
    if visibility == "protected":
        raise WireError(
            400,
            "'protected' hides the code of a running space, and this hub runs none: use public or private.",
        )
    if visibility is not None:
        if visibility not in ("public", "private"):
            raise WireError(400, "'visibility' must be public or private; this hub knows no other.")
        return bool(visibility == "private")
    return flag_field(body, "private")


def refuse_runtime(repo_type: str, body: dict[str, Any]) -> None:
    """WireError 400 for what only a hub that runs spaces could keep, rather than drop a secret silently."""
    asked = [name for name in _RUNTIME_WORDS if body.get(name)]
    if repo_type == RepoType.SPACE and asked:
        raise WireError(400, f"This hub stores spaces and does not run them: leave out {', '.join(asked)}.")


class RepoSettings(RepoAPIView):
    """PUT /api/{T}/{id}/settings: visibility, gate, discussions; answers the settings as they are now."""

    def put(self, request: Request, **words: str) -> JsonResponse:
        body = json_object(request)
        gated = body.get("gated")
        if gated is False:
            gated = "false"
        if gated is not None and not isinstance(gated, str):
            raise WireError(400, "'gated' must be auto, manual or false.")
        if body.get("xetEnabled") not in (None, True):
            raise WireError(400, "'xetEnabled' can only be true: every repo here takes Xet uploads.")
        repo = actions.change_settings(
            self.actor,
            repo=self.repo(Level.ADMIN),
            private=wanted_private(body),
            gated=gated,
            discussions_disabled=flag_field(body, "discussionsDisabled"),
        )
        return JsonResponse(
            {
                "private": repo.private,
                "visibility": "private" if repo.private else "public",
                "gated": False if repo.gated == "false" else repo.gated,
                "discussionsDisabled": repo.discussions_disabled,
            }
        )


class AuthCheck(RepoAPIView):
    """GET …/auth-check: 200, or the refusal that reading a file would meet."""

    need = Level.READ

    def get(self, request: Request, **words: str) -> JsonResponse:
        self.repo(self.need, content=True)
        return JsonResponse({})


class AuthCheckWrite(AuthCheck):
    """GET …/auth-check/write: the same for writing."""

    need = Level.WRITE


class NoSuchRepo(HubAPIView):
    """Every unmatched path below a repo type. `models/missing/commits/main` reads as repo `missing/commits`,
    so the answer is RepoNotFound unless the repo is there and only the endpoint is not."""

    def _answer(self, request: HttpRequest, **words: str) -> JsonResponse:
        segments = raw_segments(request)
        if segments[0] == "api":
            segments = segments[1:]
        repo_type = REPO_TYPES.get(segments[0])
        if repo_type is None or len(segments) < 3:
            raise RepoNotFound("Repository not found")
        access_repo(self.actor, repo_type, f"{segments[1]}/{segments[2]}", content=False)
        raise WireError(404, f"This hub does not serve {'/'.join(segments[3:])[:100]!r} for a repo.")

    get = post = put = patch = delete = _answer
