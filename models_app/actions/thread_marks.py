"""How a thread is marked: pinned, a question, answered. `repo` arguments come from the gate."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from models_app.access import Forbidden
from models_app.actions.discussions import comment_of
from models_app.actions.events import record_event
from models_app.actions.refusals import InvalidInput
from models_app.actions.threads import add_event, check_not_full, lock_thread
from models_app.discussions import is_writer, may_manage
from models_app.models import Discussion, DiscussionEvent, EventTag, Repo

MAX_PINNED = 10


def pin(actor: Actor, *, repo: Repo, num: int, pinned: bool) -> DiscussionEvent | None:
    """Put a thread at the head of its repo's list, or take it from there: writers. None: it was so before."""
    with transaction.atomic():
        row, discussion = lock_thread(actor, repo, num)
        if not is_writer(actor, row):
            raise Forbidden(_("Only somebody with write access may pin a discussion."))
        if discussion.is_pinned == pinned:
            return None
        if pinned and Discussion.objects.filter(repo=row, is_pinned=True).count() >= MAX_PINNED:
            raise InvalidInput(
                _("At most %(most)d discussions can be pinned; unpin another one first.")
                % {"most": MAX_PINNED}
            )
        check_not_full(discussion)
        discussion.is_pinned = pinned
        discussion.save(update_fields=["is_pinned"])
        made = add_event(actor, discussion, "pinning-change", pinned=pinned)
        record_event(actor, EventTag.DISCUSSION_PIN, repo=row, num=num, event=made.uuid.hex, pinned=pinned)
    return made


def mark_question(actor: Actor, *, repo: Repo, num: int, is_question: bool) -> None:
    """Say that a thread asks for an answer, or that it does not, which takes back an accepted one."""
    with transaction.atomic():
        row, discussion = lock_thread(actor, repo, num)
        _need_asker(actor, row, discussion)
        if discussion.is_pull_request:
            raise InvalidInput(_("A pull request is no question."))
        discussion.is_question = is_question
        if not is_question:
            discussion.accepted = None
        discussion.save(update_fields=["is_question", "accepted"])


def accept(actor: Actor, *, repo: Repo, num: int, event: str) -> DiscussionEvent:
    """Say which comment answers the question: who asked, or whoever may write to the repo."""
    with transaction.atomic():
        row, discussion = lock_thread(actor, repo, num)
        _need_asker(actor, row, discussion)
        if not discussion.is_question:
            raise InvalidInput(_("Only a question has an accepted answer; mark it as one first."))
        found = comment_of(discussion, event)
        if found.hidden_at is not None:
            raise InvalidInput(_("A hidden comment cannot be the answer."))
        if found.pk == discussion.events.order_by("created_at", "pk").values_list("pk", flat=True).first():
            raise InvalidInput(_("The question itself cannot be its answer."))
        if discussion.accepted_id != found.pk:
            discussion.accepted = found
            discussion.save(update_fields=["accepted"])
            record_event(
                actor,
                EventTag.DISCUSSION_ACCEPT,
                repo=row,
                num=num,
                event=found.uuid.hex,
                answered_by=found.author_id,
            )
    return found


def take_back(actor: Actor, *, repo: Repo, num: int) -> None:
    """The question has no accepted answer any more."""
    with transaction.atomic():
        row, discussion = lock_thread(actor, repo, num)
        _need_asker(actor, row, discussion)
        discussion.accepted = None
        discussion.save(update_fields=["accepted"])


def _need_asker(actor: Actor, row: Repo, discussion: Discussion) -> None:
    if not may_manage(actor, row, discussion):
        raise Forbidden(_("Only who asked, or somebody with write access, may do that."))
