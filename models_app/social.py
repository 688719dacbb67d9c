"""Reads about people and repos that pages and wire share: who likes, follows, and asked to be let in."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet

from accounts.actor import Actor
from accounts.models import Namespace, User
from models_app.models import AccessRequest, Discussion, Follow, Like, Repo, RepoFollow


def likes_repo(actor: Actor, repo: Repo) -> bool:
    """Whether the actor has marked the repo as one they like."""
    return actor.user is not None and Like.objects.filter(user=actor.user, repo=repo).exists()


def likes_of(user: User, actor: Actor) -> QuerySet[Like]:
    """What somebody likes, as far as the actor may know of it."""
    return Like.objects.filter(Repo.objects.visible_to(actor).behind("repo"), user=user)


def discussions_of(user: User, actor: Actor) -> QuerySet[Discussion]:
    """What somebody began to discuss, as far as the actor may know of it."""
    return Discussion.objects.filter(Repo.objects.visible_to(actor).behind("repo"), author=user)


def is_following(actor: Actor, namespace: Namespace) -> bool:
    """Whether the actor follows this person or organization."""
    return actor.user is not None and Follow.objects.filter(user=actor.user, namespace=namespace).exists()


def followers_of(namespace: Namespace) -> QuerySet[Follow]:
    """Who follows a person or an organization."""
    return Follow.objects.filter(namespace=namespace)


def followed_people(user: User) -> QuerySet[Follow]:
    """The people somebody follows; the wire lists no organizations here."""
    return Follow.objects.filter(user=user, namespace__user__isnull=False)


def request_at_gate(actor: Actor, repo: Repo) -> AccessRequest | None:
    """The actor's own request to be let in, whatever became of it."""
    if actor.user is None:
        return None
    return AccessRequest.objects.filter(repo=repo, user=actor.user).first()


def repo_follow(actor: Actor, repo: Repo, what: str) -> tuple[bool, int]:
    """Whether the actor follows the repo (or its board), and how many people do; one query."""
    me = actor.user.pk if actor.user is not None else None
    rows = RepoFollow.objects.filter(repo=repo, what=what)
    found = rows.aggregate(all=Count("pk"), mine=Count("pk", filter=Q(user=me)))
    return me is not None and bool(found["mine"]), int(found["all"])
