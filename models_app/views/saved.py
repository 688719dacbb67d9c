"""Saved searches: their page, and what is done to them there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from models_app import saved
from models_app.actions import saved as actions
from models_app.actions.refusals import InvalidInput
from models_app.views.support import HubRequest, page

HERE = "/saved"


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def searches(request: HubRequest) -> HttpResponse:
    """The person's saved searches; a POST saves one (`repo_type`, `query`, `title`)."""
    problem, typed = "", {}
    if request.method == "POST":
        typed = {name: request.POST.get(name, "") for name in ("repo_type", "query", "title")}
        try:
            made = actions.save_search(request.actor, **typed)
        except actions.SavedAlready as known:
            messages.info(request, known.message)
            return HttpResponseRedirect(HERE)
        except InvalidInput as refusal:
            problem = refusal.message
        else:
            messages.success(request, _("“%(title)s” is saved.") % {"title": made.title})
            return HttpResponseRedirect(HERE)
    context: dict[str, Any] = {"lines": saved.lines_of(request.actor), "problem": problem, "typed": typed}
    return render(request, "saved/list.html", context, status=422 if problem else 200)


@never_cache
@login_required
@require_safe
@page
def search(request: HubRequest, uuid: UUID) -> HttpResponse:
    """To the list, whose results are no longer new then."""
    row = get_object_or_404(saved.saved_of(request.actor), uuid=uuid)
    if request.method == "GET":
        actions.see_saved(request.actor, row=row)
    return HttpResponseRedirect(saved.list_address(row))


@login_required
@require_POST
@page
def change(request: HubRequest, uuid: UUID) -> HttpResponse:
    """`action`: rename (with `title`), alert-on, alert-off or delete."""
    row = get_object_or_404(saved.saved_of(request.actor), uuid=uuid)
    try:
        match request.POST.get("action", ""):
            case "rename":
                actions.change_saved(request.actor, row=row, title=request.POST.get("title", ""))
            case "alert-on" | "alert-off" as word:
                actions.change_saved(request.actor, row=row, alert=word == "alert-on")
            case "delete":
                actions.forget_saved(request.actor, row=row)
            case _unknown:
                raise InvalidInput(_("Choose what to do."))
    except InvalidInput as refusal:
        context = {"lines": saved.lines_of(request.actor), "problem": refusal.message, "typed": {}}
        return render(request, "saved/list.html", context, status=422)
    return HttpResponseRedirect(HERE)
