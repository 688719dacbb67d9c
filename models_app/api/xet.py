"""The Xet wire's tickets: what the token endpoints of the hub hand out and the CAS takes (hf-wire 19.2).

Bearer texts under `/cas/` are signed tickets minted here: they name a user, the token in hand, one repo or
bucket and what may be done with it, and everything they name is asked again at every use.
"""

from __future__ import annotations

import re
import time
from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import re_path

from accounts.actor import Actor, Level
from accounts.auth import bearer_text
from accounts.models import AccessToken, TokenRole, User
from accounts.tokens import still_valid
from models_app.access import LoginRequired, check_repo
from models_app.api.repo_view import REPO_TYPES, RepoAPIView
from models_app.api.wire import (
    HubAPIView,
    WireError,
    flag,
    public_url,
    upload_stream,
)
from models_app.buckets import check_bucket
from models_app.files import git_store, xorb_store
from models_app.large_files import Place
from models_app.models import Bucket, Discussion, Repo
from models_app.storage.streams import discard
from models_app.storage.xet.xorb import MAX_BODY_BYTES

CAS = "cas/g<int:generation>"
TICKET_SECONDS = 3600
_SALT = "tuneyard.xet"
_LEVELS = {"read": Level.READ, "write": Level.WRITE}
# Uploading for a pull request: the ticket of somebody who may read, and whose commit goes to `refs/pr/N`
# only.
PROPOSE = "propose"
_PULL_REQUEST = re.compile(r"refs/pr/(\d{1,9})")


# --- tickets


def mint_ticket(actor: Actor, place: Place, access: str) -> str:
    """A signed text good for `TICKET_SECONDS`, for `read`, `write` or `propose`; it dies earlier with the
    user, the token, the repo or the bucket."""
    return signing.dumps({**named(actor, place), "a": access}, salt=_SALT)


def read_ticket(request: HttpRequest, need: str) -> tuple[Actor, Place]:
    """Who sends the request for which repo or bucket: WireError 401 for a bad or old ticket, 403 for too weak
    a one.

    What the ticket's user may do there is asked again, so that rights taken back count at once.
    """
    try:
        data = signing.loads(bearer_text(request) or "", salt=_SALT, max_age=TICKET_SECONDS)
    except signing.BadSignature as error:
        raise WireError(401, "The Xet access token is missing, expired or not from this hub.") from error
    proposes = need == "write" and data["a"] == PROPOSE
    if not proposes and _LEVELS.get(data["a"], Level.READ) < _LEVELS[need]:
        raise WireError(403, "This Xet access token is for reading only.")
    return living_reader(data, Level.READ if proposes else _LEVELS[need])


def named(actor: Actor, place: Place) -> dict[str, Any]:
    """What a signed ticket or link says of its bearer and of where it is good."""
    key = "b" if isinstance(place, Bucket) else "r"
    return {
        "u": actor.user.pk if actor.user else None,
        "t": actor.token.pk if actor.token else None,
        key: place.pk,
    }


def living_reader(data: dict[str, Any], need: Level = Level.READ) -> tuple[Actor, Place]:
    """The actor and the place that `named` wrote down, if the one may still do `need` with the other.

    Raises WireError 401 when any of them is gone, or the gate's refusals.
    """
    if "b" not in data:
        actor, repo = living(data["u"], data["t"], data["r"])
        return actor, check_repo(actor, repo, need)
    bearer = _living_actor(data["u"], data["t"])
    bucket = Bucket.objects.select_related("namespace").filter(pk=data["b"]).first()
    if bearer is None or bucket is None:
        raise _gone()
    return bearer, check_bucket(bearer, bucket, need)


def living(user_pk: int | None, token_pk: int | None, repo_pk: int) -> tuple[Actor, Repo]:
    """The actor and repo a ticket names; WireError 401 when user, token or repo are gone."""
    actor = _living_actor(user_pk, token_pk)
    repo = Repo.objects.select_related("namespace").filter(pk=repo_pk).first()
    if actor is None or repo is None:
        raise _gone()
    return actor, repo


