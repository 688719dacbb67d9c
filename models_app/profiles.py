"""Reads behind the page of a person or an organization: what of theirs the reader may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from accounts.models import Membership, Namespace
from models_app import social
from models_app.models import (
    Badge,
    Collection,
    Follow,
    Like,
    ProfilePin,
    Repo,
    RepoQuerySet,
    RepoType,
)

# Tabs of repos: their name in the address, type, title, and the sentence where there is none.
REPO_TABS = {
    "models": (RepoType.MODEL, _("Models"), _("No models yet.")),
    "datasets": (RepoType.DATASET, _("Datasets"), _("No datasets yet.")),
    "recipes": (RepoType.RECIPE, _("Recipes"), _("No recipes yet.")),
    "tutorials": (RepoType.TUTORIAL, _("Tutorials"), _("No tutorials yet.")),
    "spaces": (RepoType.SPACE, _("Spaces"), _("No spaces yet.")),
    "kernels": (RepoType.KERNEL, _("Kernels"), _("No kernels yet.")),
}
# Always there; the others where there is something in them.
ALWAYS = ("models", "datasets")


@dataclass(frozen=True)
class Tab:
    """One part of the page; `count` is empty where nothing is counted."""

    key: str
    title: Any
    count: int | None = None


def repos_of(owner: Namespace, actor: Actor) -> RepoQuerySet:
    """The owner's repos that the actor may see, the newest first."""
    return Repo.objects.visible_to(actor).filter(namespace=owner).order_by("-last_modified", "-pk")


def counts_of(owner: Namespace, actor: Actor) -> dict[str, int]:
    """How many repos of each type; one query."""
    rows = repos_of(owner, actor).order_by().values_list("repo_type")
    return dict(rows.annotate(count=Count("pk")))


def tabs_of(owner: Namespace, actor: Actor, counts: dict[str, int], collections: int) -> list[Tab]:
    """The parts of the page that have something in them."""
    tabs = [Tab("", _("Overview"))]
    tabs += [
        Tab(key, title, counts.get(kind, 0))
        for key, (kind, title, _none) in REPO_TABS.items()
        if counts.get(kind) or key in ALWAYS
    ]
    if collections:
        tabs.append(Tab("collections", _("Collections"), collections))
    tabs.append(Tab("runs", _("Runs")))
    if owner.user is not None:
        tabs += [Tab("discussions", _("Discussions")), Tab("likes", _("Likes"))]
    return [*tabs, Tab("activity", _("Activity"))]


def collections_of(owner: Namespace, actor: Actor) -> QuerySet[Collection]:
    """In their owner's order."""
    rows = Collection.objects.visible_to(actor).filter(namespace=owner).select_related("namespace")
    return rows.order_by("position", "pk")


def liked_by(owner: Namespace, actor: Actor) -> QuerySet[Like]:
    """What a person likes, the newest first."""
    if owner.user is None:
        return Like.objects.none()
    rows = social.likes_of(owner.user, actor).select_related("repo__namespace", "repo__card")
    return rows.order_by("-created_at", "-pk")


def followers(owner: Namespace) -> QuerySet[Follow]:
    """People who follow, the newest first."""
    here = social.followers_of(owner).filter(user__is_suspended=False, user__is_active=True)
    return here.select_related("user").order_by("-created_at", "-pk")


def following(owner: Namespace) -> QuerySet[Follow]:
    """People and organizations that somebody follows, the newest first."""
    rows = Follow.objects.filter(user=owner.user).exclude(namespace__user__is_suspended=True)
    return rows.select_related("namespace__user", "namespace__organization").order_by("-created_at", "-pk")


def members_of(owner: Namespace) -> QuerySet[Membership]:
    """Who belongs to an organization, those who came first before the others."""
    rows = Membership.objects.filter(organization=owner.organization_id, user__is_suspended=False)
    return rows.select_related("user").order_by("created_at", "pk")


def organizations_of(owner: Namespace) -> list[Namespace]:
    """The organizations that a person belongs to."""
    if owner.user is None:
        return []
    rows = Namespace.objects.filter(organization__memberships__user=owner.user)
    return list(rows.select_related("organization").order_by("name"))


def badges_of(owner: Namespace) -> QuerySet[Badge]:
    """What the owner has earned, the newest first."""
    return Badge.objects.filter(namespace=owner).order_by("-earned_at", "-pk")


def pins_of(owner: Namespace) -> QuerySet[ProfilePin]:
    """What a person pinned, in their order, whoever may see it; not to be shown as it is."""
    return ProfilePin.objects.filter(user=owner.user_id).order_by("position", "pk")


def pinned_by(owner: Namespace, actor: Actor) -> RepoQuerySet:
    """What of that the actor may see, in the person's order."""
    return (
        Repo.objects.visible_to(actor).filter(pins__user=owner.user_id).order_by("pins__position", "pins__pk")
    )


def pinnable(owner: Namespace, actor: Actor, query: str) -> RepoQuerySet:
    """Public repos that a person could pin: of theirs and their organizations' those with these letters, or
    anybody's that is written out (`datasets/ann/digits`, or its address)."""
    rows = _public(actor).exclude(pk__in=pins_of(owner).values("repo")).order_by("-last_modified", "-pk")
    wanted = query.removeprefix(settings.HUB_PUBLIC_URL).strip("/")
    if "/" not in wanted:
        return rows.filter(namespace__in=list(actor.namespace_levels), name__icontains=wanted)
    *kinds, namespace, name = wanted.split("/")[-3:]
    if kinds:
        rows = rows.filter(repo_type=kinds[0].removesuffix("s"))
    return rows.filter(namespace__name__lower=namespace.lower(), name__lower=name.lower())


def repo_to_pin(actor: Actor, uuid: str) -> Repo | None:
    """The public repo of this uuid."""
    try:
        return _public(actor).filter(uuid=UUID(hex=uuid[:40])).first()
    except ValueError:
        return None


def _public(actor: Actor) -> RepoQuerySet:
    rows = Repo.objects.visible_to(actor).filter(private=False, disabled_at=None)
    return rows.exclude(repo_type=RepoType.FORUM)
