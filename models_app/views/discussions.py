"""The community pages of a repo: its threads, one thread with its form, a new one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from models_app import discussions as threads
from models_app.access import may_read_content
from models_app.actions import discussions as actions
from models_app.actions.pull_requests import merge_pull_request
from models_app.actions.refusals import InvalidInput, MergeRefused
from models_app.actions.threads import MAX_COMMENT_CHARACTERS, MAX_TITLE_CHARACTERS
from models_app.models import Discussion, DiscussionEvent, Repo
from models_app.storage.errors import StorageError
from models_app.views.diffs import shown_changes
from models_app.views.lists import page_of
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page

PAGE_SIZE = 25
# tab: its title, and the kind and status of the threads it shows
TABS = {
    "discussions": (_("Discussions"), "discussion", "open"),
    "pull-requests": (_("Pull requests"), "pull_request", "open"),
    "closed": (_("Closed"), "all", "closed"),
}


class NewThreadForm(forms.Form):
    """Title and first words; the rules are the action's."""

    title = forms.CharField(label=_("Title"), max_length=MAX_TITLE_CHARACTERS)
    description = forms.CharField(
        label=_("What is it about?"),
        required=False,
        max_length=MAX_COMMENT_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text=_("Markdown works here."),
    )


@require_safe
@page
def thread_list(request: HubRequest, repo_type: str, namespace: str, name: str) -> HttpResponse:
    """Open discussions, open pull requests, or what is closed; newest first."""
    repo = repo_page(request, repo_type, namespace, name)
    chosen = request.GET.get("tab", "")
    chosen = chosen if chosen in TABS else "discussions"
    _title, kind, status = TABS[chosen]
    counts = {
        key: threads.threads_of(repo, kind=kind, status=status).count()
        for key, (_title, kind, status) in TABS.items()
    }
    context = repo_context(request, repo, tab="community") | {
        "chosen": chosen,
        "tabs_of_threads": [(key, title, counts[key]) for key, (title, _kind, _status) in TABS.items()],
        "rows": page_of(
            threads.threads_of(repo, kind=kind, status=status), request.GET.get("page"), PAGE_SIZE
        ),
    }
    return render(request, "community/list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def new_thread(request: HubRequest, repo_type: str, namespace: str, name: str) -> HttpResponse:
    """Show the form; open the discussion and go there."""
    repo = repo_page(request, repo_type, namespace, name)
    form = NewThreadForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.open_discussion(request.actor, repo=repo, **form.cleaned_data)
        except InvalidInput as refusal:
            form.add_error("title", refusal.message)
        else:
            return HttpResponseRedirect(made.get_absolute_url())
    context = repo_context(request, repo, tab="community") | {"form": form}
    return render(request, "community/new.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def thread(request: HubRequest, repo_type: str, namespace: str, name: str, num: str) -> HttpResponse:
    """One thread; a POST does what its `action` names, and shows the page again where that is refused."""
    repo = repo_page(request, repo_type, namespace, name)
    threads.access_discussion(request.actor, repo, int(num))
    problem = ""
    if request.method == "POST":
        try:
            event = _act(request, repo, int(num))
        except (InvalidInput, MergeRefused, StorageError) as refusal:
            problem = refusal.message
        else:
            anchor = f"#event-{event.uuid.hex}" if event is not None else ""
            return HttpResponseRedirect(f"{request.path}{anchor}")
    discussion = threads.access_discussion(request.actor, repo, int(num))
    context = repo_context(request, repo, tab="community") | _thread_context(request, repo, discussion)
    context |= {"problem": problem, "draft": request.POST.get("text", "") if problem else ""}
    return render(request, "community/thread.html", context, status=422 if problem else 200)


def _act(request: HubRequest, repo: Repo, num: int) -> DiscussionEvent | None:
    """Do what the form says; the event it made, if it is one to go to."""
    actor, text = request.actor, request.POST.get("text", "")
    event = request.POST.get("event", "")
    match request.POST.get("action", ""):
        case "comment":
            return actions.comment(actor, repo=repo, num=num, text=text)
        case "open" | "closed" as status:
            return actions.change_status(actor, repo=repo, num=num, status=status, text=text)
        case "merge":
            merge_pull_request(actor, repo=repo, num=num, text=text)
            return None
        case "rename":
            return actions.rename(actor, repo=repo, num=num, title=request.POST.get("title", ""))
        case "edit":
            return actions.edit_comment(actor, repo=repo, num=num, event=event, text=text)
        case "hide":
            return actions.hide_comment(actor, repo=repo, num=num, event=event)
        case "lock" | "unlock" as word:
            return actions.lock(actor, repo=repo, num=num, locked=word == "lock")
    raise InvalidInput("Choose what to do.")


def _thread_context(request: HubRequest, repo: Repo, discussion: Discussion) -> dict[str, Any]:
    actor = request.actor
    writer = threads.is_writer(actor, repo)
    me = actor.user.pk if actor.user else None
    events = discussion.events.select_related("author", "hidden_by")
    context = {
        "discussion": discussion,
        "events": [(event, event.author_id is not None and event.author_id == me) for event in events],
        "is_writer": writer,
        "may_manage": threads.may_manage(actor, repo, discussion),
        "may_comment": me is not None and (writer or not discussion.is_locked),
        "is_open": discussion.status in ("open", "draft"),
    }
    if discussion.is_pull_request:
        context |= {"conflicts": threads.conflicts(repo, discussion), **_changes(request, repo, discussion)}
    return context


def _changes(request: HubRequest, repo: Repo, discussion: Discussion) -> dict[str, Any]:
    if not may_read_content(request.actor, repo):
        return {"is_gated": True}
    diff = threads.changes(repo, discussion)
    return {} if diff is None else shown_changes(diff)
