"""schemathesis on the hub's own description: right and wrong requests to every operation, as four people.

A few of each in the suite. A long run, with fresh requests, which prints its counts:
`TUNEYARD_EXAMPLES=1000 .venv/bin/pytest -s tests/fuzz/test_openapi.py`.
"""

from __future__ import annotations

import json
import os
import random
import zlib
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from accounts.models import User
from hub.openapi.document import openapi
from hub.openapi.served import ROUTES
from models_app.models import Repo
from tests.fuzz.callers import WHO, Callers, bearer
from tests.fuzz.hidden import CANARY, CONTENT, Hidden
from tests.fuzz.judge import Hub
from tests.fuzz.kept import Kept
from tests.fuzz.seeds import paths, seeded
from tests.fuzz.world import World
from tests.models_app.people import organization

# Of each operation, for each way to draw requests: there are 250 and three. 0 for what the suite can afford.
EACH = -(-int(os.environ.get("TUNEYARD_EXAMPLES", "0")) // 50)
FOLDERS = ("xorbs", "tmp", "git", "parts", "attachments")
MOSTLY = [*WHO, "owner", "owner"]


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


@pytest.fixture
def fuzzed_hub(
    alice: User, bob: User, carol: User, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Hub:
    for name in FOLDERS:
        setattr(settings, f"HUB_{name.upper()}_DIR", tmp_path / name)
    monkeypatch.setattr("models_app.api.sse.STREAM_SECONDS", 0)
    monkeypatch.setattr("runs.dispatch.current_app.send_task", lambda *args, **options: None)
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
    # A hash says less than a name: more tries, of which some are right in all but whose it is.
    times = 5 if operation.path.startswith(("/cas/", "/lfs/")) else 1
    cases = operation.as_strategy(generation_mode=way.mode, path_parameters=fixed)

    @hypothesis_settings(
        max_examples=way.each * times,
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
    mine = bearer(hidden.token)
    file, lfs = "/bob/vault/resolve/main/w.bin", "/bob/vault.git/info/lfs/objects/batch"
    vault, others = "/api/models/bob/vault", ["/api/settings/webhooks", "/api/collections?owner=bob"]
    pages = [file, vault, f"{vault}/discussions", f"{vault}/commits/main", "/api/runs", *others]
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
