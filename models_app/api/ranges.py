"""The part of some content that a request asks for (RFC 9110 section 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.http import HttpRequest, JsonResponse

from models_app.api.errors import error_response

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Span:
    """Bytes `start` to `stop` (exclusive) of `size`; `is_part` where the request asked for a range."""

    start: int
    stop: int
    size: int
    is_part: bool = False

    @property
    def is_outside(self) -> bool:
        """Whether nothing of the range asked for is there: `outside` is the answer then."""
        return self.is_part and self.start >= self.stop

    @property
    def status(self) -> int:
        return 206 if self.is_part else 200

    @property
    def headers(self) -> dict[str, str]:
        found = {"Accept-Ranges": "bytes", "Content-Length": str(self.stop - self.start)}
        if self.is_part:
            found["Content-Range"] = f"bytes {self.start}-{self.stop - 1}/{self.size}"
        return found


def asked_span(request: HttpRequest, size: int, etag: str = "") -> Span:
    """The single range that a GET asks for, the whole by default.

    What is no such range is ignored, as section 14.2 allows; so is one with an `If-Range` for other content
    than that of `etag`.
    """
    whole = Span(0, size, size)
    found = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    condition = request.headers.get("If-Range")
    if request.method != "GET" or found is None or (condition and condition.strip() != f'"{etag}"'):
        return whole
    first, last = found[1], found[2]
    if not first:
        return Span(max(0, size - int(last)), size, size, True) if last else whole
    if last and int(first) > int(last):
        return whole
    return Span(int(first), min(int(last) + 1, size) if last else size, size, True)


def outside(size: int) -> JsonResponse:
    """416 for a range of which nothing is there."""
    message = f"The range asked for lies outside the file of {size} bytes."
    return error_response(416, message, headers={"Content-Range": f"bytes */{size}"})
