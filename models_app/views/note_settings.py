"""What somebody wants to hear of, and where: in the inbox, by mail at once or in a digest."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods

from accounts.models import Digest, User
from models_app.actions.note_choices import choose_notes
from models_app.actions.refusals import InvalidInput
from models_app.telling import Mail, choices_of
from models_app.telling_words import KINDS
from models_app.views.support import HubRequest, page

MAILS = {
    Mail.NEVER: lazy("never"),
    Mail.DIGEST: lazy("in the digest"),
    Mail.AT_ONCE: lazy("at once"),
}
DIGESTS = {Digest.DAILY: lazy("every day"), Digest.WEEKLY: lazy("every week"), Digest.NEVER: lazy("never")}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def note_settings(request: HubRequest) -> HttpResponse:
    """A line a kind; a POST keeps them all, or tells what is wrong and changes nothing."""
    user = User.objects.get(pk=request.actor.at_browser().pk)
    problem = ""
    if request.method == "POST":
        wanted = {
            str(kind): (f"site-{kind}" in request.POST, request.POST.get(f"mail-{kind}", ""))
            for kind in KINDS
        }
        try:
            choose_notes(
                request.actor,
                wanted=wanted,
                digest=request.POST.get("digest", ""),
                by_mail="by_mail" in request.POST,
            )
        except InvalidInput as refusal:
            problem = refusal.message
        else:
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(request.path)
    context = _context(user) | {"problem": problem}
    return render(request, "inbox/settings.html", context, status=422 if problem else 200)


def _context(user: User) -> dict[str, Any]:
    choices = choices_of(user)
    return {
        "person": user,
        "lines": [(kind, title, when, choices[kind]) for kind, (title, when) in KINDS.items()],
        "mails": MAILS.items(),
        "digests": DIGESTS.items(),
        "mail_is_on": settings.HUB_MAIL_ON,
    }
