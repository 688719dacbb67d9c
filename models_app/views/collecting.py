"""Putting a repo into collections, from its own page: a menu with a script, a page without."""

from __future__ import annotations

from contextlib import suppress

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.actor import Level
from models_app.access import Refusal, RepoNotFound
from models_app.actions import collection_items
from models_app.actions.collection_items import ITEM_TYPES, ItemExists
from models_app.collections import access_collection, find_thing
from models_app.models import Collection, Repo
from models_app.views.support import HubRequest, page

MAX_OFFERED = 100


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def collect(request: HubRequest) -> HttpResponse:
    """`what=model/alice/net`: the reader's collections, each with a button; POST `collection` and `verb`, add
    or remove."""
    given = request.POST if request.method == "POST" else request.GET
    what = given.get("what", "")[:250]
    repo = _repo(request, what)
    problem = ""
    if request.method == "POST":
        try:
            title = _change(request, repo, given.get("collection", "")[:200], given.get("verb", ""))
        except Refusal as refusal:
            problem = refusal.message
        else:
            if not request.headers.get("HX-Request"):
                messages.success(request, title)
                return HttpResponseRedirect(repo.get_absolute_url())
    context = {"repo": repo, "what": what, "offered": _offered(request, repo), "problem": problem}
    is_part = bool(request.headers.get("HX-Request"))
    template = "collections/_collect.html" if is_part else "collections/collect.html"
    return render(request, template, context, status=422 if problem and not is_part else 200)


def _repo(request: HubRequest, what: str) -> Repo:
    kind, _slash, repo_id = what.partition("/")
    if kind not in ITEM_TYPES:
        raise Http404
    thing = find_thing(request.actor, kind, repo_id)
    if not isinstance(thing, Repo):
        raise RepoNotFound("Repository not found")
    return thing


def _offered(request: HubRequest, repo: Repo) -> list[tuple[Collection, bool]]:
    """(collection, whether the repo is in it): those the reader may change, changed last first."""
    levels = request.actor.namespace_levels
    keys = [pk for pk, level in levels.items() if level >= Level.WRITE]
    rows = Collection.objects.filter(namespace__in=keys).select_related("namespace").order_by("-updated_at")
    holding = set(repo.collection_items.values_list("collection", flat=True))
    return [(row, row.pk in holding) for row in rows[:MAX_OFFERED]]


def _change(request: HubRequest, repo: Repo, slug: str, verb: str) -> str:
    namespace, _slash, last = slug.partition("/")
    found = access_collection(request.actor, namespace, last, Level.WRITE)
    if verb == "remove":
        item = found.items.filter(repo=repo).first()
        if item is not None:
            collection_items.delete_item(request.actor, collection=found, key=item.key)
        return _("Taken out of %(title)s.") % {"title": found.title}
    # Who pressed twice has it there, as wanted.
    with suppress(ItemExists):
        collection_items.add_item(
            request.actor, collection=found, item_type=repo.repo_type, item_id=repo.repo_id
        )
    return _("Added to %(title)s.") % {"title": found.title}
