"""Where a repo's admins decide whom the gate lets in."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.actor import Level
from models_app.access import NotThere
from models_app.actions import gating
from models_app.actions.refusals import InvalidInput
from models_app.actions.repos import change_settings
from models_app.models import AccessRequest, AccessStatus, Repo
from models_app.views.repo import repo_context
from models_app.views.support import HubRequest, page, repo_page

SHOWN = 100
_TITLES = {
    AccessStatus.PENDING: gettext_lazy("Waiting"),
    AccessStatus.ACCEPTED: gettext_lazy("Let in"),
    AccessStatus.REJECTED: gettext_lazy("Refused"),
}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def access_settings(request: HubRequest, repo_type: str, namespace: str, name: str) -> HttpResponse:
    """Context: `lists` (title, status, requests, how many in all), `problem`. POST changes one thing:
    `action` is `gate`, `decide` or `grant`."""
    repo = repo_page(request, repo_type, namespace, name, Level.ADMIN)
    problem = ""
    if request.method == "POST":
        try:
            messages.success(request, _do(request, repo))
            return HttpResponseRedirect(request.path)
        except (InvalidInput, NotThere) as refusal:
            problem = refusal.message
    context = repo_context(request, repo, tab="settings") | {"problem": problem, "lists": _lists(repo)}
    return render(request, "repo/access.html", context, status=422 if problem else 200)


def _do(request: HubRequest, repo: Repo) -> str:
    """Do what the form asks and say what was done; InvalidInput or NotThere say why not."""
    form = request.POST
    match form.get("action"):
        case "gate":
            change_settings(request.actor, repo=repo, gated=form.get("gated", ""))
        case "grant":
            person = gating.grant(request.actor, repo=repo, username=form.get("user", "").strip()).user
            return _("%(name)s may read the files now.") % {"name": person.username}
        case "decide":
            gating.decide(
                request.actor,
                repo=repo,
                status=form.get("status", ""),
                request_id=form.get("request", ""),
                reason=form.get("reason", "").strip(),
            )
        case _:
            raise InvalidInput(_("Choose what to do."))
    return _("Saved.")


def _lists(repo: Repo) -> list[dict[str, Any]]:
    rows = AccessRequest.objects.filter(repo=repo).select_related("user").order_by("-pk")
    found = []
    for status, title in _TITLES.items():
        those = rows.filter(status=status)
        found.append(
            {"title": title, "status": status.value, "requests": those[:SHOWN], "count": those.count()}
        )
    return found
