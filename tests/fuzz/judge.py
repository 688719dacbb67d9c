"""The hub under fuzz, and what is wrong with an answer."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from django.test import Client
from schemathesis import Case

from tests.fuzz.callers import Callers
from tests.fuzz.hidden import Hidden
from tests.fuzz.kept import Kept
from tests.fuzz.world import ALLOWED, World, send

SERVER = "http://testserver"
# Nobody but bob may know these by their names.
VAULTS = re.compile(r"/bob/vault(?:\.git)?(?:/|$)")
GIT = re.compile(r"/bob/(?:vault|gated)(?:\.git)?/(?:info/refs|git-)")


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
