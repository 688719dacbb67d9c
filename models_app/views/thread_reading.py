"""What the page of a thread shows: one page of its events with their reactions, who takes part, what may be
done. The number of queries does not grow with the thread."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q

from accounts.actor import Actor
from accounts.models import User
from models_app import discussions as threads
from models_app.access import may_read_content
from models_app.actions.reactions import EMOJI
from models_app.models import Discussion, DiscussionEvent, Reaction, Repo, RepoType, ThreadSubscription
from models_app.views.diffs import shown_changes
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest
from models_app.views.topics import topic_of

PAGE_SIZE = threads.EVENTS_A_PAGE
SHOWN_PEOPLE = 20
NAMED = 10


@dataclass(frozen=True)
class Answered:
    """One emoji on a comment: how many people, the first of their names, whether the reader is one."""

    emoji: str
    names: list[str] = field(default_factory=list)
    is_mine: bool = False

    @property
    def count(self) -> int:
        return len(self.names)

    @property
    def named(self) -> str:
        """The first names, for a title."""
        return ", ".join(self.names[:NAMED]) + ("…" if self.count > NAMED else "")


@dataclass(frozen=True)
class Shown:
    """One event with what its reader may do with it."""

    event: DiscussionEvent
    is_mine: bool
    is_question: bool
    is_accepted: bool
    reactions: list[Answered]


def talk_context(request: HubRequest, repo: Repo) -> dict[str, Any]:
    """What every page of a repo's threads shows above them: the repo's head, or the forum topic's."""
    is_forum = repo.repo_type == RepoType.FORUM
    return repo_context(request, repo, tab="community") | {
        "is_forum": is_forum,
        "head_template": "forum/_head.html" if is_forum else "repo/_head.html",
        "threads_address": repo.get_absolute_url() if is_forum else f"{repo.get_absolute_url()}/discussions",
        "topic": topic_of(repo) if is_forum else None,
    }


def thread_context(request: HubRequest, repo: Repo, discussion: Discussion) -> dict[str, Any]:
    """The whole page of one thread."""
    actor = request.actor
    events = discussion.events.select_related("author", "hidden_by")
    rows = _page(request, discussion)
    first = events.first()
    shown = list(rows.object_list)
    # The opening words stand above every page.
    if first is not None and first not in shown:
        shown.insert(0, first)
    accepted = events.filter(pk=discussion.accepted_id).first() if discussion.accepted_id else None
    if accepted is not None:
        accepted.discussion = discussion
    context = may(actor, repo, discussion) | {
        "discussion": discussion,
        "events": shown_events(actor, discussion, shown, first),
        "accepted": accepted,
        # Directly below the question it need not be said twice.
        "accepted_follows": accepted is None or [event.pk for event in shown[1:2]] == [accepted.pk],
        "rows": rows,
        "is_last_page": rows.number == rows.paginator.num_pages,
        "last_event": _last_pk(discussion),
        "emoji": EMOJI,
        "subscription": _subscription(actor, discussion),
        **_people(discussion),
    }
    if discussion.is_pull_request:
        context |= {"conflicts": threads.conflicts(repo, discussion), **_changes(actor, repo, discussion)}
    return context


def may(actor: Actor, repo: Repo, discussion: Discussion) -> dict[str, Any]:
    """Which buttons the actor sees."""
    writer = threads.is_writer(actor, repo)
    return {
        "is_writer": writer,
        "may_manage": threads.may_manage(actor, repo, discussion),
        "may_comment": actor.user is not None and (writer or not discussion.is_locked),
        "is_open": discussion.status in ("open", "draft"),
        "here": discussion.get_absolute_url(),
    }


def shown_events(
    actor: Actor, discussion: Discussion, events: list[DiscussionEvent], first: DiscussionEvent | None = None
) -> list[Shown]:
    """The events with their reactions, in one query for all of them."""
    me = actor.user.pk if actor.user else None
    reactions = reactions_to(actor, events)
    return [
        Shown(
            event,
            is_mine=event.author_id is not None and event.author_id == me,
            is_question=first is not None and event.pk == first.pk,
            is_accepted=event.pk == discussion.accepted_id,
            reactions=reactions[event.pk],
        )
        for event in events
    ]


def reactions_to(actor: Actor, events: list[DiscussionEvent]) -> dict[int, list[Answered]]:
    """The reactions of each comment, in the order of the eight."""
    names: dict[tuple[int, str], list[str]] = defaultdict(list)
    rows = Reaction.objects.filter(event__in=events).order_by("created_at", "pk")
    for event, emoji, name in rows.values_list("event_id", "emoji", "user__username"):
        names[event, emoji].append(name)
    me = actor.user.username if actor.user else ""
    found: dict[int, list[Answered]] = defaultdict(list)
    for emoji in EMOJI:
        for event_row in events:
            if who := names.get((event_row.pk, emoji)):
                found[event_row.pk].append(Answered(emoji, who, me in who))
    return found


def newer_than(discussion: Discussion, pk: int) -> list[DiscussionEvent]:
    """What was said and done since the event with this key, oldest first; at most one page of it."""
    events = discussion.events.select_related("author", "hidden_by").filter(pk__gt=pk)
    return list(events.order_by("pk")[:PAGE_SIZE])


def _last_pk(discussion: Discussion) -> int:
    newest = discussion.events.order_by("-pk").values_list("pk", flat=True)
    return newest.first() or 0


def _page(request: HubRequest, discussion: Discussion) -> Page[DiscussionEvent]:
    """The asked page, the one with the event that `at` names, or the last, where people go on talking."""
    events = discussion.events.select_related("author", "hidden_by")
    pages = Paginator(events, PAGE_SIZE)
    at = request.GET.get("at", "")
    if len(at) == 32 and all(ch in "0123456789abcdef" for ch in at):
        found = discussion.events.filter(uuid=at).first()
        if found is not None:
            same = Q(created_at=found.created_at, pk__lt=found.pk)
            before = discussion.events.filter(Q(created_at__lt=found.created_at) | same).count()
            return pages.get_page(before // PAGE_SIZE + 1)
    return pages.get_page(request.GET.get("page") or pages.num_pages)


def _subscription(actor: Actor, discussion: Discussion) -> str:
    if actor.user is None:
        return ""
    rows = ThreadSubscription.objects.filter(user=actor.user, discussion=discussion)
    is_muted = rows.values_list("is_muted", flat=True).first()
    return "default" if is_muted is None else "mute" if is_muted else "subscribe"


def _people(discussion: Discussion) -> dict[str, Any]:
    people = User.objects.filter(discussion_events__discussion=discussion).distinct()
    return {
        "people": list(people.order_by("username")[:SHOWN_PEOPLE]),
        "people_count": people.count(),
    }


def _changes(actor: Actor, repo: Repo, discussion: Discussion) -> dict[str, Any]:
    if not may_read_content(actor, repo):
        return {"is_gated": True}
    diff = threads.changes(repo, discussion)
    return {} if diff is None else shown_changes(diff)
