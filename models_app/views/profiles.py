"""The page of a user or an organization."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import Membership, Namespace
from models_app.models import Repo
from models_app.views.lists import HEAVY
from models_app.views.support import HubRequest, page

SHOWN = 50


@require_safe
@page
def profile(request: HubRequest, namespace: str) -> HttpResponse:
    """What somebody has published, as far as the actor may see it."""
    owner = Namespace.objects.select_related("user", "organization").filter(name__iexact=namespace).first()
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
        "members": members[:SHOWN] if owner.is_organization else [],
        "is_own": request.actor.user is not None and owner.user_id == request.actor.user.pk,
    }
    return render(request, "profiles/profile.html", context)
