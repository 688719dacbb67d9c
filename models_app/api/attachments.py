"""Files attached to discussions (hf-wire section 8, `upload_attachment`): raw bytes in, a URL as text out."""

from __future__ import annotations

import re
import uuid

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from accounts import throttle
from models_app.actions.attachments import (
    TooMuch,
    attachment_store,
    check_may_attach,
    file_name,
    save_attachment,
)
from models_app.api.ranges import asked_span, outside
from models_app.api.resolve import unchanged
from models_app.api.wire import HubAPIView, RateLimited, WireError, public_url, upload_stream
from models_app.models import Attachment

_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.[a-z0-9]{3,4}")


class Uploads(HubAPIView):
    """POST /uploads: the file's type is read off its content; its `Content-Type` is not asked."""

    def post(self, request: Request) -> HttpResponseBase:
        who = str(check_may_attach(self.actor).pk)
        if throttle.UPLOADS.is_full(who):
            raise RateLimited("You have attached many files: wait a while.", throttle.UPLOADS.headers(who))
        throttle.UPLOADS.note(who)
        length = request.META.get("CONTENT_LENGTH") or ""
        announced = int(length) if length.isdigit() else None
        try:
            made = save_attachment(self.actor, body=upload_stream(request), announced=announced)
        except TooMuch as error:
            raise WireError(413, error.message) from None
        return HttpResponse(
            public_url(f"/uploads/{file_name(made)}"), content_type="text/plain; charset=utf-8"
        )


class Attached(HubAPIView):
    """GET and HEAD /uploads/{uuid}.{extension}: for everybody who knows the name, which cannot be guessed."""

    def get(self, request: Request, name: str) -> HttpResponseBase:
        found = _NAME.fullmatch(name)
        row = Attachment.objects.filter(uuid=uuid.UUID(found[1])).first() if found else None
        if row is None or file_name(row) != name:
            raise WireError(404, "There is no such attachment.")
        headers = _headers(row, name)
        if unchanged(request, row.uuid.hex):
            return HttpResponse(status=304, headers=headers)
        return _sliced(request, row, name, headers)


def _headers(row: Attachment, name: str) -> dict[str, str]:
    """Nothing in the file runs on the hub's origin, and its name is ours, not the uploader's."""
    return {
        "Content-Type": row.content_type,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": f'inline; filename="{name}"',
        "Cache-Control": "public, max-age=31536000, immutable",
        "ETag": f'"{row.uuid.hex}"',
    }


def _sliced(request: Request, row: Attachment, name: str, headers: dict[str, str]) -> HttpResponseBase:
    """The file, or the one range of it that is asked for: films are played that way."""
    span = asked_span(request, row.size, row.uuid.hex)
    if span.is_outside:
        return outside(row.size)
    try:
        pieces = attachment_store().read(name, span.start, span.stop)
    except FileNotFoundError:
        raise WireError(404, "There is no such attachment.") from None
    return StreamingHttpResponse(pieces, status=span.status, headers=headers | span.headers)


urlpatterns: list[URLPattern] = [
    path("uploads", Uploads.as_view()),
    path("uploads/<str:name>", Attached.as_view()),
]
