"""schemathesis on the hub's own description: right and wrong requests to every operation, as four people.

A few of each in the suite. A long run, with fresh requests, which prints its counts:
`TUNEYARD_EXAMPLES=200 .venv/bin/pytest -s tests/fuzz/test_openapi.py`.
"""

from __future__ import annotations

import json
import os
import random
import re
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
import requests
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from accounts.models import User
from accounts.tokens import mint_token
from hub.openapi.document import openapi
from hub.openapi.served import ROUTES
from models_app.models import Repo
from tests.fuzz.hidden import CANARY, CONTENT, Hidden
from tests.fuzz.kept import Kept
from tests.fuzz.seeds import paths, seeded
from tests.fuzz.world import ALLOWED, SHA256, WEIGHTS, World, send
from tests.models_app.people import organization

# Of each operation, for each way to draw requests.
EACH = int(os.environ.get("TUNEYARD_EXAMPLES", "0"))
SERVER = "http://testserver"
FOLDERS = ("xorbs", "tmp", "git", "parts", "attachments")
WHO = ["nobody", "reader", "stranger", "owner"]
MOSTLY = [*WHO, "owner", "owner"]
# Nobody but bob may know these by their names.
VAULTS = re.compile(r"/bob/vault(?:\.git)?(?:/|$)")
GIT = re.compile(r"/bob/(?:vault|gated)(?:\.git)?/(?:info/refs|git-)")


