"""Closing a panel of first steps, or ticking what only a person can know."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_http_methods

from models_app.views.support import HubRequest, page
from runs.getting_started import dismiss


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def close(request: HubRequest) -> HttpResponse:
    """POST `name`: remember it, and go back to the start page."""
    if request.method == "POST" and request.actor.user is not None:
        dismiss(request.actor.user, request.POST.get("name", ""))
    return HttpResponseRedirect("/")
