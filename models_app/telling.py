"""Reads behind the inbox: who may be told of a repo, who owns it, who takes part in a thread, what waits."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.actor import Actor
from accounts.models import Membership, Namespace, Role, User
from models_app.models import Discussion, NoteKind, NoteSetting, Notification, Repo, ThreadSubscription

_WRITERS = (Role.WRITE, Role.ADMIN)
Mail = NoteSetting.Mail
MAX_COUNTED = 100
# Where nobody has chosen: everything shows in the inbox, and goes by mail like this.
DEFAULT_MAIL: dict[str, str] = {
    **dict.fromkeys(NoteKind.values, str(Mail.DIGEST)),
    # Runs have mail of their own (runs/mailing.py), and nobody needs a letter for a like.
    str(NoteKind.RUN): str(Mail.NEVER),
    str(NoteKind.LIKE): str(Mail.NEVER),
}


@dataclass(frozen=True)
class Choice:
    """What somebody wants of one kind."""

    in_site: bool
    mail: str


def choices_of(user: User) -> dict[str, Choice]:
    """The person's own choices, by kind, with the defaults where there is none; one query."""
    made = {row.kind: Choice(row.in_site, row.mail) for row in NoteSetting.objects.filter(user=user)}
    return {kind: made.get(kind, Choice(True, DEFAULT_MAIL[kind])) for kind in NoteKind.values}


def choices_for(users: Collection[int], kind: str) -> dict[int, Choice]:
    """What each of these people wants of one kind; one query."""
    rows = NoteSetting.objects.filter(user__in=users, kind=kind)
    made = {row.user_id: Choice(row.in_site, row.mail) for row in rows}
    default = Choice(True, DEFAULT_MAIL[kind])
    return {user: made.get(user, default) for user in users}


def readers_of(repo: Repo | None) -> QuerySet[User]:
    """Those who are here and may know of the repo: the gate's answer for many at once.

    A disabled repo is nobody's news. Must agree with `Repo.objects.visible_to` (tested).
    """
    here = User.objects.filter(is_active=True, is_suspended=False)
    if repo is not None and repo.disabled_at is not None:
        return here.none()
    if repo is not None and repo.private:
        owner = repo.namespace
        members = Q(memberships__organization=owner.organization_id)
        here = here.filter(members if owner.is_organization else Q(pk=owner.user_id))
    return here


def readers_among(repo: Repo | None, users: Collection[int]) -> set[int]:
    """Those of the people who may know of the repo."""
    return set(readers_of(repo).filter(pk__in=users).values_list("pk", flat=True))


def owners_of(namespace: Namespace) -> set[int]:
    """Whose work it is: the person, or those of an organization who may write there."""
    if namespace.user_id is not None:
        return {namespace.user_id}
    rows = Membership.objects.filter(organization=namespace.organization_id, role__in=_WRITERS)
    return set(rows.values_list("user_id", flat=True))


def participants_of(discussion: Discussion) -> set[int]:
    """Who began it, said something in it or subscribed to it, less those who muted it."""
    said = discussion.events.filter(type="comment", author__isnull=False).values_list("author_id", flat=True)
    people = set(said.order_by().distinct())
    if discussion.author_id is not None:
        people.add(discussion.author_id)
    for row in ThreadSubscription.objects.filter(discussion=discussion):
        if row.is_muted:
            people.discard(row.user_id)
        else:
            people.add(row.user_id)
    return people


def muted_in(discussion: Discussion) -> set[int]:
    """Who wants to hear nothing of the thread."""
    rows = ThreadSubscription.objects.filter(discussion=discussion, is_muted=True)
    return set(rows.values_list("user_id", flat=True))


def notes_of(actor: Actor) -> QuerySet[Notification]:
    """The lines of the actor's inbox about what they may still see, the newest first."""
    return mailed_of(actor).filter(in_site=True)


def mailed_of(actor: Actor) -> QuerySet[Notification]:
    """The same with what its person wants by mail only."""
    if actor.user is None:
        return Notification.objects.none()
    # Looked up line by line: a list of all that is visible would be long.
    seen = Q(repo=None) | Exists(Repo.objects.visible_to(actor).filter(pk=OuterRef("repo_id")))
    rows = Notification.objects.filter(seen, user=actor.user)
    return rows.select_related("actor", "repo__namespace").order_by("-created_at", "-pk")


def unread_count(actor: Actor) -> int:
    """How many lines wait, as far as anybody counts: one query over one index."""
    return notes_of(actor).filter(read_at=None)[:MAX_COUNTED].count()


def users_named(names: Iterable[str]) -> set[int]:
    """The people of these names, in any case."""
    lowered = {name.lower() for name in names}
    rows = Namespace.objects.filter(name__lower__in=lowered, user__isnull=False) if lowered else None
    return set(rows.values_list("user_id", flat=True)) if rows is not None else set()


def members_named(names: Iterable[str], repo: Repo, limit: int) -> dict[int, str]:
    """Of the organizations of these names those members who may know of the repo, each with one organization;
    one query, at most `limit` people, those who have belonged to one for longest."""
    lowered = {name.lower() for name in names}
    rows = Membership.objects.filter(
        organization__namespace__name__lower__in=lowered, user__in=readers_of(repo)
    ).order_by("created_at", "pk")
    found: dict[int, str] = {}
    # Whoever is in several of them has as many rows.
    for user, name in rows.values_list("user_id", "organization__namespace__name")[: limit * len(lowered)]:
        if len(found) < limit:
            found.setdefault(user, name)
    return found
