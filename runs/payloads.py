"""Reading what arrives as JSON, bounded and checked field by field; a bad field is named in one sentence."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest

from models_app.api.wire import read_limited
from models_app.content.yaml_text import storable_text
from runs.reports import MAX_LOG_CHARS, BadReport, LogLine, Metric, finite

MAX_BODY_BYTES = 1024**2
MAX_ITEMS = 2000
MAX_DEPTH = 32
MAX_STEP = 2**31 - 1
_METRIC_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+){0,2}")


def read_object(request: HttpRequest) -> dict[str, Any]:
    """The request's JSON object (an empty body is an empty object). Raises BadReport, WireError."""
    text = read_limited(request, MAX_BODY_BYTES)
    try:
        body = json.loads(text or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadReport("The request is not valid JSON.") from None
    if not isinstance(body, dict):
        raise BadReport("The request must be a JSON object.")
    return body


def text(body: dict[str, Any], name: str, limit: int, default: str = "") -> str:
    """A text field; missing and null are the default, control characters become spaces."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or len(value) > limit:
        raise BadReport(f"{name} must be text of at most {limit} characters.")
    return _printable(value)


def number(body: dict[str, Any], name: str) -> int | None:
    """A whole number from 0 to 2^31-1, or None where it is missing."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_STEP:
        raise BadReport(f"{name} must be a whole number from 0 to {MAX_STEP}.")
    return value


def texts(body: dict[str, Any], name: str) -> list[str]:
    """A list of up to 20 short texts."""
    value = body.get(name, [])
    if (
        not isinstance(value, list)
        or len(value) > 20
        or not all(isinstance(x, str) and len(x) <= 64 for x in value)
    ):
        raise BadReport(f"{name} must be a list of short texts.")
    return value


def mapping(body: dict[str, Any], name: str, limit: int = 64 * 1024) -> dict[str, Any]:
    """A JSON object of at most `limit` bytes, its texts such as every database keeps."""
    value = body.get(name)
    if value is None:
        return {}
    plain = _storable(value, name)
    if not isinstance(plain, dict) or len(json.dumps(plain)) > limit:
        raise BadReport(f"{name} must be an object of at most {limit} bytes.")
    return plain


def _storable(value: Any, name: str, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise BadReport(f"{name} is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, dict):
        return {storable_text(key): _storable(item, name, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item, name, depth + 1) for item in value]
    return storable_text(value) if isinstance(value, str) else value


def metrics(body: dict[str, Any]) -> list[Metric]:
    """`[{"step", "name", "value"}]`."""
    return [_metric(item) for item in _items(body, "metrics")]


def _metric(item: dict[str, Any]) -> Metric:
    step, name = number(item, "step"), item.get("name")
    if step is None or not isinstance(name, str) or len(name) > 64 or not _METRIC_NAME.fullmatch(name):
        raise BadReport("A metric needs a step and a name like train/loss.")
    if not finite(item.get("value")):
        raise BadReport(f"The value of {name} must be a finite number.")
    return Metric(step, name, float(item["value"]))


def logs(body: dict[str, Any]) -> list[LogLine]:
    """`[{"seq", "at", "text"}]`, `at` in ISO 8601 with its zone."""
    return [_log_line(item) for item in _items(body, "logs")]


def _log_line(item: dict[str, Any]) -> LogLine:
    seq, line = number(item, "seq"), item.get("text")
    if seq is None or not isinstance(line, str):
        raise BadReport("A log line needs seq and text.")
    try:
        at = datetime.fromisoformat(str(item.get("at")))
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the first hour of the year 1 is before it elsewhere
        raise BadReport("at must be a time in ISO 8601.") from None
    return LogLine(seq, at, _printable(line[:MAX_LOG_CHARS]))


def _items(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = body.get(name) or []
    if (
        not isinstance(value, list)
        or len(value) > MAX_ITEMS
        or not all(isinstance(item, dict) for item in value)
    ):
        raise BadReport(f"{name} must be a list of objects.")
    return value


def _printable(value: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in value)


def _no_constant(name: str) -> float:
    raise ValueError(name)
