"""The links that the LFS batch hands out: signed tickets, because clients send no credentials to them.

Each is for one object, one repo and one purpose; whoever it was minted for is asked again when it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.http import HttpRequest

from accounts.actor import Actor, Level
from models_app.access import check_repo
from models_app.api.wire import WireError, public_url
from models_app.api.xet import living
from models_app.discussions import (
    access_pull_request_push,
    check_contributor,
    is_writer,
    pull_request_number,
)
from models_app.models import Repo
from models_app.storage.lfs import Pointer

# Long enough for the last of a batch of large objects; nothing renews a link.
LINK_SECONDS = 6 * 3600
# An object in parts is over the size for which one request is enough, and all its links are minted at once.
PARTS_SECONDS = 24 * 3600
_SALT = "tuneyard.lfs"


@dataclass(frozen=True)
class Link:
    """Whom, where and what a link was minted for; `more` is what its purpose added."""

    actor: Actor
    repo: Repo
    pointer: Pointer
    more: dict[str, Any]


def mint(actor: Actor, repo: Repo, purpose: str, pointer: Pointer, **more: int) -> str:
    """The signed text that stands in the link as `ticket`."""
    data = {
        "u": actor.user.pk if actor.user else None,
        "t": actor.token.pk if actor.token else None,
        "r": repo.pk,
        "p": purpose,
        "o": pointer.sha256,
        "s": pointer.size,
        **more,
    }
    return signing.dumps(data, salt=_SALT)


def link_to(pointer: Pointer, suffix: str, ticket: str) -> str:
    """The absolute address of an object's endpoint."""
    return public_url(f"/lfs/objects/{pointer.sha256}{suffix}?ticket={ticket}")


def read_link(request: HttpRequest, oid: str, purpose: str, *, seconds: int = LINK_SECONDS) -> Link:
    """What the request's link is for; WireError 403 when it is bad, old or meant for something else.

    For every purpose but `download` also leave to send content is asked again.
    """
    try:
        data = signing.loads(request.GET.get("ticket", ""), salt=_SALT, max_age=seconds)
    except signing.BadSignature as error:
        raise WireError(403, "The link has expired or is not from this hub; ask for a new one.") from error
    if (data.pop("p"), data["o"]) != (purpose, oid):
        raise WireError(403, f"The link is for another object or purpose than this {purpose}.")
    actor, repo = living(data.pop("u"), data.pop("t"), data.pop("r"))
    check_repo(actor, repo)
    if purpose != "download":
        check_sender(actor, repo)
    return Link(actor, repo, Pointer(data.pop("o"), data.pop("s")), data)


def check_sender(actor: Actor, repo: Repo, ref: str = "") -> Actor | None:
    """Leave to send objects for a commit to `ref`: None for whoever may write to the repo, else the actor.

    Without a reference (clients leave it out where they will open a pull request) anybody may who could open
    one. Raises the refusals of `discussions.check_upload`.
    """
    if is_writer(actor, repo):
        return None
    num = pull_request_number(ref)
    if num is not None:
        access_pull_request_push(actor, repo, num)
    elif ref:
        check_repo(actor, repo, Level.WRITE)
    else:
        check_contributor(actor, repo)
    return actor
