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
from models_app.api.wire import HubAPIView, RateLimited, WireError, error_response, public_url, upload_stream
from models_app.models import Attachment

_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.[a-z0-9]{3,4}")
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")


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
        if request.headers.get("If-None-Match", "") == headers["ETag"]:
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
        "Accept-Ranges": "bytes",
    }


def _sliced(request: Request, row: Attachment, name: str, headers: dict[str, str]) -> HttpResponseBase:
    """The file, or the one range of it that is asked for: films are played that way."""
    found = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    start, stop, status = 0, row.size, 200
    if found and request.method == "GET" and not (found[2] and int(found[2]) < int(found[1])):
        start, status = int(found[1]), 206
        stop = min(int(found[2]) + 1, row.size) if found[2] else row.size
        if start >= stop:
            refused = error_response(416, f"The range asked for lies outside the file of {row.size} bytes.")
            refused["Content-Range"] = f"bytes */{row.size}"
            return refused
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{row.size}"
    headers["Content-Length"] = str(stop - start)
    try:
        pieces = attachment_store().read(name, start, stop)
    except FileNotFoundError:
        raise WireError(404, "There is no such attachment.") from None
    return StreamingHttpResponse(pieces, status=status, headers=headers)


urlpatterns: list[URLPattern] = [
    path("uploads", Uploads.as_view()),
    path("uploads/<str:name>", Attached.as_view()),
]
