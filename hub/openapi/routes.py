"""Routes as OpenAPI has them: a path with `{names}`, what may stand for each name, and the methods."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from django.urls import URLPattern
from rest_framework.views import APIView

Schema = dict[str, Any]

_CONVERTED: dict[str, Schema] = {
    "str": {"type": "string", "minLength": 1},
    "path": {"type": "string", "minLength": 1},
    "int": {"type": "integer", "minimum": 0},
    "uuid": {"type": "string", "format": "uuid"},
}
_KINDS = ("models", "datasets", "spaces", "kernels", "recipes", "tutorials")
_SHA256 = "[0-9a-f]{64}"
# What a name stands for wherever it stands, and what a text must look like to be one.
_MEANINGS: dict[str, tuple[str, Schema]] = {
    "kind": ("The type of the repo.", {"enum": list(_KINDS)}),
    "namespace": ("A user or an organization.", {}),
    "revision": ("A branch, a tag, a commit or `refs/pr/1`; slashes are sent as `%2F`.", {}),
    "branch": ("A branch; slashes are sent as `%2F`.", {}),
    "name_or_revision": ("The tag to remove; or the revision to tag. Slashes are sent as `%2F`.", {}),
    "ref": ("A branch or `refs/pr/1`; slashes are sent as `%2F`.", {}),
    "compare": ("`a..b` or `a...b`; slashes are sent as `%2F`.", {}),
    "path": ("A path inside the repo or bucket; slashes may be sent as they are.", {}),
    "index": ("The path of a safetensors index; slashes may be sent as they are.", {}),
    "topic": ("Anything; slashes may be sent as they are.", {}),
    "oid": ("The SHA-256 of an object.", {"pattern": f"^{_SHA256}$"}),
    "num": ("The number of a discussion or pull request.", {}),
    "status": ("Which of the lists.", {"enum": ["pending", "accepted", "rejected"]}),
    "slug": ("Words and the collection's 24 hexadecimal digits.", {}),
    "generation": ("The generation of the store, as the token endpoint told it.", {}),
}
_GROUP = re.compile(r"\(\?P<(\w+)>((?:[^()\\]|\\.)*)\)")
_LITERAL = re.compile(r"[\w./-]*")


@dataclass(frozen=True)
class Parameter:
    """One name of a path. `whole` where it may hold slashes, which OpenAPI has no word for."""

    name: str
    schema: Schema
    description: str = ""
    whole: bool = False


@dataclass(frozen=True)
class Route:
    """One path of the description and the view behind it."""

    path: str
    view: type[APIView]
    parameters: tuple[Parameter, ...] = field(default=())

    @property
    def methods(self) -> tuple[str, ...]:
        """In lower case, as the view has them. HEAD only where somebody asks for it: every GET answers it."""
        own = [name for name in self.view.http_method_names if hasattr(self.view, name)]
        told = ["head"] if re.search(r"\bHEAD\b", self.view.__doc__ or "") else []
        return tuple(dict.fromkeys([name for name in own if name not in ("options", "head")] + told))


def described(patterns: Iterable[URLPattern]) -> tuple[list[Route], list[str]]:
    """The routes that serve something, and the regular expressions of those that only refuse what is left
    over below a prefix. The first of two routes with one path wins, as it does in Django."""
    routes: dict[str, Route] = {}
    leftovers: list[str] = []
    for pattern in patterns:
        view, text = getattr(pattern.callback, "cls", None), str(pattern.pattern)
        shapes = [] if view is None else [Route(path, view, names) for path, names in _shapes(text)]
        if not shapes:
            leftovers.append(text)
        for route in shapes:
            routes.setdefault(route.path, route)
    return list(routes.values()), leftovers


def _shapes(text: str) -> Iterator[tuple[str, tuple[Parameter, ...]]]:
    if text.startswith("^"):
        yield from _of_regex(text)
        return
    found = re.findall(r"<(?:(\w+):)?(\w+)>", text)
    path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", text)
    yield path, tuple(_parameter(name, _CONVERTED[kind or "str"], kind == "path") for kind, name in found)


def _parameter(name: str, schema: Schema, whole: bool = False) -> Parameter:
    description, more = _MEANINGS.get(name, ("", {}))
    return Parameter(name, {**schema, **more}, description, whole)


def _of_regex(text: str) -> Iterator[tuple[str, tuple[Parameter, ...]]]:
    """The paths of a regular expression; none for one that takes anything below a prefix.

    A choice of words that ends the path makes a path of each, as those are nouns of their own.
    """
    if not text.endswith("$") or not _LITERAL.fullmatch(_GROUP.sub("", text[1:-1])):
        return
    choices: list[list[tuple[str, Parameter | None]]] = []
    for name, inside in _GROUP.findall(text):
        words = inside.split("|")
        if inside == "[^/]+":
            choices.append([(f"{{{name}}}", _parameter(name, _CONVERTED["str"]))])
        elif not all(_LITERAL.fullmatch(word) for word in words) or ".*" in inside:
            return
        elif len(words) == 1 or text.endswith(f"{inside})$"):
            choices.append([(word, None) for word in words])
        else:
            enum = {"type": "string", "enum": words}
            choices.append([(f"{{{name}}}", Parameter(name, enum, _MEANINGS.get(name, ("",))[0]))])
    for chosen in product(*choices):
        path = text[1:-1]
        for word, _ in chosen:
            path = _GROUP.sub(word, path, count=1)
        yield "/" + path, tuple(parameter for _, parameter in chosen if parameter is not None)
