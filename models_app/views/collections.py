"""The page of a collection."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_app.collections import access_collection, items_of
from models_app.views.support import HubRequest, page


@require_safe
@page
def collection(request: HubRequest, namespace: str, slug: str) -> HttpResponse:
    """What is in it, as far as the actor may see; an address of an older title leads to the present one."""
    found = access_collection(request.actor, namespace, slug)
    if found.slug != f"{namespace}/{slug}":
        return HttpResponseRedirect(found.get_absolute_url())
    items = items_of(request.actor, found)
    return render(request, "collections/collection.html", {"collection": found, "items": items})
