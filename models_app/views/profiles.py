"""The page of a user or an organization: what they have published, shown and done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.models import Namespace
from models_app import profiles, social
from models_app.activity import events_for, lines_of, of_owner
from models_app.activity_calendar import calendar_of
from models_app.badges import BY_KIND
from models_app.buckets import visible_buckets, with_totals
from models_app.models import Follow, RepoType
from models_app.verified import standings_of
from models_app.views import pins
from models_app.views.lists import HEAVY, page_of
from models_app.views.support import HubRequest, page

SHOWN, PAGE_SIZE, LINES = 8, 30, 40
# Of what is listed in the side column or below the work.
BESIDE = 50


@require_safe
@page
def profile(request: HubRequest, namespace: str) -> HttpResponse:
    """What somebody has published, as far as the actor may see it; `?tab=` is one part of it."""
    owner = Namespace.objects.named(namespace).select_related("user", "organization").first()
    if owner is None or (owner.user is not None and owner.user.is_suspended):
        raise Http404
    counts = profiles.counts_of(owner, request.actor)
    collections = profiles.collections_of(owner, request.actor)
    collections_count = collections.count()
    tabs = profiles.tabs_of(owner, request.actor, counts, collections_count)
    wanted = request.GET.get("tab", "")
    is_own = request.actor.user is not None and owner.user_id == request.actor.user.pk
    known = {tab.key for tab in tabs} | {"followers"} | ({"following"} if owner.user is not None else set())
    known |= {"pins"} if is_own else set()
    tab = wanted if wanted in known else ""
    context = {
        "owner": owner,
        "tabs": tabs,
        "tab": tab,
        "is_own": is_own,
        "counts": counts,
        "is_following": social.is_following(request.actor, owner),
        "followers_count": profiles.followers(owner).count(),
        "following_count": Follow.objects.filter(user=owner.user).count() if owner.user else 0,
        "organizations": profiles.organizations_of(owner),
        "collections_count": collections_count,
    }
    context |= _PARTS.get(tab, _repos)(request, owner, tab)
    return render(request, "profiles/profile.html", context)


def _overview(request: HubRequest, owner: Namespace, tab: str) -> dict[str, Any]:
    actor = request.actor
    rows = profiles.repos_of(owner, actor).for_lists().defer(*HEAVY)
    parts = [
        (key, title, none, list(rows.of_type(kind)[:SHOWN]))
        for key, (kind, title, none) in profiles.REPO_TABS.items()
    ]
    members = profiles.members_of(owner) if owner.is_organization else None
    buckets = with_totals(visible_buckets(actor).filter(namespace=owner)).order_by("name")
    return {
        "pinned": list(profiles.pinned_by(owner, actor).for_lists().defer(*HEAVY)) if owner.user else [],
        "calendar": calendar_of(owner, actor, timezone.now().date()),
        "parts": parts,
        "always": profiles.ALWAYS,
        "standings": standings_of(owner, actor)[:SHOWN],
        "collections": profiles.collections_of(owner, actor)[:SHOWN],
        "buckets": buckets[:BESIDE],
        "members": members[:BESIDE] if members is not None else [],
        "members_count": members.count() if members is not None else 0,
        "badges": [(row, BY_KIND[row.kind]) for row in profiles.badges_of(owner) if row.kind in BY_KIND],
        "lines": lines_of(events_for(actor).filter(of_owner(owner)), SHOWN),
    }


def _repos(request: HubRequest, owner: Namespace, tab: str) -> dict[str, Any]:
    kind, title, none = profiles.REPO_TABS[tab]
    rows = profiles.repos_of(owner, request.actor).of_type(RepoType(kind)).for_lists().defer(*HEAVY)
    return {"heading": title, "none": none, "rows": page_of(rows, request.GET.get("page"), PAGE_SIZE)}


def _collections(request: HubRequest, owner: Namespace, tab: str) -> dict[str, Any]:
    rows = profiles.collections_of(owner, request.actor)
    return {"rows": page_of(rows, request.GET.get("page"), PAGE_SIZE)}


def _discussions(request: HubRequest, owner: Namespace, tab: str) -> dict[str, Any]:
    assert owner.user is not None
    rows = social.discussions_of(owner.user, request.actor).select_related("repo__namespace")
    return {"rows": page_of(rows.order_by("-created_at", "-pk"), request.GET.get("page"), PAGE_SIZE)}


def _likes(request: HubRequest, owner: Namespace, tab: str) -> dict[str, Any]:
    rows = profiles.liked_by(owner, request.actor).defer(*(f"repo__{name}" for name in HEAVY))
    return {"rows": page_of(rows, request.GET.get("page"), PAGE_SIZE)}


def _activity(request: HubRequest, owner: Namespace, tab: str) -> dict[str, Any]:
    return {"lines": lines_of(events_for(request.actor).filter(of_owner(owner)), LINES)}


def _followers(request: HubRequest, owner: Namespace, tab: str) -> dict[str, Any]:
    return {"rows": page_of(profiles.followers(owner), request.GET.get("page"), PAGE_SIZE)}


def _following(request: HubRequest, owner: Namespace, tab: str) -> dict[str, Any]:
    return {"rows": page_of(profiles.following(owner), request.GET.get("page"), PAGE_SIZE)}


def _pins(request: HubRequest, owner: Namespace, tab: str) -> dict[str, Any]:
    return pins.chosen(request, owner)


def _runs(request: HubRequest, owner: Namespace, tab: str) -> dict[str, Any]:
    return {}  # by the runs room's own tag


_PARTS: dict[str, Callable[[HubRequest, Namespace, str], dict[str, Any]]] = {
    "": _overview,
    "collections": _collections,
    "discussions": _discussions,
    "likes": _likes,
    "activity": _activity,
    "followers": _followers,
    "following": _following,
    "pins": _pins,
    "runs": _runs,
}
