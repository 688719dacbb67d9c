"""One thread: its page with its form, and the parts of it that are asked for alone."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from models_app import discussions as threads
from models_app.access import LoginRequired, NotThere, RepoNotFound, access_repo
from models_app.actions import discussions as actions
from models_app.actions import reactions, thread_marks
from models_app.actions.pull_requests import merge_pull_request
from models_app.actions.refusals import EditedMeanwhile, InvalidInput, MergeRefused
from models_app.actions.threads import MAX_COMMENT_CHARACTERS, rendered
from models_app.content.markdown import render_markdown
from models_app.models import DiscussionEvent, Repo
from models_app.storage.errors import StorageError
from models_app.views.support import HubRequest, page, repo_page
from models_app.views.thread_reading import (
    may,
    newer_than,
    reactions_to,
    shown_events,
    talk_context,
    thread_context,
)
from models_app.views.typed import keep_typed, mark_sent, take_typed
from models_app.views.versions import versions_of


@require_http_methods(["GET", "HEAD", "POST"])
@page
def thread(request: HubRequest, repo_type: str, namespace: str, name: str, num: str) -> HttpResponseBase:
    """One thread; a POST does what its `action` names, and shows the page again where that is refused."""
    repo = repo_page(request, repo_type, namespace, name)
    threads.access_discussion(request.actor, repo, int(num))
    problem, draft, preview = "", _first_words(request, repo, int(num)), ""
    if request.method == "POST" and request.POST.get("action") == "preview":
        draft = request.POST.get("text", "")[:MAX_COMMENT_CHARACTERS]
        preview = rendered(repo, draft)
    elif request.method == "POST":
        try:
            return _done(request, repo, int(num))
        except EditedMeanwhile as refusal:
            return _stale(request, repo, int(num), refusal.event)
        except (InvalidInput, MergeRefused, StorageError) as refusal:
            problem, draft = refusal.message, request.POST.get("text", "")
        except LoginRequired:
            keep_typed(request, "text")
            raise
    discussion = threads.access_discussion(request.actor, repo, int(num))
    context = talk_context(request, repo) | thread_context(request, repo, discussion)
    context |= {"problem": problem, "draft": draft, "preview": preview}
    return render(request, "community/thread.html", context, status=422 if problem else 200)


def _done(request: HubRequest, repo: Repo, num: int) -> HttpResponseBase:
    """Do it, and go where it can be seen; a part of the page that asked alone gets that part."""
    event = _act(request, repo, num)
    if request.headers.get("HX-Request") and request.POST.get("action") == "react" and event is not None:
        return _reactions(request, repo, num, event)
    address = request.path if event is None else threads.event_path(event)
    return mark_sent(request, HttpResponseRedirect(address))


def _act(request: HubRequest, repo: Repo, num: int) -> DiscussionEvent | None:
    """Do what the form says; the event it made, if it is one to go to."""
    actor, text = request.actor, request.POST.get("text", "")
    event = request.POST.get("event", "")
    match request.POST.get("action", ""):
        case "comment":
            key = request.POST.get("submit_key", "")
            return actions.comment(actor, repo=repo, num=num, text=text, submit_key=key)
        case "open" | "closed" as status:
            return actions.change_status(actor, repo=repo, num=num, status=status, text=text)
        case "merge":
            merge_pull_request(actor, repo=repo, num=num, text=text)
            return None
        case "rename":
            return actions.rename(actor, repo=repo, num=num, title=request.POST.get("title", ""))
        case "edit":
            seen = request.POST.get("seen_edits", "")
            edits = int(seen) if seen.isdecimal() and len(seen) < 5 else None
            return actions.edit_comment(actor, repo=repo, num=num, event=event, text=text, seen_edits=edits)
        case "hide":
            reason = request.POST.get("reason", "")
            return actions.hide_comment(actor, repo=repo, num=num, event=event, reason=reason)
        case "lock" | "unlock" as word:
            return actions.lock(actor, repo=repo, num=num, locked=word == "lock")
        case "react":
            emoji = request.POST.get("emoji", "")
            return reactions.react(actor, repo=repo, num=num, event=event, emoji=emoji)
    return _mark(request, repo, num, event)


def _mark(request: HubRequest, repo: Repo, num: int, event: str) -> DiscussionEvent | None:
    actor = request.actor
    match request.POST.get("action", ""):
        case "pin" | "unpin" as word:
            return thread_marks.pin(actor, repo=repo, num=num, pinned=word == "pin")
        case "question" | "no-question" as word:
            thread_marks.mark_question(actor, repo=repo, num=num, is_question=word == "question")
            return None
        case "accept":
            return thread_marks.accept(actor, repo=repo, num=num, event=event)
        case "take-back":
            thread_marks.take_back(actor, repo=repo, num=num)
            return None
        case "subscribe" | "mute" | "default" as choice:
            reactions.subscribe(actor, repo=repo, num=num, choice=choice)
            return None
    raise InvalidInput("Choose what to do.")


def _first_words(request: HubRequest, repo: Repo, num: int) -> str:
    """What stands in the form: what was typed before a sign-in, or the comment to be quoted."""
    kept = take_typed(request).get("text", "") if request.method == "GET" else ""
    wanted = request.GET.get("quote", "")
    if kept or not wanted or request.method == "POST":
        return kept
    discussion = threads.access_discussion(request.actor, repo, num)
    try:
        quoted = actions.comment_of(discussion, wanted)
    except NotThere:
        return ""
    return as_quote(quoted)


def as_quote(event: DiscussionEvent) -> str:
    """A comment as Markdown's quotation, its author named."""
    who = event.author.username if event.author else _("somebody who left")
    lines = "\n".join(f"> {line}" for line in event.body.splitlines())
    return f"> **{who}**:\n>\n{lines}\n\n"


