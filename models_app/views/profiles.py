"""The page of a user or an organization."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.actor import Actor
from accounts.models import Membership, Namespace
from models_app import social
from models_app.buckets import visible_buckets, with_totals
from models_app.models import Bucket, Collection, Repo, RepoType
from models_app.views.lists import HEADINGS, HEAVY
from models_app.views.support import HubRequest, page

SHOWN = 50


@require_safe
@page
def profile(request: HubRequest, namespace: str) -> HttpResponse:
    """What somebody has published, as far as the actor may see it."""
    owner = Namespace.objects.named(namespace).select_related("user", "organization").first()
    if owner is None or (owner.user is not None and owner.user.is_suspended):
        raise Http404
    repos = Repo.objects.visible_to(request.actor).filter(namespace=owner).for_lists().defer(*HEAVY)
    repos = repos.order_by("-last_modified", "-pk")
    members = (
        Membership.objects.filter(organization=owner.organization_id)
        .select_related("user")
        .order_by("created_at")
    )
    context = {
        "owner": owner,
        "models": repos.models()[:SHOWN],
        "models_count": repos.models().count(),
        "datasets": repos.datasets()[:SHOWN],
        "datasets_count": repos.datasets().count(),
        "stored": [
            (HEADINGS[kind], repos.of_type(kind)[:SHOWN]) for kind in (RepoType.SPACE, RepoType.KERNEL)
        ],
        "buckets": _buckets(request.actor, owner),
        "members": members[:SHOWN] if owner.is_organization else [],
        "is_own": request.actor.user is not None and owner.user_id == request.actor.user.pk,
    }
    return render(request, "profiles/profile.html", context | _social(request.actor, owner))


def _buckets(actor: Actor, owner: Namespace) -> list[Bucket]:
    buckets = visible_buckets(actor).filter(namespace=owner)
    return list(with_totals(buckets).order_by("name")[:SHOWN])


def _social(actor: Actor, owner: Namespace) -> dict[str, Any]:
    """Collections in their owner's order, and who follows whom."""
    collections = Collection.objects.visible_to(actor).filter(namespace=owner).select_related("namespace")
    return {
        "collections": collections.order_by("position", "pk")[:SHOWN],
        "collections_count": collections.count(),
        "is_following": social.is_following(actor, owner),
        "followers_count": social.followers_of(owner).count(),
        "following_count": social.followed_people(owner.user).count() if owner.user else 0,
    }
