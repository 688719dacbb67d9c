"""Webhooks on the wire (hf-wire section 12): a person's own, by id."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from accounts.models import TokenRole
from models_app.actions.webhook_changes import (
    create_webhook,
    delete_webhook,
    set_disabled,
    update_webhook,
)
from models_app.api.wire import HubAPIView, WireError, json_object, text_field
from models_app.models import Webhook
from models_app.webhooks import access_webhook, own_webhooks

_MAX_BODY_BYTES = 256 * 1024


class _WebhookView(HubAPIView):
    def answer(self, webhook: Webhook) -> JsonResponse:
        return JsonResponse({"webhook": self.as_json(webhook)})

    def as_json(self, webhook: Webhook) -> dict[str, Any]:
        """The secret goes to those only who could change it."""
        reads_only = self.actor.token is not None and self.actor.token.role == TokenRole.READ
        return {
            "id": webhook.key,
            "url": webhook.url,
            "job": None,
            "watched": [{"type": item.type, "name": item.name} for item in webhook.watched.all()],
            "domains": webhook.domains,
            "secret": None if reads_only else webhook.secret or None,
            "disabled": webhook.disabled,
        }


class Webhooks(_WebhookView):
    """GET and POST /api/settings/webhooks: all of the caller's, as a bare array; a new one."""

    def get(self, request: Request) -> JsonResponse:
        return JsonResponse([self.as_json(hook) for hook in own_webhooks(self.actor)], safe=False)

    def post(self, request: Request) -> JsonResponse:
        own_webhooks(self.actor)  # who may not come in needs no opinion on their body
        body = _body(request)
        made = create_webhook(
            self.actor,
            url=text_field(body, "url"),
            watched=body.get("watched"),
            domains=body.get("domains"),
            secret=_secret(body),
        )
        return self.answer(made)


class OneWebhook(_WebhookView):
    """GET, POST (change) and DELETE /api/settings/webhooks/{id}."""

    def get(self, request: Request, key: str) -> JsonResponse:
        return self.answer(access_webhook(self.actor, key))

    def post(self, request: Request, key: str) -> JsonResponse:
        webhook, body = access_webhook(self.actor, key), _body(request)
        changed = update_webhook(
            self.actor,
            webhook=webhook,
            url=text_field(body, "url") if body.get("url") is not None else None,
            watched=body.get("watched"),
            domains=body.get("domains"),
            secret=_secret(body),
        )
        return self.answer(changed)

    def delete(self, request: Request, key: str) -> JsonResponse:
        delete_webhook(self.actor, webhook=access_webhook(self.actor, key))
        return JsonResponse({"success": True})


class Enable(_WebhookView):
    """POST /api/settings/webhooks/{id}/enable."""

    disabled = False

    def post(self, request: Request, key: str) -> JsonResponse:
        webhook = access_webhook(self.actor, key)
        return self.answer(set_disabled(self.actor, webhook=webhook, disabled=self.disabled))


class Disable(Enable):
    """POST /api/settings/webhooks/{id}/disable."""

    disabled = True


def _body(request: Request) -> dict[str, Any]:
    body = json_object(request, _MAX_BODY_BYTES)
    if body.get("jobSourceId") is not None or body.get("secrets") is not None:
        raise WireError(400, "Webhooks of this hub send to a URL: they cannot start a job.")
    return body


def _secret(body: dict[str, Any]) -> str | None:
    return None if body.get("secret") is None else text_field(body, "secret")


urlpatterns: list[URLPattern] = [
    path("api/settings/webhooks", Webhooks.as_view()),
    path("api/settings/webhooks/<str:key>", OneWebhook.as_view()),
    path("api/settings/webhooks/<str:key>/enable", Enable.as_view()),
    path("api/settings/webhooks/<str:key>/disable", Disable.as_view()),
]
