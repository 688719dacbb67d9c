"""Choosing what one's own profile shows first, on the profile itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import Namespace
from models_app import profiles
from models_app.actions import pins
from models_app.actions.refusals import InvalidInput
from models_app.models import Repo
from models_app.views.lists import HEAVY
from models_app.views.support import HubRequest, page

OFFERED, MAX_QUERY = 30, 250


@login_required
@require_POST
@page
def change(request: HubRequest) -> HttpResponse:
    """`pin` (a repo's uuid), `unpin` or `earlier` (a pin's number); back to where they are chosen."""
    given = request.POST
    try:
        if "pin" in given:
            repo = profiles.repo_to_pin(request.actor, given["pin"])
            if repo is None:
                raise InvalidInput(_("There is no such repo, or it is not public."))
            pins.pin(request.actor, repo=repo)
        elif "unpin" in given:
            pins.unpin(request.actor, key=_number(given["unpin"]))
        else:
            pins.pin_earlier(request.actor, key=_number(given.get("earlier", "")))
    except InvalidInput as refusal:
        messages.error(request, refusal.message)
    query = {"tab": "pins"} | ({"q": given["q"][:MAX_QUERY]} if given.get("q") else {})
    return HttpResponseRedirect(f"{reverse('profile', args=[_me(request)])}?{urlencode(query)}")


def chosen(request: HubRequest, owner: Namespace) -> dict[str, Any]:
    """What the page shows where somebody chooses: their pins, and what else there is."""
    query = request.GET.get("q", "")[:MAX_QUERY].strip().replace("\0", "")
    offered = profiles.pinnable(owner, request.actor, query).for_lists().defer(*HEAVY)
    seen = {repo.pk: repo for repo in profiles.pinned_by(owner, request.actor).select_related("namespace")}
    rows: list[tuple[int, Repo | None]] = [(one.pk, seen.get(one.repo_id)) for one in profiles.pins_of(owner)]
    return {
        "pins": rows,
        "most": pins.MOST,
        "is_full": len(rows) >= pins.MOST,
        "offered": offered[:OFFERED],
        "query": query,
    }


def _me(request: HubRequest) -> str:
    return request.actor.at_browser().username


def _number(text: str) -> int:
    """0, which is no pin, for what is no number; a column holds no more than 18 digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
