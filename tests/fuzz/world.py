"""What fuzzed requests can hit: alice's repos and bucket, and how a request gets to the hub and back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import User
from accounts.tokens import mint_token
from models_app.actions.buckets import create_bucket
from models_app.actions.commits import commit
from models_app.actions.repos import create_repo
from models_app.files import git_store
from models_app.models import Bucket, Repo
from models_app.storage.operations import AddFile, AddPointer
from runs.models import Run, RunLog, Sweep
from tests.property.clients import upload_by_lfs

WEIGHTS = b"weights"
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
# What a hub may answer in the 500s: not built, busy, disk full.
ALLOWED = (501, 503, 507)


class World:
    """alice's repos and bucket, made again when a request has deleted them."""

    def __init__(self, alice: User, bob: User) -> None:
        self.alice, self.bob = alice, bob
        self.headers = {
            "alice": {"Authorization": f"Bearer {mint_token(alice, name='t', role='write')[1]}"},
            "nobody": {},
        }

    def mend(self) -> None:
        """Everything the paths name exists."""
        actor = Actor(User.objects.get(pk=self.alice.pk))
        for kind, name in (("model", "net"), ("dataset", "data"), ("space", "net")):
            if not Repo.objects.named(kind, f"alice/{name}").exists():
                self._fill(actor, create_repo(actor, repo_type=kind, namespace=None, name=name))
        if not Repo.objects.named("model", "bob/secret").exists():
            create_repo(Actor(self.bob), repo_type="model", namespace=None, name="secret", private=True)
        if not Bucket.objects.filter(name="b").exists():
            create_bucket(actor, namespace=None, name="b")

    def _fill(self, actor: Actor, repo: Repo) -> None:
        upload_by_lfs(actor, repo, WEIGHTS)
        operations = [
            AddFile("README.md", b"---\nlicense: mit\n---\n# x\n"),
            AddFile("sub/a.txt", b"text"),
            AddPointer("w.bin", SHA256, len(WEIGHTS)),
        ]
        oid = commit(actor, repo=repo, branch="main", operations=operations, summary="fill").oid
        store = git_store(repo)
        if store.ref_oid("refs/tags/v1") is None:
            store.repository.references.create("refs/tags/v1", oid)


def run_into(target: Repo, owner: User, text: str) -> Run:
    """A run at work, whose log and message say `text`; it is about to publish to `target`."""
    recipe = {"base_model": {"repo": "alice/net"}, "dataset": {"repo": "alice/data"}}
    made = Run.objects.create(
        namespace=target.namespace,
        created_by=owner,
        stage="RUNNING",
        attempt=1,
        message=text,
        recipe=recipe,
        target_repo=target,
    )
    RunLog.objects.create(run=made, attempt=1, seq=1, at=timezone.now(), text=text)
    return made


def sweep_of(run: Run, name: str) -> Sweep:
    """A sweep of this name, of which the run may be one."""
    axes = {"optim.lr": [0.1, 0.01]}
    return Sweep.objects.create(
        namespace=run.namespace, created_by=run.created_by, name=name, recipe=run.recipe, axes=axes
    )


def send(
    client: Client,
    method: str,
    path: str,
    *,
    query: str = "",
    body: bytes = b"",
    media_type: str = "application/octet-stream",
    headers: Mapping[str, str],
) -> tuple[Any, bytes]:
    """One request by its raw, encoded path and query; the answer, and at most 50 pieces of its body."""
    answer = client.generic(
        method, path, body, content_type=media_type, QUERY_STRING=query, RAW_URI=path, headers=dict(headers)
    )
    if not answer.streaming:
        return answer, answer.content
    if answer.headers.get("Content-Type", "").startswith("text/event-stream"):
        answer.close()  # what follows comes when something happens, and nothing will
        return answer, b""
    pieces = []
    for piece in answer.streaming_content:
        pieces.append(piece)
        if len(pieces) > 50:
            break
    return answer, b"".join(pieces)
