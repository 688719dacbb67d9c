"""Reactions to comments, and who hears of a thread. `repo` arguments come from the gate."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.models import User
from models_app.access import Forbidden, LoginRequired
from models_app.actions.discussions import comment_of
from models_app.actions.events import record_event
from models_app.actions.refusals import InvalidInput
from models_app.actions.threads import lock_thread
from models_app.discussions import access_discussion, check_participant, is_writer
from models_app.models import DiscussionEvent, EventTag, Reaction, Repo, ThreadSubscription

EMOJI = ("👍", "👎", "😄", "🎉", "😕", "❤️", "🚀", "👀")
SUBSCRIBED, MUTED, DEFAULT = "subscribe", "mute", "default"


def react(actor: Actor, *, repo: Repo, num: int, event: str, emoji: str) -> DiscussionEvent:
    """Put one's emoji on a comment, or take it back where it is there already."""
    if emoji not in EMOJI:
        raise InvalidInput(_("That is not one of the reactions."))
    with transaction.atomic():
        row, discussion = lock_thread(actor, repo, num)
        person = _person(actor)
        found = comment_of(discussion, event)
        if found.hidden_at is not None:
            raise InvalidInput(_("This comment is hidden."))
        if discussion.is_locked and not is_writer(actor, row):
            raise Forbidden(_("This discussion is locked; only people with write access may react."))
        mine = Reaction.objects.filter(event=found, user=person, emoji=emoji)
        is_on = not mine.delete()[0]
        if is_on:
            Reaction.objects.create(event=found, user=person, emoji=emoji)
        record_event(
            actor,
            EventTag.DISCUSSION_REACT,
            repo=row,
            num=num,
            event=found.uuid.hex,
            emoji=emoji,
            added=is_on,
        )
    return found


def subscribe(actor: Actor, *, repo: Repo, num: int, choice: str) -> None:
    """Hear of everything in a thread, of nothing, or (`default`) only of what one is part of."""
    if choice not in (SUBSCRIBED, MUTED, DEFAULT):
        raise InvalidInput(_("Choose what you want to be told of."))
    discussion = access_discussion(actor, check_participant(actor, repo), num)
    mine = ThreadSubscription.objects.filter(user=_person(actor), discussion=discussion)
    if choice == DEFAULT:
        mine.delete()
    else:
        ThreadSubscription.objects.update_or_create(
            user=_person(actor), discussion=discussion, defaults={"is_muted": choice == MUTED}
        )


def _person(actor: Actor) -> User:
    if actor.user is None:
        raise LoginRequired("Invalid username or password.")
    return actor.user
