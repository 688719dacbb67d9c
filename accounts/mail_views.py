"""Ending mail by the address that stands in it (RFC 8058: programs post to it, people see a button first),
and proving an address by the link that was sent there."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from accounts.auth import HubRequest
from accounts.mail import ask_for_proof, person_of, prove, proven, stop_mail
from accounts.models import User


# The signed address is the credential, and a mail program has no cookie to send along.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest, signed: str) -> HttpResponse:
    """Context: `done`, `what`. Looking changes nothing: what checks links in mail looks at them."""
    found = person_of(signed)
    if found is None:
        raise Http404
    person, what = found
    if request.method == "POST":
        stop_mail(person, what)
    return render(request, "accounts/mail_stop.html", {"done": request.method == "POST", "what": what})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def verify(request: HttpRequest, signed: str) -> HttpResponse:
    """Context: `person` (None: the link is no good any more), `done`. Looking changes nothing."""
    person = proven(signed)
    done = person is not None and request.method == "POST"
    if person is not None and done:
        prove(person)
    context = {"person": person, "done": done}
    return render(request, "accounts/mail_verify.html", context, status=200 if person else 410)


@login_required
@require_POST
def send_again(request: HubRequest) -> HttpResponse:
    """Have the link sent to the address in the settings."""
    person = User.objects.get(pk=request.actor.at_browser().pk)
    if ask_for_proof(person):
        messages.success(request, _("A mail is on its way to %(address)s.") % {"address": person.email})
    else:
        messages.error(request, _("No mail can be sent now: try again tomorrow, or ask the hub's operator."))
    return redirect("note-settings")
