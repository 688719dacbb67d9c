"""What every page needs: the actor on the request, and refusals told in words."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from accounts.actor import Actor, Level
from accounts.models import Namespace
from models_app.access import (
    Forbidden,
    LoginRequired,
    Refusal,
    RepoDisabled,
    RepoGated,
    RepoNotFound,
    access_repo,
    check_repo,
)
from models_app.models import Repo


class HubRequest(HttpRequest):
    """A request that passed the ActorMiddleware."""

    actor: Actor


class PageView(Protocol):
    """A page: the request and the parts of its address in, a response out."""

    def __call__(self, request: HubRequest, /, *args: Any, **kwargs: Any) -> HttpResponseBase: ...


def page(view: Callable[..., HttpResponseBase]) -> PageView:
    """Tell refusals in words: sign in, not found (private looks missing), gated, disabled, forbidden."""

    @wraps(view)
    def wrapped(request: HubRequest, /, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except Refusal as refusal:
            return refusal_page(request, refusal)

    return wrapped


def refusal_page(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The page for one refusal; a missing thing and a private one give the same bytes."""
    if isinstance(refusal, LoginRequired):
        return redirect_to_login(request.get_full_path())
    if isinstance(refusal, RepoNotFound):
        raise Http404
    if isinstance(refusal, RepoGated | RepoDisabled | Forbidden):
        return render(request, "403.html", {"message": refusal.message}, status=403)
    raise Http404(refusal.message)


def repo_page(request: HubRequest, repo_type: str, namespace: str, name: str) -> Repo:
    """The repo a page shows; its content may still be gated."""
    return access_repo(request.actor, repo_type, f"{namespace}/{name}", content=False)


def check_content(actor: Actor, repo: Repo) -> None:
    """Refuse the content of a gated repo to whom the gate keeps out."""
    check_repo(actor, repo)


def writable_namespaces(actor: Actor) -> list[str]:
    """Names the actor may create repos under, their own first."""
    keys = [pk for pk, level in actor.namespace_levels.items() if level >= Level.WRITE]
    names = Namespace.objects.filter(pk__in=keys).order_by("name").values_list("name", flat=True)
    return sorted(names, key=lambda name: name != getattr(actor.user, "username", ""))