@schemathesis.serializer("application/x-git-upload-pack-request", "application/x-git-receive-pack-request")
def _as_it_is(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.serializer("application/vnd.git-lfs+json")
def _as_json(context: Any, value: Any) -> bytes:
    return json.dumps(value).encode()


@schemathesis.serializer("application/x-ndjson")
def _as_lines(context: Any, value: Any) -> bytes:
    rows = value if isinstance(value, list) else [value]
    return b"\n".join(json.dumps(row).encode() for row in rows)


class Callers:
    """Who asks, and what they hold: tokens, tickets for alice's model, links to her large file."""

    def __init__(self, alice: User, carol: User, client: Client) -> None:
        self._client = client
        self._tokens = {
            "reader": mint_token(carol, name="r", role="read")[1],
            "stranger": mint_token(carol, name="w", role="write")[1],
            "owner": mint_token(alice, name="w", role="write")[1],
        }
        self._tickets: dict[str, str] = {}
        self._links: dict[str, dict[str, str]] = {}
        self._made_for = 0

    def mend(self) -> None:
        """Tickets and links are good: they die with the repo they were made for."""
        repo = Repo.objects.get(namespace__name="alice", name="net", repo_type="model")
        if repo.pk == self._made_for:
            return
        Repo.objects.filter(pk=repo.pk).update(private=False, gated="false")
        for who in WHO:
            self._collect(who)
        self._made_for = repo.pk

    def _collect(self, who: str) -> None:
        access = "write" if who == "owner" else "read"
        token = self._get(f"/api/models/alice/net/xet-{access}-token/main", self.token(who))
        self._tickets[who] = token["accessToken"]
        xet_hash = self._client.head("/alice/net/resolve/main/w.bin")["X-Xet-Hash"]
        plan = self._get(
            f"{urlsplit(token['casUrl']).path}/v1/reconstructions/{xet_hash}", self._tickets[who]
        )
        xorb_link = next(iter(plan["fetch_info"].values()))[0]["url"]
        answer = self._client.post(
            "/alice/net.git/info/lfs/objects/batch",
            json.dumps({"operation": "download", "objects": [{"oid": SHA256, "size": len(WEIGHTS)}]}),
            content_type="application/vnd.git-lfs+json",
            headers=_bearer(self.token(who)),
        )
        lfs_link = answer.json()["objects"][0]["actions"]["download"]["href"]
        self._links[who] = {"/cas": urlsplit(xorb_link).query, "/lfs": urlsplit(lfs_link).query}

    def _get(self, path: str, secret: str) -> Any:
        answer = self._client.get(path, headers=_bearer(secret))
        assert answer.status_code == 200, answer.content
        return answer.json()

    def token(self, who: str) -> str:
        """Their access token; empty for nobody."""
        return self._tokens.get(who, "")

    def show(self, who: str, schemes: set[str], path: str, with_link: bool) -> tuple[dict[str, str], str]:
        """Headers, and what is added to the query."""
        if "link" in schemes:
            return {}, self._links[who][path[:4]] if with_link else ""
        return _bearer(self._tickets[who] if "ticket" in schemes else self.token(who)), ""


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"} if secret else {}


class Hub:
    """The hub under fuzz, and what was found to be wrong with it."""

    def __init__(self, world: World, kept: Kept, hidden: Hidden, callers: Callers, client: Client) -> None:
        self._world, self.kept, self.hidden = world, kept, hidden
        self._callers, self._client = callers, client
        self.counts: Counter[str] = Counter()
        self.faults: dict[str, str] = {}

    def fire(self, case: Case, path: str | None, who: str, with_link: bool) -> None:
        """Send one request, to this path if there is one, and judge the answer.

        A fault is kept, so that one run tells of every one.
        """
        self._world.mend()
        self.kept.mend()
        self._callers.mend()
        operation = case.operation.definition.raw
        schemes = {name for one in operation["security"] for name in one}
        kwargs = case.as_transport_kwargs(base_url=SERVER)
        prepared = requests.Request(**{k: v for k, v in kwargs.items() if k != "timeout"}).prepare()
        url = urlsplit(str(prepared.url))
        path = path or url.path
        headers, more = self._callers.show(who, schemes, case.path, with_link)
        body = prepared.body or b""
        answer, told = send(
            self._client,
            case.method,
            path,
            query="&".join(part for part in (url.query, more) if part),
            body=body if isinstance(body, bytes) else body.encode(),
            media_type=prepared.headers.get("Content-Type", "application/octet-stream"),
            headers=headers,
        )
        self.counts[f"{answer.status_code // 100}xx"] += 1
        faults = self._faults(case.operation, answer, told, unquote(path), bool(headers or more))
        for fault in faults:
            key = f"{fault}: {case.method} {case.path} {answer.status_code}"
            self.faults.setdefault(
                key, f"{key} as {who}: {path} {url.query} {body[:400]!r} -> {told[:300]!r}"
            )

    def _faults(self, operation: Any, answer: Any, told: bytes, path: str, is_known: bool) -> list[str]:
        status = answer.status_code
        found = [f"tells {text!r}" for text in self.hidden.leaks(answer, told)]
        if status >= 500 and status not in ALLOWED:
            found.append("breaks")
        if status < 300:
            if not is_known and {} not in operation.definition.raw["security"]:
                found.append("lets anybody in")
            found += [f"opens {one}" for one in self.hidden.opened(operation.method.upper(), path, told)]
            if VAULTS.search(path) or GIT.search(path):
                found.append("knows what is private")
        if status >= 400 and operation.method != "head":
            found += _misformed(operation, answer, told)
        return found


def _misformed(operation: Any, answer: Any, told: bytes) -> list[str]:
    """A refusal is what the description says: JSON with its sentence, for git plain text."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if (
        kind == "text/html"
        and answer.status_code == 404
        and not operation.path.startswith(("/api/", "/cas/"))
    ):
        return []  # with an encoded slash in a name it is no path of the wire, and the pages say so
    described = operation.definition.raw["responses"]["default"]["$ref"].rpartition("/")[2]
    if described == "GitRefused":
        return [] if kind == "text/plain" and told.strip() else [f"refuses as {kind}"]
    try:
        error = json.loads(told)
    except ValueError:
        return [f"refuses as {kind}"]
    wanted = "message" if kind.startswith("application/vnd.git-lfs") else "error"
    return (
        [] if isinstance(error, dict) and isinstance(error.get(wanted), str) else ["refuses without a word"]
    )


@pytest.fixture
def fuzzed_hub(
    alice: User, bob: User, carol: User, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Hub:
    for name in FOLDERS:
        setattr(settings, f"HUB_{name.upper()}_DIR", tmp_path / name)
    monkeypatch.setattr("models_app.api.sse.STREAM_SECONDS", 0)
    organization("team", admin=alice)
    hidden = Hidden(bob, tmp_path)
    world, client = World(alice, bob), Client(raise_request_exception=False)
    kept = Kept(alice)
    world.mend()
    kept.mend()
    return Hub(world, kept, hidden, Callers(alice, carol, client), client)


class Way(NamedTuple):
    """How to draw requests: by the description or against it, of any words or of those that lead on."""

    mode: GenerationMode
    placed: bool
    each: int


WAYS = [
    Way(GenerationMode.POSITIVE, placed=True, each=EACH or 4),
    Way(GenerationMode.NEGATIVE, placed=True, each=EACH or 2),
    Way(GenerationMode.POSITIVE, placed=False, each=EACH or 1),
]


def _fuzz(hub: Hub, operation: Any, way: Way) -> None:
    fixed = {one.name: "x" for one in operation.path_parameters} if way.placed else None
    cases = operation.as_strategy(generation_mode=way.mode, path_parameters=fixed)

    @hypothesis_settings(
        max_examples=way.each,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    # The same in every run of the suite, and other ones for each operation.
    @seed(random.getrandbits(64) if EACH else zlib.crc32(f"{operation.label} {way}".encode()))
    @given(cases, paths(operation.path, hub.kept, hub.hidden), st.sampled_from(MOSTLY), st.booleans())
    def fire(case: Case, path: str, who: str, with_link: bool) -> None:
        hub.fire(case, path if way.placed else None, who, with_link)

    fire()


def _can_be_wrong(operation: Any) -> bool:
    """Whether anything but the path can be wrong with a request; any bytes are right as bytes."""
    bodies = operation.definition.raw.get("requestBody", {}).get("content", {}).values()
    return bool(operation.query) or any(body["schema"].get("format") != "binary" for body in bodies)


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(7200)
def test_no_described_request_breaks_the_hub_or_tells_a_secret(fuzzed_hub: Hub, tmp_path: Path) -> None:
    config = schemathesis.Config(seed=1)
    config.projects.default.generation.update(with_security_parameters=False)
    document = openapi(ROUTES)
    led = seeded(document, fuzzed_hub.kept, fuzzed_hub.hidden)
    operations, placed = (
        [found.ok() for found in schemathesis.openapi.from_dict(one, config=config).get_all_operations()]
        for one in (document, led)
    )
    for free, known in zip(operations, placed, strict=True):
        for way in WAYS:
            if way.mode is GenerationMode.POSITIVE or _can_be_wrong(free):
                _fuzz(fuzzed_hub, known if way.placed else free, way)
    counted = ", ".join(f"{count:,} × {what}" for what, count in sorted(fuzzed_hub.counts.items()))
    print(f"\n{len(operations)} operations: {counted}")
    assert not fuzzed_hub.faults, "\n\n".join(fuzzed_hub.faults.values())
    assert fuzzed_hub.hidden.taken() == []
    assert len(operations) > 200
    assert fuzzed_hub.counts["2xx"] > len(operations) / 2
    assert {one.name for one in tmp_path.iterdir()} <= {*FOLDERS, "outside.txt"}


@pytest.mark.django_db(transaction=True)
def test_what_bob_is_told_would_be_a_fault_for_others(fuzzed_hub: Hub) -> None:
    """The judge sees: his own answers hold every kind of thing that is looked for."""
    hidden, client = fuzzed_hub.hidden, Client()
    mine = _bearer(hidden.token)
    file, lfs = "/bob/vault/resolve/main/w.bin", "/bob/vault.git/info/lfs/objects/batch"
    vault, others = "/api/models/bob/vault", ["/api/settings/webhooks", "/api/collections?owner=bob"]
    pages = [file, vault, f"{vault}/discussions", f"{vault}/commits/main", "/api/whoami-v2", *others]
    for path in pages:
        answer = client.get(path, headers=mine)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        assert hidden.leaks(answer, body), path
    asked = {"operation": "download", "objects": [{"oid": hidden.hashes[0], "size": len(CONTENT)}]}
    answer = client.post(lfs, asked, content_type="application/vnd.git-lfs+json", headers=mine)
    assert hidden.opened("POST", lfs, answer.content) == [hidden.hashes[0]]
    href = urlsplit(answer.json()["objects"][0]["actions"]["download"]["href"])
    answer = client.get(f"{href.path}?{href.query}")
    assert CANARY.encode() in b"".join(answer.streaming_content)
    assert hidden.opened("GET", href.path, b"") == [hidden.hashes[0]]
    assert hidden.taken() == []
    Repo.objects.filter(namespace__name="bob", name="gated").update(
        namespace=Repo.objects.get(namespace__name="alice", name="net", repo_type="model").namespace
    )
    assert hidden.taken() == ["model alice/gated"]
