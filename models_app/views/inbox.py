"""The inbox: what the person is told of, what they have read, and what they want to hear."""

from __future__ import annotations

import uuid as uuids
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from models_app.actions.notes import mark_read
from models_app.models import NoteKind, Notification
from models_app.telling import notes_of, unread_count
from models_app.telling_words import KINDS
from models_app.views.lists import page_of
from models_app.views.support import HubRequest, page

PAGE_SIZE = 50
MAX_CHOSEN = 200


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def inbox(request: HubRequest) -> HttpResponse:
    """`?show=all` shows what has been read too, `?kind=` one kind; a POST marks as read."""
    kind = request.GET.get("kind", "")
    kind = kind if kind in NoteKind.values else ""
    everything = notes_of(request.actor)
    rows = everything.filter(kind=kind) if kind else everything
    if request.method == "POST":
        return _mark(request, rows)
    shows_all = request.GET.get("show") == "all"
    waiting = everything.filter(read_at=None)
    counts = dict(waiting.order_by().values_list("kind").annotate(count=Count("pk")))
    shown = page_of(rows if shows_all else rows.filter(read_at=None), request.GET.get("page"), PAGE_SIZE)
    context = {
        "rows": shown,
        "shows_all": shows_all,
        "kind": kind,
        "kinds": [(name, title, counts.get(name, 0)) for name, (title, _when) in KINDS.items()],
        "waiting": sum(counts.values()),
        "until": timezone.now().isoformat(),
    }
    return render(request, "inbox/inbox.html", context)


def _mark(request: HubRequest, rows: QuerySet[Notification]) -> HttpResponse:
    """`one` names a line, `note` those that were ticked; `action=all` is everything shown when the page was
    made, so that nothing is called read that nobody saw."""
    if request.POST.get("action") == "all":
        chosen = rows.filter(created_at__lte=_until(request.POST.get("until", "")))
    else:
        named = request.POST.getlist("one") or request.POST.getlist("note")
        chosen = rows.filter(uuid__in=[key for text in named[:MAX_CHOSEN] if (key := _uuid(text))])
    # The gate's condition joins other tables: keys first, so that both databases update one.
    count = mark_read(Notification.objects.filter(pk__in=list(chosen.values_list("pk", flat=True))))
    if count:
        words = ngettext("%(count)d line is marked as read.", "%(count)d lines are marked as read.", count)
        messages.success(request, words % {"count": count})
    elif request.POST.get("action") != "all":
        messages.info(request, _("Nothing was chosen."))
    return HttpResponseRedirect(request.get_full_path())


@never_cache
@login_required
@require_safe
@page
def note(request: HubRequest, uuid: UUID) -> HttpResponse:
    """Mark the line as read and go where it leads."""
    found = notes_of(request.actor).filter(uuid=uuid).first()
    if found is None:
        raise Http404
    if request.method == "GET":
        mark_read(Notification.objects.filter(pk=found.pk))
    inside = found.path.startswith("/") and not found.path.startswith("//")
    return HttpResponseRedirect(found.path if inside else reverse("inbox"))


@never_cache
@require_safe
def count(request: HubRequest) -> HttpResponse:
    """The bell with its number as it is now; nothing for whoever is signed out meanwhile."""
    if request.actor.user is None:
        return HttpResponse(status=204)
    return render(request, "inbox/_bell.html")


def _until(text: str) -> datetime:
    try:
        moment = parse_datetime(text[:40])
    except ValueError:
        moment = None
    return moment if moment is not None and timezone.is_aware(moment) else timezone.now()


def _uuid(text: str) -> UUID | None:
    try:
        return uuids.UUID(text)
    except ValueError:
        return None


def unread_notes(request: Any) -> dict[str, Any]:
    """For every template: how many lines wait, counted once a request and only where it is shown."""

    def counted() -> int:
        actor = getattr(request, "actor", None)
        if actor is None or actor.user is None or actor.token is not None:
            return 0
        if not hasattr(request, "_unread_notes"):
            request._unread_notes = unread_count(actor)
        return int(request._unread_notes)

    return {"unread_notes": counted}
