"""The description of the API as pages: groups of requests, each with its fields and examples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext_lazy as _

from hub.openapi.document import openapi
from hub.openapi.served import ROUTES

# Group → title, and the tags (modules of views) that it holds; the last takes the rest.
GROUPS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "runs": (
        _("Runs, sweeps and forecasts"),
        ("api", "run_data_api", "sweeps_api", "preflights_api", "compute_api"),
    ),
    "repos": (
        _("Repos"),
        ("repos", "repo_view", "info", "listing", "my_repos", "moves", "tags", "squash", "expand"),
    ),
    "files": (_("Files and commits"), ("files", "commits", "resolve", "compare", "tensors", "lfs_links")),
    "talk": (_("Discussions and pull requests"), ("discussions", "attachments")),
    "people": (
        _("People, likes, follows, access"),
        ("users", "people", "likes", "follows", "access_requests", "oauth"),
    ),
    "boards": (_("Leaderboards and collections"), ("leaderboards", "collections", "quicksearch", "recent")),
    "jobs": (_("Jobs, as the stock client asks"), ("jobs_api",)),
    "workers": (_("What workers say"), ("worker_api", "workers_api", "checkpoints_api")),
    "transfer": (
        _("Transfer of large files, git"),
        ("git", "lfs", "lfs_locks", "lfs_parts", "lfs_view", "xet"),
    ),
    "rest": (_("Everything else"), ()),
}
METHODS = ("get", "post", "put", "patch", "delete")
_KIND = re.compile(r"^(/api)?/(datasets|spaces|kernels|recipes|tutorials)/")
_EXAMPLES = {
    "namespace": "alice",
    "name": "net",
    "repo": "net",
    "revision": "main",
    "branch": "main",
    "path": "README.md",
    "uuid": "RUN_ID",
    "job_id": "RUN_ID",
    "num": "1",
    "kind": "models",
    "username": "alice",
}


@dataclass(frozen=True)
class Field:
    """A part of the path, of the query or of a JSON body."""

    name: str
    place: str
    kind: str
    is_required: bool
    words: str


@dataclass(frozen=True)
class Request:
    """One method of one path; `kinds`: other types of repos that answer at the same place."""

    id: str
    method: str
    path: str
    summary: str
    words: str
    fields: list[Field]
    needs_token: bool
    kinds: list[str]
    body: dict[str, Any] | None

    def curl(self, endpoint: str) -> str:
        """The request for a shell."""
        parts = ["curl -s" + ("" if self.method == "GET" else f" -X {self.method}")]
        parts.append(f'"{endpoint}{self._filled()}"')
        parts.append('-H "Authorization: Bearer $HF_TOKEN"')
        if self.body is not None:
            parts.append("-H 'Content-Type: application/json'")
            parts.append(f"-d '{json.dumps(self.body)}'")
        return " \\\n  ".join(parts) + "\n"

    def python(self, endpoint: str) -> str:
        """The request with the standard library alone."""
        data = f", data=json.dumps({self.body!r}).encode()" if self.body is not None else ""
        method = f', method="{self.method}"' if self.method not in ("GET",) else ""
        return (
            "import json, os, urllib.request\n\n"
            "token = os.environ['HF_TOKEN']\n"
            'headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}\n'
            f'request = urllib.request.Request("{endpoint}{self._filled()}", headers=headers{data}{method})\n'
            "with urllib.request.urlopen(request) as answer:\n    print(answer.read())\n"
        )

    def _filled(self) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: _EXAMPLES.get(found[1], found[1].upper()), self.path)


@dataclass(frozen=True)
class Group:
    """Requests that belong together."""

    name: str
    title: Any
    requests: list[Request]

    def get_absolute_url(self) -> str:
        return f"/docs/api/{self.name}"


def groups() -> list[Group]:
    """All requests that this hub answers."""
    by_group = _requests()
    return [Group(name, title, by_group[name]) for name, (title, _) in GROUPS.items() if by_group[name]]


@lru_cache(maxsize=1)
def _requests() -> dict[str, list[Request]]:
    """Read off the description once: it changes with the release only."""
    paths: Mapping[str, Any] = openapi(ROUTES)["paths"]
    found: dict[str, list[Request]] = {name: [] for name in GROUPS}
    kinds: dict[str, list[str]] = {}
    for path in paths:
        if (twin := _twin(path, paths)) is not None and (kind := _KIND.match(path)) is not None:
            kinds.setdefault(twin, []).append(kind[2])
    for path, item in paths.items():
        if _twin(path, paths) is None:
            for group, request in _of_path(path, item, kinds.get(path, [])):
                found[group].append(request)
    return found


def _twin(path: str, paths: Mapping[str, Any]) -> str | None:
    """The same request about models; None where this is it, or there is none."""
    for plain in (_KIND.sub(r"\1/models/", path), _KIND.sub(r"\1/", path)):
        if plain != path and plain in paths:
            return plain
    return None


def _of_path(path: str, item: Mapping[str, Any], kinds: list[str]) -> Iterator[tuple[str, Request]]:
    shared = item.get("parameters", [])
    for method in METHODS:
        if (one := item.get(method)) is None:
            continue
        schema = _json_schema(one)
        fields = [_field(given) for given in [*shared, *one.get("parameters", [])]]
        fields += _body_fields(schema)
        request = Request(
            one["operationId"],
            method.upper(),
            path,
            one["summary"],
            one["description"],
            fields,
            {} not in one["security"],
            kinds,
            _example_of(schema) if schema else None,
        )
        yield _group_of(one["tags"][0]), request


def _group_of(tag: str) -> str:
    for name, (_title, tags) in GROUPS.items():
        if tag in tags or (name == "transfer" and tag.startswith(("xet", "lfs"))):
            return name
    return "rest"


def _field(given: Mapping[str, Any]) -> Field:
    return Field(
        given["name"],
        given["in"],
        _kind(given.get("schema", {})),
        bool(given.get("required")),
        given.get("description", ""),
    )


def _json_schema(operation: Mapping[str, Any]) -> dict[str, Any]:
    content = (operation.get("requestBody") or {}).get("content", {})
    found: dict[str, Any] = content.get("application/json", {}).get("schema", {})
    return found


def _body_fields(schema: Mapping[str, Any]) -> list[Field]:
    needed = schema.get("required", [])
    return [
        Field(name, "body", _kind(one), name in needed, one.get("description", ""))
        for name, one in schema.get("properties", {}).items()
    ]


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    kind = schema.get("type", "")
    if kind == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    text = " | ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{text} ({schema['format']})" if schema.get("format") else text


def _example_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The required fields of a body, each with something of its kind."""
    plain = {"string": "…", "integer": 1, "number": 1, "boolean": True, "object": {}, "array": []}
    found = {}
    for name in schema.get("required", []):
        one = schema.get("properties", {}).get(name, {})
        kind = one.get("type", "string")
        kind = kind[0] if isinstance(kind, list) else kind
        found[name] = one["enum"][0] if one.get("enum") else plain.get(kind, "…")
    return found
