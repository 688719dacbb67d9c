"""Every route of the wire below a repo or a bucket answers a stranger about a private one as about none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import User
from models_app.actions.buckets import create_bucket
from models_app.api.urls import WIRE
from tests.models_app.api.people import Caller, caller
from tests.models_app.people import repo_of, session

# One that the routes take for each word they capture.
WORDS = {
    "kind": "models", "namespace": "alice", "revision": "main", "path": "README.md", "branch": "main",
    "name_or_revision": "main", "num": "1", "event": "0" * 32, "ref": "main", "compare": "main..main",
    "index": "model.safetensors.index.json", "status": "pending", "access": "read", "what": "variables",
    "key": "0" * 32, "prefix": "folder", "rest": "tree",
}  # fmt: skip
KINDS = ("models", "datasets", "spaces", "kernels")
METHODS = ("GET", "POST", "PUT", "DELETE")


def paths(name: str) -> Iterator[str]:
    """The path of every route that names a namespace and something in it, with `name` as that thing."""
    for route in WIRE:
        pattern = str(route.pattern).removeprefix("^").removesuffix("$")
        if not re.search(r"namespace>.*\bname>", pattern):
            continue
        for kind in KINDS if re.search(r"\bkind>", pattern) else KINDS[:1]:
            words = {**WORDS, "kind": kind, "name": name}
            captured = r"\(\?P<(\w+)>(?:\[[^\]]*\]|[^()\[\]])*\)|<(?:\w+:)?(\w+)>"
            yield "/" + re.sub(captured, lambda found, words=words: words[found[1] or found[2]], pattern)


def told(ask: Caller, method: str, path: str, name: str) -> tuple[Any, ...]:
    """Everything of an answer but the name that was asked for and what differs each time."""
    answer = ask(method, path, {})
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    headers = {key: value for key, value in answer.headers.items() if key != "X-Request-Id"}
    return answer.status_code, body.replace(name.encode(), b"*"), str(headers).replace(name, "*")


@pytest.mark.parametrize("who", ["carol", "nobody"])
def test_a_stranger_cannot_tell_private_from_missing(alice: User, carol: User, who: str) -> None:
    for kind in ("model", "dataset", "space", "kernel"):
        repo_of(alice, "hidden", repo_type=kind, private=True)
    create_bucket(session(alice), namespace="alice", name="hidden", private=True)
    ask = caller(carol if who == "carol" else None)
    pairs = [
        (method, *both) for both in zip(paths("hidden"), paths("absent"), strict=True) for method in METHODS
    ]
    assert len(pairs) > 500
    for method, hidden, absent in pairs:
        answer = told(ask, method, hidden, "hidden")
        assert answer == told(ask, method, absent, "absent"), (method, hidden)
        assert answer[0] >= 400, (method, hidden)
