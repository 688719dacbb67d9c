"""A refusal as the wire has it: a JSON object, a message header, and the client's code where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import JsonResponse


class WireError(Exception):
    """A refusal that only the wire knows: a status, one sentence, and the client's code for it if there is
    one."""

    def __init__(self, status: int, message: str, code: str | None = None, **body: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.body = status, message, code, body


class RateLimited(WireError):
    """429, with the headers that tell the client for how long (hf-wire section 1)."""

    def __init__(self, message: str, headers: Mapping[str, str], **body: Any) -> None:
        super().__init__(429, message, None, **body)
        self.headers = headers


def error_response(
    status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None, **body: Any
) -> JsonResponse:
    """`{"error": message}` with `X-Error-Message` and, where given, `X-Error-Code`; `body` adds JSON
    fields."""
    response = JsonResponse({"error": message, **body}, status=status, headers=dict(headers or {}))
    line = " ".join(message.split())[:500]
    response["X-Error-Message"] = line.encode("ascii", "backslashreplace").decode()
    if code:
        response["X-Error-Code"] = code
    return response
