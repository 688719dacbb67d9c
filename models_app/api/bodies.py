"""Request bodies within bounds: JSON objects, ndjson read line by line, streams of unannounced length."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from django.http import HttpRequest

from models_app.api.errors import WireError
from models_app.storage.streams import Body

JSON_LIMIT_BYTES = 8 * 1024**2


class LineBody(Body, Protocol):
    """A body that can also be read line by line."""

    def readline(self, size: int, /) -> bytes: ...


def body_stream(request: HttpRequest) -> LineBody:
    """The body as it arrives, of announced length or chunked (`git` sends large requests chunked)."""
    raw: HttpRequest = getattr(request, "_request", request)
    chunked = "chunked" in raw.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    if chunked and raw.META.get("wsgi.input_terminated"):
        return _ChunkedBody(raw.META["wsgi.input"])
    return raw


def upload_stream(request: HttpRequest) -> Body:
    """The body for those who take it in pieces: straight from the server, where it can hand it on so."""
    stream = body_stream(request)
    arriving: Any = request.META.get("wsgi.input")
    return arriving if hasattr(arriving, "read1") and not isinstance(stream, _ChunkedBody) else stream


class _ChunkedBody:
    """A body of unannounced length; one that breaks off before its last chunk is the client's fault, not
    ours."""

    def __init__(self, stream: LineBody) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        return self._ask(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._ask(self._stream.readline, size)

    def _ask(self, reader: Callable[[int], bytes], size: int) -> bytes:
        try:
            return reader(size)
        except Exception as error:  # the server's parser has errors of its own for all that is malformed
            raise WireError(400, "The request body broke off before its end, or is malformed.") from error


def read_limited(request: HttpRequest, limit: int) -> bytes:
    """The whole body, or WireError 413 when it is longer than `limit` bytes."""
    data = body_stream(request).read(limit + 1)
    if len(data) > limit:
        raise WireError(413, f"The request body is larger than {limit} bytes.")
    return data


def json_object(request: HttpRequest, limit: int = JSON_LIMIT_BYTES, *, null: bool = False) -> dict[str, Any]:
    """The body as a JSON object (an empty body is an empty object), or WireError 400 / 413.

    `null` takes that word, which clients send where they have nothing to say, for an empty object.
    """
    data = read_limited(request, limit)
    if not data.strip() or (null and data.strip() == b"null"):
        return {}
    value = _loads(data)
    if not isinstance(value, dict):
        raise WireError(400, "The request body must be a JSON object.")
    return value


def read_ndjson(request: HttpRequest, length_limit: int, line_limit: int) -> Iterator[dict[str, Any]]:
    """Objects of a newline-delimited JSON body, one line in memory at a time.

    Raises WireError 413 past `length_limit` bytes in all or `line_limit` in one line, 400 for a line that
    is no
    JSON object and for a body shorter than announced: a client that hung up must not commit half of its
    files.
    """
    stream, total = body_stream(request), 0
    announced = request.META.get("CONTENT_LENGTH") or ""
    if announced.isdigit() and int(announced) > length_limit:
        raise WireError(413, f"The request body is over {length_limit} bytes; commit in several parts.")
    while line := stream.readline(line_limit + 1):
        total += len(line)
        if len(line) > line_limit:
            raise WireError(413, f"A line of the body is over {line_limit} bytes; upload it as a large file.")
        if total > length_limit:
            raise WireError(413, f"The request body is over {length_limit} bytes; commit in several parts.")
        if not line.strip():
            continue
        value = _loads(line)
        if not isinstance(value, dict):
            raise WireError(400, "Every line of the body must be a JSON object.")
        yield value
    if announced.isdigit() and int(announced) != total:
        raise WireError(400, f"The request body ended after {total} of {announced} bytes.")


def _loads(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError(400, "The request body is not valid JSON.") from error


def text_field(data: Mapping[str, Any], name: str, *, limit: int = 1000, default: str | None = None) -> str:
    """A string field of a body; WireError 400 where it is missing (without default), no string, has a NUL
    (which PostgreSQL cannot store) or is too long."""
    value = data.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise WireError(400, f"{name!r} must be a string.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise WireError(400, f"{name!r} is not valid Unicode.") from None
    if "\0" in value:
        raise WireError(400, f"{name!r} must not contain NUL characters.")
    if len(value) > limit:
        raise WireError(400, f"{name!r} is longer than {limit} characters.")
    return value


def flag_field(data: Mapping[str, Any], name: str) -> bool | None:
    """A field of a body that is true or false, None where it is missing; WireError 400 for anything else."""
    value = data.get(name)
    if value is not None and not isinstance(value, bool):
        raise WireError(400, f"{name!r} must be true or false.")
    return value


def flag(value: str | None) -> bool:
    """A boolean of a query string: `true`, `True` and `1` (clients of all ages) are yes."""
    return (value or "").lower() in ("true", "1")
