"""What every page needs: the actor on the request, and refusals told in words."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render

from accounts.actor import Actor, Level
from accounts.auth import HubRequest
from accounts.models import Namespace
from models_app.access import (
    Forbidden,
    LoginRequired,
    Refusal,
    RepoDisabled,
    RepoGated,
    RepoNotFound,
    access_repo,
)
from models_app.models import Repo
from models_app.redirects import moved_path, moved_repo


class RepoMoved(Exception):
    """The address names a repo that has another id now; `repo` is it."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(repo.repo_id)
        self.repo = repo


class PageView(Protocol):
    """A page: the request and the parts of its address in, a response out."""

    def __call__(self, request: HubRequest, /, *args: Any, **kwargs: Any) -> HttpResponseBase: ...


def page(view: Callable[..., HttpResponseBase]) -> PageView:
    """Tell refusals in words: sign in, not found (private looks missing), gated, disabled, forbidden. What
    was asked of a repo that moved is asked again of where it is now."""

    @wraps(view)
    def wrapped(request: HubRequest, /, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except RepoMoved as moved:
            path, mark, query = request.get_full_path().partition("?")
            address = f"{moved_path(path, moved.repo)}{mark}{query}"
            return HttpResponseRedirect(address, preserve_request=True)
        except Refusal as refusal:
            return refusal_page(request, refusal)

    return wrapped


def refusal_page(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The page for one refusal; a missing thing and a private one give the same bytes."""
    if isinstance(refusal, LoginRequired):
        return redirect_to_login(request.get_full_path())
    if isinstance(refusal, RepoNotFound):
        raise Http404
    if isinstance(refusal, RepoGated):
        context = {"message": refusal.message, "repo": refusal.repo}
        return render(request, "403.html", context, status=403)
    if isinstance(refusal, RepoDisabled | Forbidden):
        return render(request, "403.html", {"message": refusal.message}, status=403)
    raise Http404(refusal.message)


def repo_page(
    request: HubRequest,
    repo_type: str,
    namespace: str,
    name: str,
    need: Level = Level.READ,
) -> Repo:
    """The repo a page shows; its content may still be gated. Raises RepoMoved for an old id of a repo."""
    repo_id = f"{namespace}/{name}"
    try:
        return access_repo(request.actor, repo_type, repo_id, need, content=False)
    except RepoNotFound:
        moved = moved_repo(request.actor, repo_type, repo_id)
        if moved is None:
            raise
        raise RepoMoved(moved) from None


def writable_namespaces(actor: Actor) -> list[str]:
    """Names the actor may create repos under, their own first."""
    keys = [pk for pk, level in actor.namespace_levels.items() if level >= Level.WRITE]
    names = Namespace.objects.filter(pk__in=keys).order_by("name").values_list("name", flat=True)
    return sorted(names, key=lambda name: name != getattr(actor.user, "username", ""))
