"""Threads: open, comment, edit, hide, rename, close, lock. `repo` arguments come from the gate."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone

from accounts.actor import Actor, Level
from models_app.access import Forbidden, NotThere
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.actions.refusals import EditedMeanwhile, InvalidInput
from models_app.actions.threads import (
    add_comment,
    add_event,
    check_not_full,
    checked_comment,
    checked_title,
    lock_thread,
    make_room,
    next_number,
    rendered,
    said_before,
)
from models_app.discussions import check_participant, is_writer, may_manage, threads_of
from models_app.models import Discussion, DiscussionEvent, DiscussionStatus, EventTag, Repo
from models_app.thread_search import index_comment, index_title

MAX_OPEN_BY_ONE = 500
MAX_EDITS = 50
MAX_REASON_CHARACTERS = 200
_WORDS = {True: "pull request", False: "discussion"}


def open_discussion(
    actor: Actor,
    *,
    repo: Repo,
    title: str,
    description: str = "",
    is_question: bool = False,
    submit_key: str = "",
) -> Discussion:
    """Begin a thread; its first event is the description. Raises InvalidInput or the gate's refusals.

    `submit_key` is the form's: sent a second time it gives the thread of the first.
    """
    title = checked_title(title)
    with transaction.atomic():
        row = lock_repo(actor, repo, Level.READ, content=False)
        if before := said_before(actor, submit_key):
            return before.discussion
        thread = Discussion(title=title, is_question=is_question)
        return start_thread(actor, row, thread, description, submit_key)


def start_thread(
    actor: Actor, row: Repo, discussion: Discussion, description: str, submit_key: str = ""
) -> Discussion:
    """Number and keep a new thread of the locked repo `row`, with its first comment and the log's line."""
    check_participant(actor, row)
    if row.discussions_disabled:
        raise Forbidden("Discussions are disabled for this repo.")
    if threads_of(row, status="open").filter(author=actor.user).count() >= MAX_OPEN_BY_ONE:
        raise InvalidInput(
            f"You have {MAX_OPEN_BY_ONE} open discussions in this repo; please close some first."
        )
    discussion.repo, discussion.num, discussion.author = row, next_number(row), actor.user
    discussion.save(force_insert=True)
    text = checked_comment(description) if description.strip() else ""
    first = add_comment(actor, row, discussion, text, submit_key)
    record_event(
        actor,
        EventTag.DISCUSSION_OPEN,
        repo=row,
        num=discussion.num,
        event=first.uuid.hex,
        pull_request=discussion.is_pull_request,
    )
    return discussion


def comment(actor: Actor, *, repo: Repo, num: int, text: str, submit_key: str = "") -> DiscussionEvent:
    """Say something in a thread, also in a closed one; a locked one takes comments from writers only. The
    same form sent twice (`submit_key`) says it once."""
    text = checked_comment(text)
    with transaction.atomic():
        row, discussion = lock_thread(actor, repo, num)
        if before := said_before(actor, submit_key):
            return before
        return say(actor, row, discussion, text, submit_key)


def say(actor: Actor, row: Repo, discussion: Discussion, text: str, submit_key: str = "") -> DiscussionEvent:
    """Add a checked comment to a thread of the locked repo `row`, and tell the log."""
    if discussion.is_locked and not is_writer(actor, row):
        raise Forbidden("This discussion is locked; only people with write access may comment.")
    made = add_comment(actor, row, discussion, text, submit_key)
    _record(actor, EventTag.DISCUSSION_COMMENT, discussion, made)
    return made


def edit_comment(
    actor: Actor, *, repo: Repo, num: int, event: str, text: str, seen_edits: int | None = None
) -> DiscussionEvent:
    """Change one's own comment; its earlier text stays readable. NotThere for an unknown `event` id.

    `seen_edits`: how often it had been edited where the new text was begun; EditedMeanwhile if that is no
    longer so.
    """
    text = checked_comment(text)
    with transaction.atomic():
        row, discussion = lock_thread(actor, repo, num)
        found = comment_of(discussion, event)
        if found.author_id is None or found.author_id != getattr(actor.user, "pk", None):
            raise Forbidden("Only its author may edit a comment.")
        if found.hidden_at is not None:
            raise Forbidden("A hidden comment cannot be edited.")
        if discussion.is_locked and not is_writer(actor, row):
            raise Forbidden("This discussion is locked; its comments cannot be edited.")
        if seen_edits is not None and seen_edits != len(found.data["history"]):
            raise EditedMeanwhile(found)
        if len(found.data["history"]) >= MAX_EDITS:
            raise InvalidInput(f"A comment may be edited at most {MAX_EDITS} times.")
        make_room(discussion, len(text))
        before = (found.edited_at or found.created_at).isoformat()
        earlier = {"raw": found.body, "html": found.data["html"], "at": before}
        found.data = {"html": rendered(row, text), "history": [*found.data["history"], earlier]}
        found.body, found.edited_at = text, timezone.now()
        found.save(update_fields=["body", "data", "edited_at"])
        index_comment(found)
        _record(actor, EventTag.DISCUSSION_EDIT, discussion, found)
    return found


