"""alice's other things, of which requests must know the keys: made again like her repos, with new keys."""

from __future__ import annotations

import secrets

from django.db.models import Model

from accounts.actor import Actor
from accounts.logins import STOCK_CLIENT
from accounts.models import User
from models_app.actions import discussions
from models_app.actions.bucket_files import PutFile, change_files
from models_app.actions.collections import create_collection
from models_app.actions.webhook_changes import create_webhook
from models_app.files import xorb_store
from models_app.models import Bucket, Collection, Discussion, Repo, Webhook
from runs.models import Run
from tests.fuzz.world import SHA256, WEIGHTS, run_into, sweep_of
from tests.models_app.storage.xet_samples import make_xorb
from tests.property.clients import Client


class Kept:
    """A file in her bucket, a thread in her model, a collection, a webhook."""

    def __init__(self, alice: User) -> None:
        self._alice = alice
        self.generation = str(xorb_store().generation())
        self.xorb = make_xorb([WEIGHTS])[0]
        self.xet_hash = self.slug = self.hook = self.event = self.run = self.sweep = ""
        self.num = 1
        self._keys: dict[type[Model], int] = {}

    def mend(self) -> None:
        """All of them exist, and their keys are known."""
        actor = Actor(User.objects.get(pk=self._alice.pk))
        # What she hides or closes, the others could not try any more.
        open_again = {"private": False, "gated": "false", "discussions_disabled": False}
        Repo.objects.filter(namespace__name="alice").exclude(**open_again).update(**open_again)
        Bucket.objects.filter(namespace__name="alice", private=True).update(private=False)
        bucket = Bucket.objects.get(namespace__name="alice", name="b")
        if not bucket.files.filter(path="w.bin").exists():
            self.xet_hash = Client().upload(actor, bucket, [WEIGHTS])[1]
            change_files(actor, bucket=bucket, operations=[PutFile("w.bin", self.xet_hash)])
        repo = Repo.objects.get(namespace__name="alice", name="net", repo_type="model")
        if self._is_gone(Discussion):
            thread = discussions.open_discussion(actor, repo=repo, title="First")
            self.num, self.event = thread.num, thread.events.get().uuid.hex
            self._keys[Discussion] = thread.pk
        if self._is_gone(Collection):
            collection = create_collection(actor, namespace=None, title=secrets.token_hex(4))
            self.slug, self._keys[Collection] = collection.slug, collection.pk
        if self._is_gone(Webhook):
            watched = [{"type": "user", "name": "alice"}]
            hook = create_webhook(actor, url="https://example.org/x", watched=watched)
            self.hook, self._keys[Webhook] = hook.key, hook.pk

        if not Run.objects.filter(pk=self._keys.get(Run, 0), target_repo=repo, stage="RUNNING").exists():
            run = run_into(repo, self._alice, "working")
            run.sweep = sweep_of(run, "probe")
            run.save(update_fields=["sweep"])
            self.run, self.sweep, self._keys[Run] = str(run.uuid), str(run.sweep.uuid), run.pk

    def _is_gone(self, kind: type[Model]) -> bool:
        return not kind._default_manager.filter(pk=self._keys.get(kind, 0)).exists()

    def words(self) -> dict[str, list[object]]:
        """By the name of a parameter or field: what leads to something of hers."""
        return {
            "revision": ["main"],
            "branch": ["main", "dev"],
            "name_or_revision": ["main", "v1"],
            "ref": ["main"],
            "compare": ["main..main"],
            "path": ["README.md", "w.bin", "sub/a.txt"],
            "prefix": ["default"],
            "oid": [SHA256, "1" * 64],
            "sha256": [SHA256],
            "sha": [SHA256],
            "xetHash": [self.xet_hash],
            "size": [len(WEIGHTS)],
            "slug": [self.slug],
            "key": [self.hook],
            "event": [self.event],
            "uuid": [self.run, self.sweep],
            "job_id": [self.run],
            "client_id": [STOCK_CLIENT],
            "num": [self.num],
            "number": [1],
            "generation": [self.generation],
            "fromRepo": ["alice/net", "alice/data"],
            "toRepo": ["alice/moved", "team/net"],
            "repository": ["alice/copy", "team/copy"],
            "sourceRepoId": ["alice/net"],
            "tag": ["v2"],
            "startingPoint": ["main"],
            "title": ["A title"],
            "grant_type": ["refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
            "url": ["https://example.org/y"],
            "user": ["bob", "carol"],
            "name": ["alice", "new", "net"],
            "organization": ["alice", "team"],
            "type": ["user", "model"],
            "domains": ["repo"],
            "secret": ["s"],
            "paths": ["README.md", "w.bin", "sub"],
            "visibility": ["public"],
            "position": [0],
            "theme": ["green"],
        }
