"""What happens in a thread, event by event. Callers hold the repo's lock and record the log."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from django.db.models import Max
from django.utils import timezone

from accounts.actor import Actor, Level
from models_app.actions.events import record_event
from models_app.actions.locking import lock_repo
from models_app.actions.mentions import references_in
from models_app.actions.refusals import InvalidInput
from models_app.content.markdown import render_markdown
from models_app.discussions import access_discussion, check_participant, pull_request_number
from models_app.files import git_store
from models_app.models import Discussion, DiscussionEvent, EventTag, Repo, ThreadSubscription
from models_app.storage.gitmerge import new_commits
from models_app.thread_search import index_comment

MAX_TITLE_CHARACTERS = 300
MIN_TITLE_CHARACTERS = 3
MAX_COMMENT_CHARACTERS = 64 * 1024
# One answer carries a whole thread, with the earlier texts of its comments.
MAX_THREAD_CHARACTERS = 4_000_000
MAX_THREAD_EVENTS = 5000
MAX_COMMITS_TOLD = 100
_SUBMIT_KEY = re.compile(r"[0-9a-f]{32}")


def lock_thread(actor: Actor, repo: Repo, num: int) -> tuple[Repo, Discussion]:
    """The repo's locked row and the thread, for somebody who may take part in it."""
    row = check_participant(actor, lock_repo(actor, repo, Level.READ, content=False))
    return row, access_discussion(actor, row, num)


def next_number(repo: Repo) -> int:
    """The number of the repo's next thread, discussions and pull requests alike; call under the lock."""
    return (Discussion.objects.filter(repo=repo).aggregate(last=Max("num"))["last"] or 0) + 1


def checked_title(text: str) -> str:
    """The title as it is kept, or InvalidInput."""
    title = text.strip()
    if not MIN_TITLE_CHARACTERS <= len(title) <= MAX_TITLE_CHARACTERS:
        raise InvalidInput(f"A title has {MIN_TITLE_CHARACTERS} to {MAX_TITLE_CHARACTERS} characters.")
    if _has_controls(title):
        raise InvalidInput("A title must be one line, without control characters.")
    return title


def title_of_commit(summary: str) -> str:
    """A title for a pull request that begins with a commit: its summary's first line, cut where too long."""
    line = summary.strip().split("\n")[0]
    line = "".join(ch for ch in line if not _has_controls(ch)).strip() or "Pull request"
    return line if len(line) <= MAX_TITLE_CHARACTERS else f"{line[: MAX_TITLE_CHARACTERS - 1]}…"


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(ch) == "Cc" for ch in text)


def checked_comment(text: str) -> str:
    """The comment as it is kept, or InvalidInput."""
    if not text.strip():
        raise InvalidInput("A comment must not be empty.")
    if len(text) > MAX_COMMENT_CHARACTERS:
        raise InvalidInput(f"A comment has at most {MAX_COMMENT_CHARACTERS} characters.")
    if "\0" in text:
        raise InvalidInput("A comment must not contain NUL characters.")
    return text


def rendered(repo: Repo, text: str) -> str:
    """The comment as sanitised HTML; links without a host lead into the repo, names to what they name."""
    return render_markdown(text, repo.get_absolute_url(), repo.default_branch, references_in(repo))


def add_event(actor: Actor, discussion: Discussion, kind: str, **data: Any) -> DiscussionEvent:
    """Append to the thread, which is news of it."""
    _touch(discussion)
    return DiscussionEvent.objects.create(discussion=discussion, type=kind, author=actor.user, data=data)


def add_comment(
    actor: Actor, repo: Repo, discussion: Discussion, text: str, submit_key: str = ""
) -> DiscussionEvent:
    """Append a comment; InvalidInput for a thread that is full. The text has been checked."""
    check_not_full(discussion)
    discussion.comments_count += 1
    make_room(discussion, len(text))
    _touch(discussion)
    # Who takes part hears of what follows, unless they have said otherwise.
    ThreadSubscription.objects.get_or_create(user=actor.user, discussion=discussion)
    data = {"html": rendered(repo, text), "history": []}
    made = DiscussionEvent.objects.create(
        discussion=discussion,
        type="comment",
        author=actor.user,
        body=text,
        data=data,
        submit_key=submit_key,
    )
    index_comment(made)
    return made


def said_before(actor: Actor, submit_key: str) -> DiscussionEvent | None:
    """What the same form has made already, sent twice by a double click or a lost answer; call under the
    lock."""
    if not submit_key or actor.user is None:
        return None
    if not _SUBMIT_KEY.fullmatch(submit_key):
        raise InvalidInput("This form is broken; please load the page again.")
    rows = DiscussionEvent.objects.select_related("discussion__repo__namespace")
    return rows.filter(author=actor.user, submit_key=submit_key).first()


def _touch(discussion: Discussion) -> None:
    discussion.last_activity_at = timezone.now()
    discussion.save(update_fields=["last_activity_at"])


def check_not_full(discussion: Discussion) -> None:
    """InvalidInput when the thread has no room for another event; closing and merging need none."""
    if _events_left(discussion) <= 0:
        raise InvalidInput("This thread is full; please open a new one.")


def _events_left(discussion: Discussion) -> int:
    return MAX_THREAD_EVENTS - DiscussionEvent.objects.filter(discussion=discussion).count()


def make_room(discussion: Discussion, characters: int) -> None:
    """Count more text; InvalidInput when the thread has no room for it."""
    discussion.text_size += characters
    if discussion.text_size > MAX_THREAD_CHARACTERS:
        raise InvalidInput("This thread is full; please open a new one.")
    discussion.save(update_fields=["text_size", "comments_count"])


def note_commits(actor: Actor, repo: Repo, *, ref: str, old: str | None, new: str) -> None:
    """Tell the thread of a pull request, and the log, which commits its reference now has."""
    num = pull_request_number(ref) or 0
    discussion = Discussion.objects.filter(repo=repo, num=num, is_pull_request=True).first()
    if discussion is None:
        return
    store = git_store(repo)
    most = min(MAX_COMMITS_TOLD, max(0, _events_left(discussion)))
    known = [oid for oid in (old, store.ref_oid(f"refs/heads/{discussion.target_branch}")) if oid]
    told = [
        add_event(actor, discussion, "commit", subject=commit.title.replace("\0", "")[:1000], oid=commit.oid)
        for commit in new_commits(store, new, known, most)
    ]
    last = told[-1].uuid.hex if told else ""
    record_event(
        actor,
        EventTag.DISCUSSION_COMMIT,
        repo=repo,
        num=discussion.num,
        event=last,
        ref=ref,
        old=old,
        new=new,
    )