def hide_comment(actor: Actor, *, repo: Repo, num: int, event: str, reason: str = "") -> DiscussionEvent:
    """Take a comment's text away for good, with its earlier texts: its author, or whoever may write. The
    reason stays to be read in its place."""
    reason = " ".join(reason.replace("\0", "").split())
    if len(reason) > MAX_REASON_CHARACTERS:
        raise InvalidInput(f"A reason has at most {MAX_REASON_CHARACTERS} characters.")
    with transaction.atomic():
        row, discussion = lock_thread(actor, repo, num)
        found = comment_of(discussion, event)
        is_author = found.author_id is not None and found.author_id == getattr(actor.user, "pk", None)
        if not is_author and not is_writer(actor, row):
            raise Forbidden("Only its author, or somebody with write access, may hide a comment.")
        if found.hidden_at is not None:
            raise InvalidInput("This comment is hidden already.")
        found.body, found.data = "", {"html": "", "history": [], "reason": reason}
        found.hidden_at, found.hidden_by = timezone.now(), actor.user
        if discussion.accepted_id == found.pk:
            discussion.accepted = None
            discussion.save(update_fields=["accepted"])
        found.save(update_fields=["body", "data", "hidden_at", "hidden_by"])
        index_comment(found)
        _record(actor, EventTag.DISCUSSION_HIDE, discussion, found)
    return found


def rename(actor: Actor, *, repo: Repo, num: int, title: str) -> DiscussionEvent:
    """Give the thread another title: who opened it, or whoever may write."""
    title = checked_title(title)
    with transaction.atomic():
        row, discussion = lock_thread(actor, repo, num)
        _need_manager(actor, row, discussion)
        check_not_full(discussion)
        made = add_event(actor, discussion, "title-change", **{"from": discussion.title, "to": title})
        discussion.title = title
        discussion.save(update_fields=["title"])
        index_title(discussion)
        _record(actor, EventTag.DISCUSSION_TITLE, discussion, made)
    return made


def change_status(actor: Actor, *, repo: Repo, num: int, status: str, text: str = "") -> DiscussionEvent:
    """Open or close a thread, with a comment if there is one to make. A draft is published by opening it.

    InvalidInput for another status, the one it has, or a merged pull request.
    """
    if status not in (DiscussionStatus.OPEN, DiscussionStatus.CLOSED):
        raise InvalidInput("'status' must be open or closed.")
    text = checked_comment(text) if text.strip() else ""
    with transaction.atomic():
        row, discussion = lock_thread(actor, repo, num)
        _need_manager(actor, row, discussion)
        what = _WORDS[discussion.is_pull_request]
        if discussion.status == DiscussionStatus.MERGED:
            raise InvalidInput(f"This {what} is merged; its status cannot change any more.")
        if discussion.status == status:
            raise InvalidInput(f"This {what} is {status} already.")
        if status == DiscussionStatus.OPEN:
            check_not_full(discussion)
        if text:
            say(actor, row, discussion, text)
        return set_status(actor, discussion, status)


def set_status(actor: Actor, discussion: Discussion, status: str) -> DiscussionEvent:
    """Write the status, its event and the log's line."""
    discussion.status = status
    discussion.save(update_fields=["status"])
    made = add_event(actor, discussion, "status-change", status=str(status))
    merged = status == DiscussionStatus.MERGED
    tag = EventTag.DISCUSSION_MERGE if merged else EventTag.DISCUSSION_STATUS
    _record(actor, tag, discussion, made, status=str(status))
    return made


def lock(actor: Actor, *, repo: Repo, num: int, locked: bool) -> DiscussionEvent:
    """Keep a thread to people with write access, or let everybody in again."""
    with transaction.atomic():
        row, discussion = lock_thread(actor, repo, num)
        if not is_writer(actor, row):
            raise Forbidden("Only somebody with write access may lock a discussion.")
        check_not_full(discussion)
        discussion.is_locked = locked
        discussion.save(update_fields=["is_locked"])
        made = add_event(actor, discussion, "locking-change", locked=locked)
        _record(actor, EventTag.DISCUSSION_LOCK, discussion, made, locked=locked)
    return made


def _need_manager(actor: Actor, row: Repo, discussion: Discussion) -> None:
    if not may_manage(actor, row, discussion):
        what = _WORDS[discussion.is_pull_request]
        raise Forbidden(f"Only its author, or somebody with write access, may change this {what}.")


def comment_of(discussion: Discussion, event: str) -> DiscussionEvent:
    """The comment with this id (32 hex digits); NotThere where the thread has none."""
    try:
        key = uuid.UUID(hex=event[:64])
    except ValueError:
        raise NotThere("Comment not found") from None
    rows = discussion.events.select_related("author", "hidden_by")
    found = rows.filter(uuid=key, type="comment").first()
    if found is None:
        raise NotThere("Comment not found")
    return found


def _record(
    actor: Actor, tag: EventTag, discussion: Discussion, event: DiscussionEvent, **data: object
) -> None:
    record_event(actor, tag, repo=discussion.repo, num=discussion.num, event=event.uuid.hex, **data)
