"""The page on which a person lets a program in that was started on a device without a browser."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import device as codes
from accounts import logins, throttle
from accounts.models import DeviceCode, DeviceLogin
from accounts.views import TOO_MANY, PersonRequest, told_to_wait

MAX_TYPED = 40


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def device(request: PersonRequest) -> HttpResponse:
    """Context: `typed`, `problem`; of a code that waits also `code` and `client`; afterwards `answer`.

    A link carries the code (`?code=`), but only a button pressed here, with its CSRF token, answers.
    """
    typed = (request.POST.get("code") or request.GET.get("code") or "").strip()[:MAX_TYPED]
    if not typed:
        return render(request, "accounts/device.html", {"typed": ""})
    who = str(request.user.pk)
    if throttle.DEVICE_GUESSES.is_full(who):
        response = render(request, "accounts/device.html", {"typed": "", "problem": _(TOO_MANY)}, status=429)
        return told_to_wait(response, throttle.DEVICE_GUESSES.headers(who))
    code = codes.find_waiting(typed)
    if code is None:
        throttle.DEVICE_GUESSES.note(who)
        problem = _("No login waits under this code: it may have expired. Start again on the device.")
        return render(request, "accounts/device.html", {"typed": typed, "problem": problem}, status=404)
    answer = request.POST.get("answer", "")
    if answer not in ("approve", "deny"):
        return _question(request, code, typed)
    return _answered(request, code, typed, approve=answer == "approve")


def _question(request: PersonRequest, code: DeviceCode, typed: str, problem: str = "") -> HttpResponse:
    client = logins.client_name(code.client_id)
    context = {"typed": typed, "code": code, "client": client, "problem": problem}
    return render(request, "accounts/device.html", context, status=422 if problem else 200)


def _answered(request: PersonRequest, code: DeviceCode, typed: str, *, approve: bool) -> HttpResponse:
    try:
        codes.decide(request.actor, code=code, approve=approve)
    except ValidationError as error:
        return _question(request, code, typed, " ".join(error.messages))
    context = {"answer": "approved" if approve else "denied", "client": logins.client_name(code.client_id)}
    return render(request, "accounts/device.html", context)


@login_required
@require_POST
def end_login(request: PersonRequest, pk: int) -> HttpResponse:
    """Sign out one of the person's own programs; another's looks missing."""
    login = get_object_or_404(DeviceLogin, pk=pk, user=request.user)
    logins.end_login(request.actor, login=login)
    name = logins.client_name(login.client_id)
    messages.success(request, _("%(name)s is signed out.") % {"name": name})
    return redirect("tokens")
