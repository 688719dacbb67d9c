"""Likes come and go; the repo's count is written anew each time, under the repo's lock, so it is exact."""

from __future__ import annotations

from django.db import transaction

from accounts.actor import Actor, Level
from models_app import access
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.models import EventTag, Like, Repo


def like(actor: Actor, *, repo: Repo) -> Repo:
    """Mark a repo as one the actor likes; doing it twice changes nothing. The repo with its new count."""
    return _put(actor, repo, liked=True)


def unlike(actor: Actor, *, repo: Repo) -> Repo:
    """Take a like back; where there was none nothing changes."""
    return _put(actor, repo, liked=False)


def _put(actor: Actor, repo: Repo, *, liked: bool) -> Repo:
    person = access.check_person(actor)
    with transaction.atomic():
        row = lock_repo(actor, repo, Level.READ, content=False)
        if liked:
            _, changed = Like.objects.get_or_create(user=person, repo=row)
        else:
            changed = Like.objects.filter(user=person, repo=row).delete()[0] > 0
        if changed:
            row.likes_count = Like.objects.filter(repo=row).count()
            row.save(update_fields=["likes_count"])
            record_event(actor, EventTag.LIKE_ADD if liked else EventTag.LIKE_REMOVE, repo=row)
    return row
