"""Ending mail by the address that stands in it (RFC 8058: programs post to it, people see a button first)."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.mail import person_of, stop_mail


# The signed address is the credential, and a mail program has no cookie to send along.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest, signed: str) -> HttpResponse:
    """Context: `done`. Looking changes nothing: what checks links in mail looks at them."""
    person = person_of(signed)
    if person is None:
        raise Http404
    if request.method == "POST":
        stop_mail(person)
    return render(request, "accounts/mail_stop.html", {"done": request.method == "POST"})
