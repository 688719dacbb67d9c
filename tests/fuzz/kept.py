"""alice's other things, of which requests must know the keys: made again like her repos, with new keys."""

from __future__ import annotations

from accounts.actor import Actor
from accounts.models import User
from models_app.actions import discussions
from models_app.actions.bucket_files import PutFile, change_files
from models_app.actions.collections import create_collection
from models_app.actions.webhook_changes import create_webhook
from models_app.files import xorb_store
from models_app.models import Bucket, Collection, Discussion, Repo, Webhook
from tests.fuzz.world import SHA256, WEIGHTS
from tests.models_app.storage.xet_samples import make_xorb
from tests.property.clients import Client


class Kept:
    """A file in her bucket, a thread in her model, a collection, a webhook."""

    def __init__(self, alice: User) -> None:
        self._alice = alice
        self.generation = str(xorb_store().generation())
        self.xorb = make_xorb([WEIGHTS])[0]
        self.xet_hash = self.slug = self.hook = self.event = ""

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
        if not Discussion.objects.filter(repo=repo).exists():
            self.event = discussions.open_discussion(actor, repo=repo, title="First").events.get().uuid.hex
        if not Collection.objects.filter(namespace__name="alice").exists():
            self.slug = create_collection(actor, namespace=None, title="Mine").slug
        if not Webhook.objects.filter(owner=self._alice).exists():
            watched = [{"type": "user", "name": "alice"}]
            self.hook = create_webhook(actor, url="https://example.org/x", watched=watched).key

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
            "oid": [SHA256],
            "sha256": [SHA256],
            "sha": [SHA256],
            "xetHash": [self.xet_hash],
            "size": [len(WEIGHTS)],
            "slug": [self.slug],
            "key": [self.hook],
            "event": [self.event],
            "num": [1],
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