def _living_actor(user_pk: int | None, token_pk: int | None) -> Actor | None:
    user = User.objects.filter(pk=user_pk or 0, is_active=True, is_suspended=False).first()
    token = AccessToken.objects.select_related("user").filter(pk=token_pk or 0).first()
    token_gone = token_pk is not None and (token is None or not still_valid(token))
    return None if token_gone or (user_pk is not None and user is None) else Actor(user, token)


def _gone() -> WireError:
    return WireError(401, "The link or token was made by somebody, or for a repo, that is gone.")


class XetToken(RepoAPIView):
    """GET /api/{models|datasets|…}/{id}/xet-{read|write}-token/{rev}: JSON for hf-xet, headers for Python."""

    def get(self, request: HttpRequest, access: str, revision: str, **_: str) -> HttpResponse:
        repo = self.repo(Level.READ, content=True)
        if access == "write" and is_proposal(self.actor, repo, revision, flag(request.GET.get("create_pr"))):
            return connection(mint_ticket(self.actor, repo, PROPOSE))
        check_repo(self.actor, repo, _LEVELS[access])
        git_store(repo).resolve(revision)
        return connection(mint_ticket(self.actor, repo, access))


def is_proposal(actor: Actor, repo: Repo, revision: str, create_pr: bool) -> bool:
    """Whether content is uploaded for a pull request: a new one (the revision is then unknown and unread,
    hf-wire 19.2), or `refs/pr/N` that the actor opened.

    Raises LoginRequired where nobody is signed in; False for credentials that may write nothing.
    """
    found = _PULL_REQUEST.fullmatch(revision)
    if not create_pr and found is None:
        return False
    if actor.user is None:
        raise LoginRequired("Invalid username or password.")
    if actor.token is not None and actor.token.role == TokenRole.READ:
        return False
    if actor.is_scoped and actor.repo_ceiling(repo.repo_type, repo.repo_id, repo.namespace) < Level.WRITE:
        return False
    if create_pr or found is None:
        return True
    opened = Discussion.objects.filter(repo=repo, num=int(found[1]), is_pull_request=True, author=actor.user)
    return opened.exists()


def connection_headers(ticket: str) -> dict[str, str]:
    """Where the CAS is and what opens it, as Python and JavaScript clients read it from headers."""
    # The generation in the path keys the client's three-week memory of what it sent (hf-wire 19.5).
    return {
        "X-Xet-Cas-Url": public_url(f"/cas/g{xorb_store().generation()}"),
        "X-Xet-Access-Token": ticket,
        "X-Xet-Token-Expiration": str(int(time.time()) + TICKET_SECONDS),
    }


def connection(ticket: str) -> HttpResponse:
    """The answer of a token endpoint, in both of the forms that clients read."""
    headers = connection_headers(ticket)
    url, expires = headers["X-Xet-Cas-Url"], int(headers["X-Xet-Token-Expiration"])
    body = {"casUrl": url, "exp": expires, "accessToken": ticket}
    return JsonResponse(body, headers={**headers, "Cache-Control": "no-store"})


class UploadAPIView(HubAPIView):
    """Base of endpoints with large raw bodies: also a refused body is taken off the wire, within bounds.

    A client that still sends when the connection closes sees a broken pipe, not the refusal, and retries.
    """

    def refuse(self, error: Exception) -> HttpResponseBase:
        """As everywhere, after the body."""
        discard(upload_stream(self.request), MAX_BODY_BYTES)
        return super().refuse(error)


urlpatterns = [
    re_path(
        rf"^api/(?P<kind>{'|'.join(REPO_TYPES)})/(?P<namespace>[^/]+)/(?P<name>[^/]+)"
        r"/xet-(?P<access>read|write)-token/(?P<revision>[^/]+)$",
        XetToken.as_view(),
    ),
]
