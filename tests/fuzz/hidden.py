"""bob's private things, each holding a word that nobody else may ever read, and their names and hashes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from django.db.models import Q

from accounts.actor import Actor
from accounts.models import User
from accounts.tokens import mint_token
from models_app.actions import discussions, repos
from models_app.actions.bucket_files import PutFile, change_files
from models_app.actions.buckets import create_bucket
from models_app.actions.collections import create_collection
from models_app.actions.commits import commit
from models_app.actions.webhook_changes import create_webhook
from models_app.files import git_store
from models_app.large_files import held_by
from models_app.models import Bucket, Repo
from models_app.storage.operations import AddFile, AddPointer
from models_app.storage.xet.hashing import chunk_hash, hash_from_text, hash_to_text
from tests.fuzz.world import run_into, sweep_of
from tests.models_app.storage.xet_samples import make_xorb
from tests.property.clients import Client, upload_by_lfs

CANARY = "canary-9c1f"
CARD = f"---\ntags: [{CANARY}]\nlicense: mit\n---\n# {CANARY}\n".encode()
# Incompressible, so that the word is in the stored bytes as it is.
CONTENT = CANARY.encode() + hashlib.sha512(b"private").digest() * 9
_READS = ("GET", "HEAD")
PRIVATE_KINDS = ("model", "dataset", "space", "kernel")


class Hidden:
    """What was planted. `texts` must be in no answer; `hashes`, `oids` and `keys` a thief may know."""

    def __init__(self, bob: User, outside: Path) -> None:
        self.bob = Actor(bob)
        self.texts: list[str] = [CANARY]
        self.hashes: list[str] = []
        self.xorbs: set[str] = set()
        self.oids: list[str] = []
        self.keys: list[str] = []
        for kind in PRIVATE_KINDS:
            self._private_repo(bob, kind)
        self._gated_repo()
        self._bucket()
        self._things_without_files()
        # Beside the folders of repos, where only a path that climbs could find it.
        (outside / "outside.txt").write_bytes(CONTENT)
        self.token = mint_token(bob, name=CANARY, role="write")[1]
        self.texts += [self.token, bob.email]

    def _private_repo(self, bob: User, kind: str) -> None:
        made = repos.create_repo(self.bob, repo_type=kind, namespace=None, name="vault", private=True)
        self._fill(made, summary=CANARY)
        thread = discussions.open_discussion(self.bob, repo=made, title=f"{CANARY} title", description=CANARY)
        self.keys.append(thread.events.get().uuid.hex)
        if kind == "model":
            run = run_into(made, bob, CANARY)
            run.sweep = sweep_of(run, CANARY)
            run.save(update_fields=["sweep"])
            self.keys += [str(run.uuid), str(run.sweep.uuid)]

    def _gated_repo(self) -> None:
        made = repos.create_repo(self.bob, repo_type="model", namespace=None, name="gated", private=False)
        self._fill(made, card=b"---\nlicense: mit\n---\n# gated\n", summary="fill")
        repos.change_settings(self.bob, repo=made, gated="manual")

    def _fill(self, made: Repo, *, summary: str, card: bytes = CARD) -> None:
        sha256, xet_hash = Client().upload(self.bob, made, [CONTENT])
        by_lfs = upload_by_lfs(self.bob, made, CONTENT + b"2")
        operations = [
            AddFile("README.md", card),
            AddFile("sub/a.txt", CONTENT),
            AddPointer("w.bin", sha256, len(CONTENT)),
            AddPointer("sub/lfs.bin", by_lfs, len(CONTENT) + 1),
        ]
        oid = commit(self.bob, repo=made, branch="main", operations=operations, summary=summary).oid
        tree = git_store(made).repository[oid].tree
        self.oids += [oid, str(tree.id), str(tree["README.md"].id)]
        chunk, xorb = hash_to_text(chunk_hash(CONTENT)), make_xorb([CONTENT])[0]
        new = [one for one in (sha256, xet_hash, by_lfs, chunk, xorb) if one not in self.hashes]
        self.hashes += new
        self.xorbs.add(xorb)

    def _bucket(self) -> None:
        made = create_bucket(self.bob, namespace=None, name="vault", private=True)
        xet_hash = Client().upload(self.bob, made, [CONTENT + b"3"])[1]
        assert not change_files(self.bob, bucket=made, operations=[PutFile("w.bin", xet_hash)])
        self.hashes.append(xet_hash)

    def _things_without_files(self) -> None:
        made = create_collection(self.bob, namespace=None, title="Vault", description=CANARY, private=True)
        self.keys.append(made.slug)
        hook = create_webhook(
            self.bob,
            url=f"https://example.org/{CANARY}",
            watched=[{"type": "user", "name": "bob"}],
            secret=CANARY,
        )
        self.keys.append(hook.key)

    def leaks(self, answer: Any, body: bytes) -> list[str]:
        """Those of the words that an answer tells, in its body or its headers."""
        told = body + str(answer.headers).encode()
        return [text for text in self.texts if text.encode() in told] + [
            # As shards have it, in answer to those who ask for a chunk that they have not.
            f"xorb {name}"
            for name in self.xorbs
            if hash_from_text(name) in body
        ]

    def opened(self, method: str, path: str, body: bytes) -> list[str]:
        """The hashes that a good answer has opened: by their own address, or with a link to download them."""
        by_address = path.startswith(("/cas/", "/lfs/")) and "/chunks/" not in path and method in _READS
        found = [one for one in self.hashes if by_address and one in path]
        if path.endswith("/info/lfs/objects/batch"):
            rows = json.loads(body)["objects"]
            links = {row.get("oid") for row in rows if "download" in row.get("actions", {})}
            found += links & set(self.hashes)
        return found

    def taken(self) -> list[str]:
        """Places of others that hold something of bob's."""
        places = [
            *Repo.objects.exclude(namespace__name="bob"),
            *Bucket.objects.exclude(namespace__name="bob"),
        ]
        theirs = Q(sha256__in=self.hashes) | Q(xet_hash__in=self.hashes)
        return [str(place) for place in places if held_by(place).filter(theirs).exists()]
