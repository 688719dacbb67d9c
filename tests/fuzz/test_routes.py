# ruff: noqa: E501 (templates are easier to compare on one line)
"""Every route of the wire under requests of any shape, as nobody and as alice: never a 5xx, errors in JSON.

`TUNEYARD_EXAMPLES=5000 .venv/bin/pytest -s tests/fuzz/test_routes.py` is a long run, and prints its counts.
"""

from __future__ import annotations

import copy
import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import URLPattern
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from models_app.api.urls import WIRE
from runs.api_urls import urlpatterns as RUNS
from tests.fuzz.mutations import EXAMPLES
from tests.fuzz.world import ALLOWED, SHA256, World, send
from tests.models_app.people import organization

XET = "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
COUNTS: Counter[str] = Counter()

# --- what paths are made of

TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["..", ".", "\0", "a\nb", "é", "\u202e", "x" * 300, "%", "'", '"', "a/b", "-", "--", "null", "0",
         "true", "refs/pr/1", "9" * 40, "1e9", "datasets", "api", "\ud7ff", "💾", "a" * 5000]
    ),
)  # fmt: skip
KNOWN = {
    "kind": ["models", "datasets", "spaces", "kernels", "buckets"],
    "repo_type": ["models", "datasets", "spaces", "kernels", "model"],
    "namespace": ["alice", "ALICE", "team", "bob", "nobody"],
    "name": ["net", "NET", "data", "secret", "net.git", "alice", "team", "b"],
    "repo": ["net", "data", "b"],
    "username": ["alice", "bob", "team"],
    "revision": ["main", "refs/pr/1", "refs/heads/main", "v1", "HEAD", "0" * 40],
    "branch": ["main", "dev", "refs/heads/main", "a/b", "x.lock"],
    "name_or_revision": ["main", "v1"],
    "path": ["README.md", "w.bin", "sub/a.txt", "sub", "../x", "README.md/x", ".gitattributes"],
    "prefix": ["default", "default-merkledb"],
    "oid": [SHA256, "0" * 64],
    "hash": [XET, "0" * 64],
    "generation": ["1", "0"],
    "num": ["1", "2", "0"],
    "access": ["read", "write"],
    "slug": ["a-0123456789abcdef01234567"],
}
NUMBERS = ["0", "1", "2", "9" * 18, "9" * 19, "9" * 60, "00"]
UUIDS = ["00000000-0000-4000-8000-000000000000", "ffffffff-ffff-4fff-bfff-ffffffffffff"]


@st.composite
def paths(draw: st.DrawFn) -> str:
    """The path of some route, percent-encoded."""
    route = draw(st.sampled_from([*WIRE, *RUNS]))
    if hasattr(route.pattern, "_route"):
        return "/" + "".join(_filled(draw, route.pattern._route))
    found = draw(st.from_regex(re.compile(route.pattern._regex, re.ASCII)))
    tail = draw(st.sampled_from(["", "alice/net", "alice/net/main", f"v1/chunks/default/{XET}"]))
    return "/" + quote(found.rstrip("\n") + tail, safe="/%:")


def _filled(draw: st.DrawFn, route: str) -> Iterator[str]:
    for literal, kind, name in re.findall(r"([^<]+)|<(?:(\w+):)?(\w+)>", route):
        if literal:
            yield literal
        elif kind == "int":
            yield draw(st.sampled_from(NUMBERS))
        elif kind == "uuid":
            yield draw(st.sampled_from(UUIDS))
        else:
            known = st.sampled_from(KNOWN.get(name, ["alice", "net", "main", "1", SHA256]))
            text = draw(known if draw(st.integers(0, 5)) else TEXTS)
            yield quote(text.encode("utf-8", "surrogatepass"), safe="/" if kind == "path" else "") or "x"


