"""Following repos and boards: the button, and the page of all that somebody follows."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from models_app.actions import follows
from models_app.models import Follow, Followed, Repo, RepoFollow
from models_app.views.lists import page_of
from models_app.views.support import HubRequest, page

PAGE_SIZE = 50


@require_POST
@page
def follow_repo(request: HubRequest, uuid: UUID, what: str) -> HttpResponse:
    """`following` 1 or 0; a script gets the button as it is now, a form goes back to `next` or the repo."""
    rows = Repo.objects.select_related("namespace").filter(uuid=uuid)
    repo = rows.visible_to(request.actor).first()
    wanted = request.POST.get("following") == "1"
    if repo is None and not wanted and request.actor.user is not None:
        # Who may not see it any more may still leave it; the answer says nothing of it.
        repo = rows.filter(repo_follows__user=request.actor.user).first()
    if repo is None or what not in Followed.values:
        raise Http404
    address = f"/leaderboards/{repo.repo_id}" if what == Followed.BOARD else repo.get_absolute_url()
    if request.actor.user is None:
        return redirect_to_login(address)
    (follows.follow_repo if wanted else follows.unfollow_repo)(request.actor, repo=repo, what=what)
    if request.headers.get("HX-Request"):
        return render(request, "profiles/_follow_repo.html", {"repo": repo, "what": what})
    return HttpResponseRedirect("/settings/follows" if request.POST.get("back") == "list" else address)


@login_required
@require_safe
@page
def followed(request: HubRequest) -> HttpResponse:
    """What the person follows: repos and boards, people and organizations."""
    rows: QuerySet[RepoFollow] = RepoFollow.objects.filter(
        user=request.actor.user, repo__in=Repo.objects.visible_to(request.actor)
    )
    people = Follow.objects.filter(user=request.actor.user)
    context = {
        "rows": page_of(
            rows.select_related("repo__namespace").order_by("-created_at", "-pk"),
            request.GET.get("page"),
            PAGE_SIZE,
        ),
        "people": people.select_related("namespace__user", "namespace__organization").order_by("-created_at")[
            :200
        ],
    }
    return render(request, "profiles/followed.html", context)
