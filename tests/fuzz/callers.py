"""Four people who fuzz the hub, and what they hold: tokens, tickets for alice's model, links to her file."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from accounts.models import User
from accounts.tokens import mint_token
from models_app.models import Repo
from tests.fuzz.world import SHA256, WEIGHTS

FRESH = "1" * 64
WHO = ["nobody", "reader", "stranger", "owner"]


class Callers:
    """`reader` and `stranger` are carol by a token to read and one to write, `owner` is alice."""

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
        self._links[who] = {"/cas": urlsplit(xorb_link).query, "/lfs": self._lfs_link(who)}

    def _lfs_link(self, who: str) -> str:
        """To read alice's file; for herself to upload another."""
        operation, oid = ("upload", FRESH) if who == "owner" else ("download", SHA256)
        answer = self._client.post(
            "/alice/net.git/info/lfs/objects/batch",
            json.dumps({"operation": operation, "objects": [{"oid": oid, "size": len(WEIGHTS)}]}),
            content_type="application/vnd.git-lfs+json",
            headers=bearer(self.token(who)),
        )
        return urlsplit(answer.json()["objects"][0]["actions"][operation]["href"]).query

    def _get(self, path: str, secret: str) -> Any:
        answer = self._client.get(path, headers=bearer(secret))
        assert answer.status_code == 200, answer.content
        return answer.json()

    def token(self, who: str) -> str:
        """Their access token; empty for nobody."""
        return self._tokens.get(who, "")

    def show(self, who: str, schemes: set[str], path: str, with_link: bool) -> tuple[dict[str, str], str]:
        """Headers, and what is added to the query."""
        if "link" in schemes:
            return {}, self._links[who][path[:4]] if with_link else ""
        return bearer(self._tickets[who] if "ticket" in schemes else self.token(who)), ""


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"} if secret else {}
