"""What a repo's administrators change: who may see it, and whether it exists."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.actor import Level
from models_app.actions.repos import change_settings, delete_repo
from models_app.models import Repo
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page

VISIBILITIES = {"public": False, "private": True}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def repo_settings(request: HubRequest, repo_type: str, namespace: str, name: str) -> HttpResponse:
    """Show the settings; `action` is `visibility` or `delete` (which wants the id typed out)."""
    repo = repo_page(request, repo_type, namespace, name, Level.ADMIN)
    problem = ""
    if request.method == "POST":
        if request.POST.get("action") == "delete":
            if request.POST.get("confirmation", "").strip() == repo.repo_id:
                return _delete(request, repo)
            problem = _("Type %(id)s to delete it.") % {"id": repo.repo_id}
        elif request.POST.get("visibility") in VISIBILITIES:
            change_settings(request.actor, repo=repo, private=VISIBILITIES[request.POST["visibility"]])
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(request.path)
        else:
            problem = _("Choose who may see it.")
    context = repo_context(request, repo, tab="settings") | {"problem": problem}
    return render(request, "repo/settings.html", context, status=422 if problem else 200)


def _delete(request: HubRequest, repo: Repo) -> HttpResponse:
    owner, repo_id = repo.namespace.name, repo.repo_id
    delete_repo(request.actor, repo=repo)
    messages.success(request, _("%(id)s is deleted.") % {"id": repo_id})
    return HttpResponseRedirect(f"/{owner}")
