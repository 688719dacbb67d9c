"""The front page of the forum, and the form by which staff open topics."""

from __future__ import annotations

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from models_app.access import Forbidden, is_moderator
from models_app.actions.forum import MAX_ABOUT_CHARACTERS, make_topic
from models_app.actions.refusals import InvalidInput, RepoExists
from models_app.actions.threads import MAX_TITLE_CHARACTERS
from models_app.models import Discussion, Repo, RepoType
from models_app.views.discussions import asked, narrowed
from models_app.views.lists import page_of
from models_app.views.support import HubRequest, page
from models_app.views.topics import topics

PAGE_SIZE = 20


class NewTopicForm(forms.Form):
    """Name in addresses, title, a sentence."""

    title = forms.CharField(label=_("Title"), max_length=MAX_TITLE_CHARACTERS)
    name = forms.CharField(
        label=_("Name in its address"), max_length=96, help_text=_("Letters, digits, “-”, “_” and “.”.")
    )
    about = forms.CharField(
        label=_("What is it for?"),
        max_length=MAX_ABOUT_CHARACTERS,
        required=False,
        help_text=_("A sentence."),
    )


@require_safe
@page
def forums(request: HubRequest) -> HttpResponse:
    """The topics, and below them the threads people talked in last, or those that answer to a search."""
    wanted = asked(request)
    known = topics(request.actor)
    unanswered = bool(request.GET.get("unanswered"))
    places = Repo.objects.visible_to(request.actor).of_type(RepoType.FORUM)
    rows = Discussion.objects.filter(repo__in=places).select_related("author", "repo__namespace")
    if wanted["author"]:
        rows = rows.filter(author__username__iexact=wanted["author"].lstrip("@"))
    if unanswered:
        rows = rows.filter(is_question=True, accepted=None)
    rows = narrowed(rows, request, wanted).order_by("-last_activity_at", "-pk")
    context = wanted | {
        "section": "forums",
        "topics": known,
        "titles": {topic.repo.pk: topic.title for topic in known},
        "rows": page_of(rows, request.GET.get("page"), PAGE_SIZE),
        "unanswered": unanswered,
        "is_narrowed": unanswered or any(wanted.values()),
        "is_moderator": is_moderator(request.actor),
    }
    return render(request, "forum/index.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def new_topic(request: HubRequest) -> HttpResponse:
    """Staff open a topic."""
    if not is_moderator(request.actor):
        raise Forbidden("Only the hub's staff may open topics of the forum.")
    form = NewTopicForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            repo = make_topic(request.actor, **form.cleaned_data)
        except RepoExists:
            form.add_error("name", _("There is already a topic of this name."))
        except InvalidInput as refusal:
            form.add_error("name", refusal.message)
        else:
            return HttpResponseRedirect(repo.get_absolute_url())
    context = {"section": "forums", "form": form}
    return render(request, "forum/new_topic.html", context, status=422 if form.errors else 200)
