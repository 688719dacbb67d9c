"""Callers of the wire for tests in-process: who asks, and what they get."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.test import Client

from accounts.models import User
from accounts.tokens import mint_token


@dataclass(frozen=True)
class Caller:
    """Somebody with a token (or none)."""

    client: Client
    headers: dict[str, str]

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """The response to one request with a JSON body."""
        return self.client.generic(
            method, path, b"" if body is None else _dumped(body), "application/json", headers=self.headers
        )

    def status(self, method: str, path: str, body: Any = None) -> int:
        return int(self(method, path, body).status_code)


def _dumped(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def caller(user: User | None, role: str = "write", **scopes: Any) -> Caller:
    """The user by a fresh token of this role (None: nobody)."""
    if user is None:
        return Caller(Client(), {})
    text = mint_token(user, name="test", role=role, scopes=scopes)[1]
    return Caller(Client(), {"Authorization": f"Bearer {text}"})


def pages(ask: Caller, path: str) -> list[list[Any]]:
    """Every page of a list, following `Link` as clients do."""
    found = []
    while path:
        response = ask("GET", path)
        assert response.status_code == 200, response.content
        found.append(response.json())
        link = response.get("Link", "")
        path = link[1 : link.index(">")].removeprefix("http://testserver") if link else ""
    return found
