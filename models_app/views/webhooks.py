"""A person's webhooks: make one, see what it sent, send it again."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from models_app.actions import webhook_changes as verbs
from models_app.actions.refusals import InvalidInput
from models_app.actions.webhook_payloads import USUAL_DOMAINS
from models_app.models import Webhook
from models_app.views.support import HubRequest, page
from models_app.webhooks import access_webhook, own_webhooks

SHOWN_DELIVERIES = 30
_DOMAINS = [
    ("repo", lazy("repos: files, settings, names")),
    ("discussion", lazy("discussions and pull requests")),
    ("run", lazy("runs that publish there: submitted, resumed, finished, failed")),
]


class WebhookForm(forms.Form):
    """A new webhook; `models_app.actions.webhook_changes` has the last word on each field."""

    url = forms.CharField(
        label=lazy("Send to"),
        max_length=1000,
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/hook", "autocomplete": "off"}),
    )
    watched = forms.CharField(
        label=lazy("What to watch"),
        max_length=20_000,
        help_text=lazy("One a line: user:name, org:name, model:owner/name, dataset:…, space:…, bucket:…"),
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "model:owner/name"}),
    )
    domains = forms.MultipleChoiceField(
        label=lazy("Tell of"),
        choices=_DOMAINS,
        initial=list(USUAL_DOMAINS),
        widget=forms.CheckboxSelectMultiple,
    )
    secret = forms.CharField(
        label=lazy("Secret"),
        max_length=verbs.MAX_SECRET_CHARACTERS,
        required=False,
        help_text=lazy(
            "Sent along as X-Webhook-Secret, so that the receiver knows the hub; not shown again."
        ),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_watched(self) -> list[dict[str, str]]:
        """`[{"type", "name"}]`; a sentence naming the line that cannot be read."""
        listed = []
        for line in filter(None, map(str.strip, self.cleaned_data["watched"].splitlines())):
            kind, colon, name = line.partition(":")
            if not colon:
                raise ValidationError(_("Cannot read %(line)s: write type:name.") % {"line": repr(line[:80])})
            listed.append({"type": kind.strip(), "name": name.strip()})
        return listed


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def webhooks(request: HubRequest) -> HttpResponse:
    """Context: `webhooks` (with `watched`), `form` (a new one)."""
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = verbs.create_webhook(request.actor, **form.cleaned_data)
            messages.success(request, _("The webhook is ready."))
            return redirect("webhook", made.key)
        except InvalidInput as refusal:
            form.add_error(None, refusal.message)
    context = {"webhooks": own_webhooks(request.actor), "form": form}
    return render(request, "webhooks/list.html", context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def webhook(request: HubRequest, key: str) -> HttpResponse:
    """Context: `webhook`, `deliveries`. POST: `action` is enable, disable, delete, or redeliver."""
    found = access_webhook(request.actor, key)
    if request.method == "POST":
        return _act(request, found)
    rows = found.deliveries.order_by("-created_at", "-pk")[:SHOWN_DELIVERIES]
    return render(request, "webhooks/webhook.html", {"webhook": found, "deliveries": rows})


def _act(request: HubRequest, found: Webhook) -> HttpResponse:
    actor, action = request.actor, request.POST.get("action", "")
    if action == "delete":
        verbs.delete_webhook(actor, webhook=found)
        messages.success(request, _("The webhook is deleted."))
        return redirect("webhooks")
    if action in ("enable", "disable"):
        verbs.set_disabled(actor, webhook=found, disabled=action == "disable")
    elif action == "redeliver":
        _redeliver(request, found)
    return HttpResponseRedirect(request.path)


def _redeliver(request: HubRequest, found: Webhook) -> None:
    try:
        wanted: Any = uuid.UUID(request.POST.get("delivery", ""))
        delivery = found.deliveries.filter(uuid=wanted).first()
    except ValueError:
        delivery = None
    if delivery is None:
        messages.error(request, _("This message is not kept any more."))
        return
    try:
        verbs.redeliver(request.actor, delivery=delivery)
        messages.success(request, _("The message is on its way again."))
    except InvalidInput as refusal:
        messages.error(request, refusal.message)
