"""The buttons by which people like repos and follow each other; each works with and without a script."""

from __future__ import annotations

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from accounts.models import Namespace
from models_app.actions import follows, likes
from models_app.views.support import HubRequest, page, repo_page


@require_POST
@page
def like(request: HubRequest, repo_type: str, namespace: str, name: str) -> HttpResponse:
    """`liked` 1 or 0; a script gets the button as it is now, a form goes back to the repo."""
    repo = repo_page(request, repo_type, namespace, name)
    if request.actor.user is None:
        return redirect_to_login(repo.get_absolute_url())
    liked = request.POST.get("liked") == "1"
    row = (likes.like if liked else likes.unlike)(request.actor, repo=repo)
    if request.headers.get("HX-Request"):
        return render(request, "repo/_like.html", {"repo": row, "liked": liked, "is_fragment": True})
    return HttpResponseRedirect(repo.get_absolute_url())


@require_POST
@page
def follow(request: HubRequest, name: str) -> HttpResponse:
    """`following` 1 or 0, of a person or an organization; back to their page."""
    owner = Namespace.objects.named(name).select_related("user").first()
    if owner is None or (owner.user is not None and owner.user.is_suspended):
        raise Http404
    if request.actor.user is None:
        return redirect_to_login(f"/{owner.name}")
    if request.POST.get("following") == "1":
        follows.follow(request.actor, namespace=owner)
    else:
        follows.unfollow(request.actor, namespace=owner)
    return HttpResponseRedirect(f"/{owner.name}")
