"""A person's access tokens: made, shown once, revoked. Templates live in `templates/accounts/`."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import actions
from accounts.actor import Actor
from accounts.forms import TokenForm
from accounts.logins import login_rows
from accounts.models import AccessToken, TokenRole
from accounts.tokens import living_tokens
from accounts.views import PersonRequest


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def tokens(request: PersonRequest) -> HttpResponse:
    """Context: `form`, `tokens` (living, newest first), `fresh` (the new text, or None), `fresh_token`, and
    `logins` (`accounts.device.login_rows`).

    The new text is in this one answer and nowhere else, not even in the session.
    """
    form, fresh, made = TokenForm(request.POST or None), None, None
    if request.method == "POST" and form.is_valid():
        try:
            made, fresh = _make_token(request.actor, form)
            form = TokenForm()
        except ValidationError as error:
            form.add_error(None, error)
    # Tokens of runs and of signed-in programs come and go by themselves: they would bury the person's.
    rows = living_tokens().filter(user=request.user, login=None, scopes__run__isnull=True)
    context = {"form": form, "tokens": rows.order_by("-created_at"), "fresh": fresh, "fresh_token": made}
    context["logins"] = login_rows(request.user)
    return render(request, "accounts/tokens.html", context)


@login_required
@require_POST
def revoke(request: PersonRequest, pk: int) -> HttpResponse:
    """End one of the person's own tokens; another's looks missing."""
    token = get_object_or_404(AccessToken, pk=pk, user=request.user)
    actions.end_token(request.actor, token=token)
    messages.success(request, _("The token %(name)s no longer works.") % {"name": token.name})
    return redirect("tokens")


def _make_token(actor: Actor, form: TokenForm) -> tuple[AccessToken, str]:
    data = form.cleaned_data
    scopes = {"repos": data["repos"]} if data["role"] == TokenRole.FINE_GRAINED else None
    return actions.create_token(
        actor, name=data["name"], role=data["role"], scopes=scopes, expires_at=form.expires_at()
    )