def _reactions(request: HubRequest, repo: Repo, num: int, event: DiscussionEvent) -> HttpResponse:
    discussion = threads.access_discussion(request.actor, repo, num)
    context = {
        "event": event,
        "discussion": discussion,
        "reactions": reactions_to(request.actor, [event])[event.pk],
        "emoji": reactions.EMOJI,
        "is_opened": True,
        **may(request.actor, repo, discussion),
    }
    return render(request, "community/_reactions.html", context)


def _stale(request: HubRequest, repo: Repo, num: int, event: DiscussionEvent) -> HttpResponse:
    """Somebody's own comment was edited in another window: both texts, and nothing is lost."""
    context = talk_context(request, repo) | {
        "discussion": threads.access_discussion(request.actor, repo, num),
        "event": event,
        "typed": request.POST.get("text", ""),
    }
    return render(request, "community/stale.html", context, status=409)


@never_cache
@require_safe
@page
def newer(request: HubRequest, repo_type: str, namespace: str, name: str, num: str) -> HttpResponse:
    """What has come into the thread since `after`; 204 where nothing has."""
    repo = repo_page(request, repo_type, namespace, name)
    discussion = threads.access_discussion(request.actor, repo, int(num))
    after = request.GET.get("after", "")
    if not after.isdecimal() or len(after) > 18:
        raise Http404
    events = newer_than(discussion, int(after))
    if not events:
        return HttpResponse(status=204)
    context: dict[str, Any] = may(request.actor, repo, discussion) | {
        "repo": repo,
        "discussion": discussion,
        "events": shown_events(request.actor, discussion, events),
        "last_event": events[-1].pk,
        "emoji": reactions.EMOJI,
    }
    return render(request, "community/_newer.html", context)


@require_safe
@page
def source(
    request: HubRequest, repo_type: str, namespace: str, name: str, num: str, event: str
) -> HttpResponse:
    """A comment as it is quoted, as plain text."""
    repo = repo_page(request, repo_type, namespace, name)
    discussion = threads.access_discussion(request.actor, repo, int(num))
    text = as_quote(actions.comment_of(discussion, event))
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@require_safe
@page
def history(
    request: HubRequest, repo_type: str, namespace: str, name: str, num: str, event: str
) -> HttpResponse:
    """Every text a comment has had, newest first, with what each edit changed."""
    repo = repo_page(request, repo_type, namespace, name)
    discussion = threads.access_discussion(request.actor, repo, int(num))
    found = actions.comment_of(discussion, event)
    context = talk_context(request, repo) | {
        "discussion": discussion,
        "event": found,
        "versions": versions_of(found),
    }
    return render(request, "community/history.html", context)


@require_POST
@page
def preview(request: HubRequest) -> HttpResponse:
    """Markdown as it will look: `repo` (its page's address) says where links lead; for people signed in."""
    if request.actor.user is None:
        raise LoginRequired("Invalid username or password.")
    text = request.POST.get("text") or request.POST.get("description") or request.POST.get("body") or ""
    context = {"preview": _previewed(request, text)}
    return render(request, "community/_preview.html", context)


def _previewed(request: HubRequest, text: str) -> str:
    """As a comment of the repo that is named, if the reader may see it; else without any repo."""
    kind, _colon, repo_id = request.POST.get("repo", "").partition(":")
    try:
        repo = access_repo(request.actor, kind, repo_id, content=False)
    except RepoNotFound:
        return render_markdown(text)
    return rendered(repo, text)