# --- what bodies are made of

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), TEXTS,
    st.sampled_from([-1, 0, 2**31, 2**63, 1e308, "", "alice/net", "main", SHA256, XET, "refs/pr/1", "public"]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
TEMPLATES: list[dict[str, Any]] = [
    {"name": "new", "type": "model", "organization": "team", "private": True, "sdk": "gradio"},
    {"files": [{"path": "a.bin", "sample": "aGk=", "size": 3}], "gitIgnore": "*", "gitAttributes": "*.bin filter=lfs"},
    {"operation": "upload", "transfers": ["basic", "multipart"], "hash_algo": "sha256",
     "objects": [{"oid": SHA256, "size": 7}], "ref": {"name": "main"}},
    {"operation": "download", "objects": [{"oid": SHA256, "size": 7}]},
    {"oid": SHA256, "size": 7, "parts": [{"partNumber": 1, "etag": "x"}]},
    {"paths": ["README.md", "sub"], "expand": True},
    {"content": "---\nlicense: mit\n---\n# x", "repoType": "model"},
    {"startingPoint": "main", "tag": "v2", "message": "m", "emptyBranch": False, "overwrite": True},
    {"private": True, "gated": "auto", "visibility": "public", "discussionsDisabled": True},
    {"fromRepo": "alice/net", "toRepo": "alice/net2", "type": "model", "repository": "alice/net3"},
    {"title": "t", "description": "d", "pullRequest": True, "comment": "c", "status": "closed", "content": "e"},
    {"deletions": {"sha": [SHA256], "rewriteHistory": True}},
    {"status": "accepted", "userId": "1", "user": "bob", "rejectionReason": "no", "username": "bob"},
    {"title": "list", "namespace": "alice", "item": {"type": "model", "id": "alice/net"}, "note": "n",
     "position": 1, "theme": "green"},
    {"url": "https://example.org/x", "secret": "s", "watched": [{"type": "user", "name": "alice"}],
     "domains": ["repo", "discussion"], "job": None},
    {"files": [{"sha256": SHA256, "xetHash": XET, "type": "addFile", "path": "x", "mtime": 1}],
     "source": {"type": "model", "name": "alice/net"}},
    {"dockerImage": "x", "command": ["a"], "environment": {"A": "b"}, "flavor": "cpu-basic",
     "timeoutSeconds": 60, "labels": {"a": "b"}, "arguments": [], "secrets": {}},
    {"recipe": "task: image-classification", "base": "alice/net", "dataset": "alice/data"},
    {"ref": "refs/heads/main", "path": "w.bin", "force": True, "cursor": "x", "limit": 3, "id": "x"},
    {"attempt": 1, "activity": "x", "step": 1, "metrics": {"loss": 0.5}, "logs": ["x"]},
]  # fmt: skip
LINES: list[dict[str, Any]] = [
    {"key": "header", "value": {"summary": "s", "description": "d", "parentCommit": "0" * 40}},
    {"key": "file", "value": {"path": "a.txt", "content": "aGk=", "encoding": "base64"}},
    {"key": "lfsFile", "value": {"path": "w2.bin", "algo": "sha256", "oid": SHA256, "size": 7}},
    {"key": "deletedFile", "value": {"path": "README.md"}},
    {"key": "deletedFolder", "value": {"path": "sub/"}},
    {"type": "addFile", "path": "x.bin", "xetHash": XET, "mtime": 1},
    {"type": "deleteFile", "path": "x.bin"},
]


def _leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _leaves(inner, (*at, key))


@st.composite
def altered(draw: st.DrawFn, templates: list[dict[str, Any]]) -> Any:
    """A body some route understands, with up to three of its parts replaced or taken away."""
    body: Any = copy.deepcopy(draw(st.sampled_from(templates)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(list(_leaves(body))))
        if not place:
            continue
        inside = body
        for key in place[:-1]:
            inside = inside[key]
        if draw(st.booleans()):
            inside[place[-1]] = draw(VALUES)
        elif isinstance(inside, dict):
            del inside[place[-1]]
    return body


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


BODIES = st.one_of(
    st.just(b""),
    altered(TEMPLATES).map(_dumped),
    altered(TEMPLATES).map(_dumped),
    st.lists(altered(LINES).map(_dumped), max_size=4).map(lambda lines: b"\n".join(lines)),
    st.lists(altered(LINES).map(_dumped), max_size=3).map(
        lambda lines: b"\n".join([_dumped(LINES[0]), *lines])
    ),
    VALUES.map(_dumped),
    st.binary(max_size=200),
    st.sampled_from([b"[" * 2000, b"{", b"\xff\xfe", b"0000", b"1" * 6000, gzip.compress(b"0000")]),
)
HEADERS = st.dictionaries(
    st.sampled_from(["Range", "Accept", "If-None-Match", "Content-Encoding", "Git-Protocol", "X-Xet-Session-Id",
                     "Cookie", "If-Range", "X-Requested-With", "Accept-Encoding", "Referer"]),
    st.sampled_from(["bytes=0-", "bytes=5-2", "bytes=-3", "bytes=0-1,4-5", "bytes=99999999999-", "gzip", "*/*",
                     "text/plain", "application/json", "version=2", "version=2\x00", '"x"', "*", "ü", "x" * 3000,
                     "bytes=" + "9" * 30 + "-", "sessionid=x; csrftoken=y", "bytes=0-0"]),
    max_size=2,
)  # fmt: skip
TYPES = st.sampled_from(
    ["application/json", "application/x-ndjson", "application/x-www-form-urlencoded", "multipart/form-data",
     "multipart/form-data; boundary=x", "text/plain", "application/vnd.git-lfs+json", "application/octet-stream",
     "application/x-git-upload-pack-request", "application/x-git-receive-pack-request", "application/json; charset=x"]
)  # fmt: skip
QUERIES = st.dictionaries(
    st.sampled_from(["limit", "cursor", "expand", "expand[]", "recursive", "create_pr", "p", "search", "author",
                     "filter", "sort", "direction", "full", "blobs", "service", "type", "status", "ticket", "q",
                     "download", "hot_reload", "xet", "num_parameters", "gated", "since", "follow", "tail", "raw"]),
    st.one_of(TEXTS, st.sampled_from(["true", "-1", "1", "1000000000000", "git-upload-pack", "git-receive-pack",
                                      "likes", "downloads", "main", "a,b", "min:1,max:2K"])),
    max_size=3,
)  # fmt: skip
METHODS = st.sampled_from(["GET", "POST", "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"])


REQUESTS = st.tuples(METHODS, paths(), QUERIES, BODIES, TYPES, HEADERS)


# --- the hub under fire


def _send(client: Client, request: tuple[Any, ...], headers: dict[str, str]) -> tuple[Any, bytes]:
    method, path, query, body, kind, more = request
    encoded = "&".join(
        f"{quote(name)}={quote(text.encode('utf-8', 'surrogatepass'))}" for name, text in query.items()
    )
    return send(client, method, path, query=encoded, body=body, media_type=kind, headers={**more, **headers})


def _shape(path: str) -> str:
    """The words of a path that routes are made of."""
    return "/".join(word if re.fullmatch(r"[a-z-]{2,20}", word) else "*" for word in path.split("/"))


def _judge(request: tuple[Any, ...], answer: Any, body: bytes) -> None:
    told = f"{request[:2]} {request[2]} {request[4]} {request[5]} {request[3][:500]!r}: {answer.status_code}"
    assert answer.status_code < 500 or answer.status_code in ALLOWED, f"{told} {body[:300]!r}"
    if answer.status_code < 400 or request[0] == "HEAD":
        return
    kind = answer.headers.get("Content-Type", "")
    if answer.status_code == 404 and not request[1].startswith(("/api/", "/cas/", "/lfs/", "/v1/")):
        return  # with an encoded slash in a name it is no path of the wire, and the pages say so in HTML
    assert re.match(r"application/(vnd\.git-lfs\+)?json|text/plain", kind), f"{told} {kind}"
    if "json" in kind:
        assert isinstance(json.loads(body), dict), f"{told} {body[:300]!r}"
    assert "Traceback" not in body.decode("utf-8", "replace")


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(7200)
def test_no_request_breaks_the_hub(alice: User, bob: User, settings: Any, tmp_path: Path) -> None:
    for name in ("xorbs", "tmp", "git", "parts", "attachments"):
        setattr(settings, f"HUB_{name.upper()}_DIR", tmp_path / name)
    organization("team", admin=alice, write=bob)
    world, client = World(alice, bob), Client(raise_request_exception=False)
    faults: dict[str, str] = {}

    @hypothesis_settings(
        max_examples=EXAMPLES * 5,
        deadline=None,
        derandomize="TUNEYARD_EXAMPLES" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(REQUESTS, st.sampled_from(["alice", "alice", "nobody"]))
    def fire(request: tuple[Any, ...], who: str) -> None:
        world.mend()
        answer, body = _send(client, request, world.headers[who])
        COUNTS[f"{answer.status_code // 100}xx"] += 1
        try:
            _judge(request, answer, body)
        except AssertionError as error:
            # Gone on with, so that one run tells of every fault and not only of the first.
            faults.setdefault(f"{request[0]} {_shape(request[1])} {answer.status_code}", str(error))

    fire()
    print("\n" + ", ".join(f"{count:,} × {what}" for what, count in sorted(COUNTS.items())))
    assert not faults, "\n\n".join(faults.values())
    assert COUNTS["2xx"] > 0


def test_every_route_can_be_drawn() -> None:
    assert WIRE
    assert RUNS
    assert all(isinstance(route, URLPattern) for route in [*WIRE, *RUNS])
