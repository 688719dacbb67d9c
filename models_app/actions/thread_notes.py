"""Whom it concerns that a thread begins, goes on or ends."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from models_app.actions.notes import Note
from models_app.content.references import names_mentioned
from models_app.discussions import event_path
from models_app.models import Discussion, DiscussionEvent, Event, Followed, NoteKind, Repo, RepoFollow
from models_app.telling import members_named, muted_in, owners_of, participants_of, users_named

MAX_MENTIONED = 20
# People of organizations that one comment names: nobody calls a crowd together.
MAX_MEMBERS = 100


def _thread_of(event: Event) -> Discussion | None:
    rows = Discussion.objects.select_related("repo__namespace", "author")
    return rows.filter(repo=event.repo_id, num=event.data.get("num") or 0).first()


def _comment_of(event: Event, thread: Discussion) -> DiscussionEvent | None:
    try:
        key = uuid.UUID(hex=str(event.data.get("event", "")))
    except ValueError:
        return None
    return DiscussionEvent.objects.filter(uuid=key, discussion=thread).first()


def _about(thread: Discussion, **more: Any) -> dict[str, Any]:
    return {"title": thread.title, "num": thread.num, "pull_request": thread.is_pull_request, **more}


def _path(thread: Discussion, said: DiscussionEvent | None) -> str:
    if said is None:
        return thread.get_absolute_url()
    said.discussion = thread
    return event_path(said)


def followers_of(repo: Repo, what: str = Followed.REPO) -> set[int]:
    """Who follows the repo, or the board that it is."""
    return set(RepoFollow.objects.filter(repo=repo, what=what).values_list("user_id", flat=True))


def _mentions(thread: Discussion, said: DiscussionEvent | None) -> Iterator[Note]:
    """Whoever is named, and the members of organizations that are, but for those who muted the thread: they
    hear of it when they are named themselves."""
    names = names_mentioned(said.body)[:MAX_MENTIONED] if said is not None else []
    if not names:
        return
    key, path = f"mention:{thread.repo_id}:{thread.num}", _path(thread, said)
    named = users_named(names)
    if named:
        yield Note(NoteKind.MENTION, key, named, thread.repo, path, _about(thread))
    members = members_named(names, thread.repo, MAX_MEMBERS)
    left = members.keys() - named - muted_in(thread)
    for group in dict.fromkeys(members.values()):
        people = {user for user in left if members[user] == group}
        yield Note(NoteKind.MENTION, key, people, thread.repo, path, _about(thread, organization=group))


def opened(event: Event) -> Iterator[Note]:
    """A thread or a pull request begins: whoever is named, and whose repo it is or who follows it."""
    thread = _thread_of(event)
    if thread is None:
        return
    said = _comment_of(event, thread)
    named: set[int] = set()
    for note in _mentions(thread, said):
        named |= set(note.users)
        yield note
    kind = NoteKind.PULL_REQUEST if thread.is_pull_request else NoteKind.THREAD
    people = (owners_of(thread.repo.namespace) | followers_of(thread.repo)) - named
    yield Note(
        kind,
        f"opened:{thread.repo_id}:{thread.num}",
        people,
        thread.repo,
        thread.get_absolute_url(),
        _about(thread),
    )


def _listeners(thread: Discussion) -> set[int]:
    """Who hears of what happens in a thread: who takes part, and of a person's own repo that person."""
    owner = thread.repo.namespace.user_id
    mine = {owner} if owner is not None else set()
    return participants_of(thread) | (mine - muted_in(thread))


def commented(event: Event) -> Iterator[Note]:
    """Something is said: whoever is named, and who takes part."""
    thread = _thread_of(event)
    said = _comment_of(event, thread) if thread is not None else None
    if thread is None or said is None or said.hidden_at is not None:
        return
    named: set[int] = set()
    for note in _mentions(thread, said):
        named |= set(note.users)
        yield note
    key = f"reply:{thread.repo_id}:{thread.num}"
    people = _listeners(thread) - named
    yield Note(NoteKind.REPLY, key, people, thread.repo, _path(thread, said), _about(thread))


def status_changed(event: Event) -> Iterator[Note]:
    """A thread is closed, reopened or merged."""
    thread = _thread_of(event)
    if thread is None:
        return
    kind = NoteKind.PULL_REQUEST if thread.is_pull_request else NoteKind.REPLY
    about = _about(thread, status=str(event.data.get("status", "")))
    key = f"status:{thread.repo_id}:{thread.num}"
    yield Note(kind, key, _listeners(thread), thread.repo, thread.get_absolute_url(), about)


def accepted(event: Event) -> Iterator[Note]:
    """A comment is the answer to a question: its author."""
    thread = _thread_of(event)
    answer = thread.accepted if thread is not None else None
    if thread is None or answer is None or answer.author_id is None:
        return
    key = f"answer:{thread.repo_id}:{thread.num}"
    yield Note(NoteKind.ANSWER, key, {answer.author_id}, thread.repo, _path(thread, answer), _about(thread))
