"""Sign in, sign up, sign out, profile, password. Templates live in `templates/accounts/`."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import actions, throttle
from accounts.auth import HubRequest, actor_on
from accounts.forms import LoginForm, PasswordForm, ProfileForm, SignUpForm
from accounts.models import User

TOO_MANY = "Too many attempts from here: wait a quarter of an hour and try again."
_BACKEND = "accounts.backends.AccountBackend"


class PersonRequest(HubRequest):
    """A request after `login_required` too."""

    user: User


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """Context: `form`, `next` (where to go then), `registration_open`. 429 when guessing is slowed down."""
    target, status = _safe_next(request), 200
    if request.user.is_authenticated:
        return redirect(target)
    form = LoginForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user, reason, status = _authenticate(request, form.cleaned_data)
        if user is not None:
            login(request, user, backend=_BACKEND)
            return redirect(target)
        form.add_error(None, reason)
    context = {"form": form, "next": target, "registration_open": settings.HUB_REGISTRATION == "open"}
    response = render(request, "accounts/login.html", context, status=status)
    return told_to_wait(response, throttle.wait_headers(request, form.data.get("username", "")))


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Context: `form` (None, with 403, where registration is closed), `next`. Signs the new person in."""
    target = _safe_next(request)
    if settings.HUB_REGISTRATION != "open":
        return render(request, "accounts/signup.html", {"form": None, "next": target}, status=403)
    form, response_headers = SignUpForm(request.POST or None), dict[str, str]()
    if request.method == "POST" and form.is_valid():
        user = _make_account(request, form)
        if user is not None:
            login(request, user, backend=_BACKEND)
            messages.success(request, _("Welcome, %(name)s.") % {"name": user.username})
            return redirect(target)
        if throttle.SIGN_UPS.is_full(throttle.address_of(request)):
            response_headers = throttle.SIGN_UPS.headers(throttle.address_of(request))
    context = {"form": form, "next": target}
    response = render(request, "accounts/signup.html", context, status=429 if response_headers else 200)
    return told_to_wait(response, response_headers)


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)


@login_required
@require_http_methods(["GET", "POST"])
def profile_settings(request: PersonRequest) -> HttpResponse:
    """Context: `form`."""
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=request.user.pk))
    if request.method == "POST" and form.is_valid():
        actions.change_profile(request.actor, **form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("settings")
    return render(request, "accounts/profile_settings.html", {"form": form})


@never_cache
@login_required
@sensitive_post_parameters("old", "new")
@require_http_methods(["GET", "POST"])
def password(request: PersonRequest) -> HttpResponse:
    """Context: `form`. Guessing through a borrowed session is slowed down as at the door."""
    form, status, name = PasswordForm(request.POST or None), 200, request.user.username
    if request.method == "POST" and form.is_valid():
        if not throttle.may_try(request, name):
            form.add_error(None, _(TOO_MANY))
            status = 429
        else:
            try:
                user = actions.change_password(request.actor, **form.cleaned_data)
                update_session_auth_hash(request, user)
                messages.success(request, _("Your password is changed; other browsers are signed out."))
                return redirect("settings")
            except ValidationError as error:
                wrong = any(one.code == "old" for one in error.error_list)
                if wrong:
                    throttle.note_failure(request, name)
                form.add_error("old" if wrong else "new", error)
    response = render(request, "accounts/password.html", {"form": form}, status=status)
    return told_to_wait(response, throttle.wait_headers(request, name))


def told_to_wait(response: HttpResponse, headers: dict[str, str]) -> HttpResponse:
    """A refusal of 429 says for how long (wire section 1)."""
    for header, value in headers.items() if response.status_code == 429 else ():
        response[header] = value
    return response


def _authenticate(request: HttpRequest, data: dict[str, str]) -> tuple[User | None, str, int]:
    """The user, or the sentence that says why not and its status."""
    name, password = data["username"], data["password"]
    if not throttle.may_try(request, name):
        return None, _(TOO_MANY), 429
    user = authenticate(request, username=name, password=password)
    if isinstance(user, User):
        return user, "", 200
    found = User.objects.filter(username__iexact=name, is_suspended=True).first()
    if found is not None and found.check_password(password):
        return None, _("This account is suspended: ask the hub's operator."), 403
    return None, _("No account has this name and password."), 200


def _make_account(request: HttpRequest, form: SignUpForm) -> User | None:
    """The new user, or None with the reason on the form."""
    address, data = throttle.address_of(request), form.cleaned_data
    if throttle.SIGN_UPS.is_full(address):
        form.add_error(None, _(TOO_MANY))
        return None
    try:
        user = actions.sign_up(actor_on(request), **data)
    except ValidationError as error:
        _put_error(form, error)
        return None
    throttle.SIGN_UPS.note(address)
    return user


def _put_error(form: Form, error: ValidationError) -> None:
    """A name's fault stands beside the name, a password's beside the password."""
    codes = {getattr(one, "code", None) for one in error.error_list}
    form.add_error("username" if codes & {"length", "grammar", "reserved", "taken"} else "password", error)


def _safe_next(request: HttpRequest) -> str:
    """Where to go after signing in: the asked-for page if it is this hub's, else the front page."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if ours else resolve_url(settings.LOGIN_REDIRECT_URL)
