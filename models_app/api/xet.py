"""The Xet wire: token endpoints of the hub, and the CAS that takes xorbs and shards (hf-wire 19.2, 19.3).

Bearer texts under `/cas/` are signed tickets minted here: they name a user, the token in hand, one repo and
what may be done with it, and everything they name is asked again at every use.
"""

from __future__ import annotations

import time
from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import path, re_path

from accounts.actor import Actor, Level
from accounts.auth import bearer_text
from accounts.models import AccessToken, User
from accounts.tokens import still_valid
from models_app.access import check_repo
from models_app.actions.xet import register_shard, store_xorb
from models_app.api.repo_view import RepoAPIView
from models_app.api.wire import HubAPIView, WireError, body_stream, error_response, public_url
from models_app.files import git_store, xorb_store
from models_app.models import Repo
from models_app.storage.streams import discard
from models_app.storage.xet.xorb import MAX_BODY_BYTES

TICKET_SECONDS = 3600
_SALT = "tuneyard.xet"
_LEVELS = {"read": Level.READ, "write": Level.WRITE}


def mint_ticket(actor: Actor, repo: Repo, access: str) -> str:
    """A signed text good for `TICKET_SECONDS`; it dies earlier with the user, the token or the repo."""
    token = actor.token.pk if actor.token else None
    user = actor.user.pk if actor.user else None
    return signing.dumps({"u": user, "t": token, "r": repo.pk, "a": access}, salt=_SALT)


def read_ticket(request: HttpRequest, need: str) -> tuple[Actor, Repo]:
    """Who sends the request for which repo: WireError 401 for a bad or old ticket, 403 for too weak a one.

    What the ticket's user may do with its repo is asked again, so that rights taken back count at once.
    """
    try:
        data = signing.loads(bearer_text(request) or "", salt=_SALT, max_age=TICKET_SECONDS)
    except signing.BadSignature as error:
        raise WireError(401, "The Xet access token is missing, expired or not from this hub.") from error
    if _LEVELS[data["a"]] < _LEVELS[need]:
        raise WireError(403, "This Xet access token is for reading only.")
    actor, repo = living(data["u"], data["t"], data["r"])
    return actor, check_repo(actor, repo, _LEVELS[need])


def living(user_pk: int | None, token_pk: int | None, repo_pk: int) -> tuple[Actor, Repo]:
    """The actor and repo a ticket names; WireError 401 when user, token or repo are gone."""
    user = User.objects.filter(pk=user_pk or 0, is_active=True, is_suspended=False).first()
    token = AccessToken.objects.select_related("user").filter(pk=token_pk or 0).first()
    repo = Repo.objects.select_related("namespace").filter(pk=repo_pk).first()
    token_gone = token_pk is not None and (token is None or not still_valid(token))
    if repo is None or token_gone or (user_pk is not None and user is None):
        raise WireError(401, "The link or token was made by somebody, or for a repo, that is gone.")
    return Actor(user, token), repo


class XetToken(RepoAPIView):
    """GET /api/{models|datasets}/{id}/xet-{read|write}-token/{rev}: JSON for hf-xet, headers for Python."""

    def get(self, request: HttpRequest, access: str, revision: str, **_: str) -> HttpResponse:
        repo = self.repo(_LEVELS[access], content=True)
        git_store(repo).resolve(revision)
        return _connection(mint_ticket(self.actor, repo, access))


def _connection(ticket: str) -> HttpResponse:
    # The generation in the path keys the client's three-week memory of what it sent (hf-wire 19.5).
    url = public_url(f"/cas/g{xorb_store().generation()}")
    expires = int(time.time()) + TICKET_SECONDS
    response = JsonResponse({"casUrl": url, "exp": expires, "accessToken": ticket})
    response["X-Xet-Cas-Url"] = url
    response["X-Xet-Access-Token"] = ticket
    response["X-Xet-Token-Expiration"] = str(expires)
    response["Cache-Control"] = "no-store"
    return response


class UploadAPIView(HubAPIView):
    """Base of endpoints with large raw bodies: also a refused body is taken off the wire, within bounds.

    A client that still sends when the connection closes sees a broken pipe, not the refusal, and retries.
    """

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        """As everywhere, after the body."""
        discard(body_stream(self.request), MAX_BODY_BYTES)
        return super().handle_exception(exc)


class Xorbs(UploadAPIView):
    """POST /cas/{gen}/v1/xorbs/{prefix}/{hash}: one xorb as the raw body."""

    def post(self, request: HttpRequest, generation: int, prefix: str, name: str) -> HttpResponse:
        actor, _repo = read_ticket(request, "write")
        inserted = store_xorb(
            actor, hash_hex=name, body=body_stream(request), length=_content_length(request)
        )
        return JsonResponse({"was_inserted": inserted})


class Shards(UploadAPIView):
    """POST /cas/{gen}/v1/shards: the files that uploaded xorbs make up, for the ticket's repo."""

    def post(self, request: HttpRequest, generation: int) -> HttpResponse:
        actor, repo = read_ticket(request, "write")
        count = register_shard(actor, repo=repo, body=body_stream(request), length=_content_length(request))
        return JsonResponse({"result": 1 if count else 0})


def _content_length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or ""
    if not text.isdigit():
        raise WireError(411, "The upload must announce its Content-Length.")
    return int(text)


class NotHere(HubAPIView):
    """CAS routes that clients ask first and do without: global deduplication, grants, v2, reconstruction."""

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return error_response(404, "This CAS does not offer that route.")

    post = head = put = get


class Telemetry(HubAPIView):
    """The client reports its timings; nobody keeps them."""

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return JsonResponse({})


_CAS = "cas/g<int:generation>"
urlpatterns = [
    re_path(
        r"^api/(?P<kind>models|datasets|spaces|kernels)/(?P<namespace>[^/]+)/(?P<name>[^/]+)"
        r"/xet-(?P<access>read|write)-token/(?P<revision>[^/]+)$",
        XetToken.as_view(),
    ),
    path(f"{_CAS}/v1/xorbs/<str:prefix>/<str:name>", Xorbs.as_view()),
    path(f"{_CAS}/v1/shards", Shards.as_view()),
    path(f"{_CAS}/v1/telemetry", Telemetry.as_view()),
    path("v1/telemetry", Telemetry.as_view()),
    re_path(r"^cas/(?P<rest>.*)$", NotHere.as_view()),
]
