"""Buckets come, change and go. `bucket` arguments come from the gate."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.actor import Actor, Level
from accounts.tokens import rename_scope
from models_app import access
from models_app.actions.events import record_event
from models_app.actions.locking import check_credential
from models_app.actions.refusals import RepoExists
from models_app.actions.repos import check_repo_name
from models_app.buckets import NOT_FOUND, check_bucket
from models_app.models import Bucket, EventTag


class BucketExists(RepoExists):
    """The id is taken; `bucket` is who has it."""

    def __init__(self, bucket: Bucket) -> None:
        access.Refusal.__init__(self, f"You already created this bucket: {bucket.bucket_id}")
        self.bucket = bucket


def lock_bucket(actor: Actor, bucket: Bucket, need: Level = Level.WRITE) -> Bucket:
    """The bucket's fresh row, locked until the transaction ends; asks again what `lock_repo` asks again."""
    rows = Bucket.objects.select_for_update(of=("self",)).select_related("namespace")
    row = rows.filter(pk=bucket.pk).first()
    if row is None:
        raise access.RepoNotFound(NOT_FOUND)
    check_credential(actor)
    return check_bucket(Actor(actor.user, actor.token), row, need)


def create_bucket(actor: Actor, *, namespace: str | None, name: str, private: bool | None = None) -> Bucket:
    """Make an empty bucket in a namespace (None: the actor's own).

    `private` None is what the organization prefers, public for people. Raises BucketExists, InvalidInput, or
    the gate's refusals.
    """
    check_repo_name(name)
    place = access.access_namespace(actor, namespace, Level.WRITE, what="a bucket")
    if private is None:
        private = place.organization is not None and place.organization.private_by_default
    bucket = Bucket(namespace=place, name=name, private=private)
    try:
        with transaction.atomic():
            bucket.save(force_insert=True)
            record_event(actor, EventTag.BUCKET_CREATE, **_told(bucket))
    except IntegrityError:
        raise BucketExists(Bucket.objects.get(namespace=place, name__lower=name.lower())) from None
    return bucket


def delete_bucket(actor: Actor, *, bucket: Bucket) -> None:
    """Remove the bucket and its list of files; their content stays for the collector of garbage."""
    with transaction.atomic():
        row = lock_bucket(actor, bucket, Level.ADMIN)
        record_event(actor, EventTag.BUCKET_DELETE, **_told(row))
        row.delete()


def change_bucket(actor: Actor, *, bucket: Bucket, private: bool) -> Bucket:
    """Show the bucket to everybody, or to its own people only."""
    with transaction.atomic():
        row = lock_bucket(actor, bucket, Level.ADMIN)
        if row.private != private:
            row.private, row.updated_at = private, timezone.now()
            row.save(update_fields=["private", "updated_at"])
            record_event(actor, EventTag.BUCKET_SETTINGS, **_told(row), changed={"private": private})
    return row


def move_bucket(actor: Actor, *, bucket: Bucket, namespace: str, name: str) -> Bucket:
    """Give the bucket another name, or another owner: the actor must be admin here and there.

    Fine-grained tokens that list it follow it. Raises BucketExists, InvalidInput, or the gate's refusals.
    """
    check_repo_name(name)
    place = access.access_namespace(actor, namespace, Level.ADMIN, what="a bucket")
    try:
        with transaction.atomic():
            row = lock_bucket(actor, bucket, Level.ADMIN)
            old = row.bucket_id
            row.namespace, row.name = place, name
            row.save(update_fields=["namespace", "name"])
            rename_scope(f"bucket:{old}", f"bucket:{row.bucket_id}")
            record_event(actor, EventTag.BUCKET_MOVE, **_told(row), moved_from=old)
    except IntegrityError:
        raise BucketExists(Bucket.objects.get(namespace=place, name__lower=name.lower())) from None
    return row


def _told(bucket: Bucket) -> dict[str, Any]:
    """What the log keeps of a bucket, which has no column there."""
    return {"bucket": str(bucket.uuid), "bucket_id": bucket.bucket_id}
