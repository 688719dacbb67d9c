"""The description itself (OpenAPI 3.1), from the routes, the views' docstrings and three small tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.urls import URLPattern
from rest_framework.views import APIView

from hub.openapi.bodies import BODIES, Body
from hub.openapi.queries import queries_of
from hub.openapi.routes import Parameter, Route, Schema, described
from hub.openapi.security import SCHEMES, security_of
from models_app.api.git import GitView
from models_app.api.lfs_view import MEDIA_TYPE, LfsView

_Json = dict[str, Any]
_ABOUT = """What this hub answers over HTTP: the protocol of the stock Hugging Face clients, and its own runs.

Every GET also answers HEAD. Errors are JSON objects with `error`, of git-lfs with `message`, of git plain
text, and carry `X-Error-Message` and where clients map one `X-Error-Code`. A private repo and a
missing one are indistinguishable: 401 without a token, 404 with one. A moved repo answers 307. Parameters
marked `x-slashes` may hold slashes. `x-refused` are the regular expressions of what is refused in words."""
_SUMMARY_CHARS = 160
_CLAUSES = re.compile(r"(?<=\.)\s|;\s|(?<=[a-z]), (?=[A-Z]{3,} [/…])")
# `GET and HEAD /api/…`, as docstrings begin.
_CALL = re.compile(
    r"^`?(?:[A-Z]{3,}(?: \(\w+\))?(?:, | and | )?)+(?:[/…{](?:\{[^}]*\}|[^\s`{])*)?`?"
    r"(?: and [/…]\S+)?(?: \(form\))?"
)
_PLAIN: _Json = {"text/plain": {"schema": {"type": "string"}}}
_ANSWERS: _Json = {
    "2XX": {"description": "Done, as the description says."},
    "3XX": {"description": "Not modified, or elsewhere."},
}


def openapi(patterns: Iterable[URLPattern]) -> _Json:
    """The whole document of these routes."""
    routes, leftovers = described(patterns)
    paths: dict[str, _Json] = {}
    for route in routes:
        item: _Json = {"parameters": [_path_parameter(one) for one in route.parameters]}
        item |= {method: _operation(route, method) for method in route.methods}
        paths[route.path] = item if route.parameters else {m: item[m] for m in route.methods}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tuneyard", "version": settings.VERSION, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Error": _error_schema("error"), "LfsError": _error_schema("message")},
            "responses": {
                "Refused": _refused("application/json", "Error"),
                "LfsRefused": _refused(MEDIA_TYPE, "LfsError"),
                "GitRefused": {"description": "Refused, in one sentence.", "content": _PLAIN},
            },
            "securitySchemes": SCHEMES,
        },
        "x-refused": sorted(leftovers),
    }


def _error_schema(name: str) -> Schema:
    return {"type": "object", "required": [name], "properties": {name: {"type": "string"}}}


def _refused(media_type: str, schema: str) -> _Json:
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": "Refused, in one sentence.", "content": content}


def _path_parameter(one: Parameter) -> _Json:
    found: _Json = {"name": one.name, "in": "path", "required": True, "schema": one.schema}
    if one.description:
        found["description"] = one.description
    return found | ({"x-slashes": True} if one.whole else {})


def _operation(route: Route, method: str) -> _Json:
    view = route.view
    words = re.findall(r"\w+", route.path.replace(".git", ""))
    refusal = {LfsView: "LfsRefused", GitView: "GitRefused"}
    named = next((name for base, name in refusal.items() if issubclass(view, base)), "Refused")
    operation: _Json = {
        "operationId": "_".join([method, *words]),
        "tags": [view.__module__.rpartition(".")[2]],
        "summary": _summary(view, method),
        "description": " ".join((view.__doc__ or "").split()),
        "security": security_of(view, method),
        "responses": {**_ANSWERS, "default": {"$ref": f"#/components/responses/{named}"}},
    }
    if parameters := [_query(name, schema) for name, schema in queries_of(view, method).items()]:
        operation["parameters"] = parameters
    if body := BODIES.get((view, method)):
        operation["requestBody"] = _body(body)
    return operation


def _summary(view: type[APIView], method: str) -> str:
    """What a docstring says of this method, without the call that it repeats; else the view's name."""
    clauses = _CLAUSES.split(" ".join((view.__doc__ or "").split()))
    own = [clause for clause in clauses if re.search(rf"\b{method.upper()}\b", clause)]
    words = _CALL.sub("", (own or clauses)[0]).strip(" .:;")
    if not words or words.startswith("`{"):
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", view.__name__.removesuffix("View")).lower()
    return (words[:1].upper() + words[1:])[:_SUMMARY_CHARS]


def _query(name: str, schema: Schema) -> _Json:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _body(body: Body) -> _Json:
    content = {media_type: {"schema": schema} for media_type, schema in body.items()}
    needed = any(schema.get("required") or "type" not in schema for schema in body.values())
    return {"required": needed, "content": content}
