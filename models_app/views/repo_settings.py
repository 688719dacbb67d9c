"""What a repo's administrators change: who may see it, its name, whether people talk, whether it exists."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.actor import Level
from accounts.models import Namespace
from models_app.access import Refusal
from models_app.actions.moves import NameTaken, move_repo
from models_app.actions.refusals import InvalidInput
from models_app.actions.repos import change_settings, delete_repo
from models_app.models import Repo, RepoType
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page

VISIBILITIES = {"public": False, "private": True}
TALKS = {"on": False, "off": True}


class Unfit(Exception):
    """What was sent cannot be done; its text is told beside the form of this action."""


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def repo_settings(request: HubRequest, repo_type: str, namespace: str, name: str) -> HttpResponse:
    """Show the settings; `action` is visibility, discussions, move, or delete (which wants the id typed)."""
    repo = repo_page(request, repo_type, namespace, name, Level.ADMIN)
    problem = ""
    action = request.POST.get("action", "visibility")
    if request.method == "POST":
        try:
            return HttpResponseRedirect(_ACTIONS.get(action, _unknown)(request, repo))
        except Unfit as unfit:
            problem = str(unfit)
    context = repo_context(request, repo, tab="settings") | {
        "problem": problem,
        "failed": action,
        "owners": administered(request),
        "may_move": repo.repo_type != RepoType.FORUM,
        "given": request.POST,
    }
    return render(request, "repo/settings.html", context, status=422 if problem else 200)


def administered(request: HubRequest) -> list[str]:
    """Names that a repo may be moved to."""
    keys = [pk for pk, level in request.actor.namespace_levels.items() if level >= Level.ADMIN]
    return list(Namespace.objects.filter(pk__in=keys).order_by("name").values_list("name", flat=True))


def _visibility(request: HubRequest, repo: Repo) -> str:
    wanted = request.POST.get("visibility", "")
    if wanted not in VISIBILITIES:
        raise Unfit(_("Choose who may see it."))
    change_settings(request.actor, repo=repo, private=VISIBILITIES[wanted])
    messages.success(request, _("Saved."))
    return request.path


def _discussions(request: HubRequest, repo: Repo) -> str:
    wanted = request.POST.get("discussions", "")
    if wanted not in TALKS:
        raise Unfit(_("Choose whether people may discuss."))
    change_settings(request.actor, repo=repo, discussions_disabled=TALKS[wanted])
    messages.success(request, _("Saved."))
    return request.path


def _move(request: HubRequest, repo: Repo) -> str:
    owner = request.POST.get("namespace", "")[:100]
    name = request.POST.get("name", "").strip()[:200]
    if repo.repo_type == RepoType.FORUM:
        raise Unfit(_("A topic of the forum keeps its name."))
    if not name:
        raise Unfit(_("Give it a name."))
    if f"{owner}/{name}" == repo.repo_id:
        raise Unfit(_("That is what it is called already."))
    try:
        moved = move_repo(request.actor, repo=repo, namespace=owner, name=name)
    except NameTaken as taken:
        raise Unfit(_("There is already a repo called %(id)s.") % {"id": taken.repo.repo_id}) from taken
    except (InvalidInput, Refusal) as refusal:
        raise Unfit(refusal.message) from refusal
    messages.success(
        request, _("It is called %(id)s now; the old address leads here.") % {"id": moved.repo_id}
    )
    return f"{moved.get_absolute_url()}/settings"


def _delete(request: HubRequest, repo: Repo) -> str:
    owner, repo_id = repo.namespace.name, repo.repo_id
    if request.POST.get("confirmation", "").strip() != repo_id:
        raise Unfit(_("Type %(id)s to delete it.") % {"id": repo_id})
    delete_repo(request.actor, repo=repo)
    messages.success(request, _("%(id)s is deleted.") % {"id": repo_id})
    return f"/{owner}"


def _unknown(request: HubRequest, repo: Repo) -> str:
    raise Unfit(_("Say what to change."))


_ACTIONS: dict[str, Callable[[HubRequest, Repo], str]] = {
    "visibility": _visibility,
    "discussions": _discussions,
    "move": _move,
    "delete": _delete,
}
