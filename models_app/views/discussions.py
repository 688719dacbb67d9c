"""The community pages of a repo: the list of its threads, and the form for a new one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from models_app import discussions as threads
from models_app.access import LoginRequired
from models_app.actions import discussions as actions
from models_app.actions.refusals import InvalidInput
from models_app.actions.threads import MAX_COMMENT_CHARACTERS, MAX_TITLE_CHARACTERS, rendered
from models_app.models import Discussion, DiscussionEvent, Repo
from models_app.views.lists import page_of
from models_app.views.support import HubRequest, page, repo_page
from models_app.views.thread_reading import talk_context
from models_app.views.typed import keep_typed, mark_sent, take_typed

PAGE_SIZE = 25
LONGEST_QUERY = 200
# tab: its title, and the kind and status of the threads it shows
TABS = {
    "discussions": (_("Discussions"), "discussion", "open"),
    "questions": (_("Unanswered"), "discussion", "open"),
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
    is_question = forms.BooleanField(label=_("This is a question: it waits for an answer"), required=False)


@require_safe
@page
def thread_list(request: HubRequest, repo_type: str, namespace: str, name: str) -> HttpResponse:
    """Open discussions, questions without an answer, open pull requests, or what is closed; what was talked
    in last comes first, after what is pinned."""
    repo = repo_page(request, repo_type, namespace, name)
    context = talk_context(request, repo)
    tabs = {key: tab for key, tab in TABS.items() if key != "pull-requests" or not context["is_forum"]}
    chosen = request.GET.get("tab", "")
    chosen = chosen if chosen in tabs else "discussions"
    wanted = asked(request)
    context |= wanted | {
        "chosen": chosen,
        "tabs_of_threads": [
            (key, title, found(request, repo, key, wanted).count()) for key, (title, *_rest) in tabs.items()
        ],
        "rows": page_of(found(request, repo, chosen, wanted), request.GET.get("page"), PAGE_SIZE),
    }
    return render(request, "community/list.html", context)


def asked(request: HubRequest) -> dict[str, str]:
    """The words looked for, whose threads, and whether only the reader's own."""
    clean = {name: request.GET.get(name, "").replace("\0", "").strip() for name in ("q", "author", "mine")}
    return {name: value[:LONGEST_QUERY] for name, value in clean.items()}


def found(request: HubRequest, repo: Repo, tab: str, wanted: dict[str, str]) -> QuerySet[Discussion]:
    """The threads of one tab that answer to what is asked."""
    _title, kind, status = TABS[tab]
    rows = threads.threads_of(repo, kind=kind, status=status, author=wanted["author"].lstrip("@"))
    if tab == "questions":
        rows = rows.filter(is_question=True, accepted=None)
    rows = rows.select_related("author", "repo__namespace")
    return narrowed(rows, request, wanted).order_by("-is_pinned", "-last_activity_at", "-pk")


def narrowed(rows: QuerySet[Discussion], request: HubRequest, wanted: dict[str, str]) -> QuerySet[Discussion]:
    """Threads that say the words in their title or a comment, the reader's own if that is asked."""
    if wanted["q"]:
        said = DiscussionEvent.objects.filter(
            discussion=OuterRef("pk"), type="comment", body__icontains=wanted["q"]
        )
        rows = rows.filter(Q(title__icontains=wanted["q"]) | Exists(said))
    if wanted["mine"] and request.actor.user is not None:
        rows = rows.filter(author=request.actor.user)
    return rows


@require_http_methods(["GET", "HEAD", "POST"])
@page
def new_thread(request: HubRequest, repo_type: str, namespace: str, name: str) -> HttpResponseBase:
    """Show the form; open the discussion and go there."""
    repo = repo_page(request, repo_type, namespace, name)
    if request.actor.user is None:
        keep_typed(request, "title", "description", "is_question")
        raise LoginRequired("Invalid username or password.")
    is_preview = request.POST.get("action") == "preview"
    if is_preview:
        form = NewThreadForm(initial=request.POST.dict())
    else:
        form = NewThreadForm(request.POST or None, initial=_initial(request, repo))
    if request.method == "POST" and not is_preview and form.is_valid():
        try:
            made = actions.open_discussion(
                request.actor,
                repo=repo,
                submit_key=request.POST.get("submit_key", ""),
                **form.cleaned_data,
            )
        except InvalidInput as refusal:
            form.add_error("title", refusal.message)
        else:
            return mark_sent(request, HttpResponseRedirect(made.get_absolute_url()))
    context: dict[str, Any] = talk_context(request, repo) | {"form": form}
    if is_preview:
        context["preview"] = rendered(repo, request.POST.get("description", "")[:MAX_COMMENT_CHARACTERS])
    return render(request, "community/new.html", context, status=422 if form.errors else 200)


def _initial(request: HubRequest, repo: Repo) -> dict[str, Any]:
    is_question = repo.repo_type == "forum" and repo.name == "questions"
    return {"is_question": is_question, **take_typed(request)} if request.method == "GET" else {}
