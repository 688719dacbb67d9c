"""A NUL in any text a request can hold: PostgreSQL stores none, so it is refused before it gets there."""

from __future__ import annotations

import copy
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from accounts.models import User
from models_app.api.urls import WIRE
from runs.api_urls import urlpatterns as RUNS
from tests.fuzz.test_routes import KNOWN, LINES, TEMPLATES, UUIDS, World, _leaves
from tests.models_app.people import organization

NUL = "a\0b"
QUERIES = re.findall(
    r"\w+",
    "limit cursor expand p search author filter sort q type status pipeline_tag library models datasets owner"
    " item tail since num_parameters task_id stage label service next tab revision path",
)
PAGES = re.findall(
    r"\S+",
    "/ /models /datasets /spaces /alice /alice/net /alice/net/tree/main /runs /collections /login /register"
    " /alice/net/discussions /leaderboards /settings",
)
# One body that many routes understand, so that what is broken in it is what they refuse.
BODY: dict[str, Any] = {key: value for template in reversed(TEMPLATES) for key, value in template.items()}


def addresses() -> Iterator[tuple[Any, str]]:
    """Every route of the wire whose address can be told, in good order and with a NUL in one of its parts."""
    for route in [*WIRE, *RUNS]:
        if not hasattr(route.pattern, "_route"):
            continue
        parts = re.findall(r"([^<]+)|<(?:(\w+):)?(\w+)>", route.pattern._route)
        texts = [literal or _example(kind, name) for literal, kind, name in parts]
        yield route, "/" + "".join(quote(text, safe="/") for text in texts)
        for place, (literal, kind, _) in enumerate(parts):
            if not literal and kind not in ("int", "uuid"):
                spoiled = [*texts[:place], texts[place] + "\0", *texts[place + 1 :]]
                yield route, "/" + "".join(quote(text, safe="/") for text in spoiled)


def _example(kind: str, name: str) -> str:
    if kind in ("int", "uuid"):
        return {"int": "1", "uuid": UUIDS[0]}[kind]
    return KNOWN.get(name, ["alice"])[0]


def methods_of(route: Any) -> set[str]:
    view = getattr(route.callback, "cls", None)
    return {name for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)}


def bodies() -> Iterator[bytes]:
    """The common body, each text of it in turn with a NUL in it; then the lines of a commit, likewise."""
    for body in _spoiled(BODY):
        yield json.dumps(body).encode()
    for place, line in enumerate(LINES[:5]):
        for spoiled in _spoiled(line):
            lines = [LINES[0], *LINES[1:place], spoiled] if place else [spoiled, LINES[1]]
            yield b"\n".join(json.dumps(one).encode() for one in lines)


def _spoiled(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for place in _leaves(body):
        changed = copy.deepcopy(body)
        inside: Any = changed
        for key in place[:-1]:
            inside = inside[key]
        if place and isinstance(inside[place[-1]], str):
            inside[place[-1]] += "\0"
            yield changed


@pytest.fixture
def world(alice: User, bob: User, settings: Any, tmp_path: Path) -> World:
    for name in ("xorbs", "tmp", "git", "parts", "attachments"):
        setattr(settings, f"HUB_{name.upper()}_DIR", tmp_path / name)
    organization("team", admin=alice, write=bob)
    made = World(alice, bob)
    made.mend()
    return made


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(1200)
def test_no_nul_reaches_the_database(world: World, caplog: pytest.LogCaptureFixture) -> None:
    client, faults = Client(raise_request_exception=False), set()
    caplog.set_level(logging.WARNING, "models_app.api.wire")

    def send(method: str, path: str, body: bytes = b"", query: str = "") -> None:
        caplog.clear()
        answer = client.generic(
            method.upper(), path, body, "application/json", QUERY_STRING=query, RAW_URI=path,
            headers=world.headers["alice"],
        )  # fmt: skip
        answer.close()
        refused = any("the database refuses" in line for line in caplog.messages)
        if answer.status_code >= 500 or refused:
            faults.add(f"{method} {path} {query} {body!r} {answer.status_code}")
        if method == "delete" or method == "post":
            world.mend()

    # Each text at some of the routes; a long run is for each at all of them.
    every, share = list(bodies()), 1 if "TUNEYARD_EXAMPLES" in os.environ else 12
    for number, (route, path) in enumerate(addresses()):
        sent = every[number % share :: share]
        for method in methods_of(route):
            send(method, path)
            if "%00" in path:
                continue
            for body in sent if method in ("post", "put", "patch") else ():
                send(method, path, body)
            for name in QUERIES if method == "get" else ():
                send(method, path, query=f"{name}={quote(NUL)}")
    for page in PAGES:
        for name in QUERIES:
            send("get", page, query=f"{name}={quote(NUL)}")
        send("get", f"{page.rstrip('/')}/x%00y")
    assert faults == set()
