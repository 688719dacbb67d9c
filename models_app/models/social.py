"""Who likes, follows, pins, collects, and who asked to be let in."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.text import slugify

from accounts.models import Namespace
from models_app.models.bucket import Bucket
from models_app.models.repo import Repo
from models_app.models.visibility import visible_collections_filter

if TYPE_CHECKING:
    from accounts.actor import Actor


class Like(models.Model):
    """One person likes one repo."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="likes")
    repo = models.ForeignKey(Repo, models.CASCADE, related_name="likes")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "repo"], name="like_once")]

    def __str__(self) -> str:
        return f"{self.user_id} likes {self.repo_id}"


class Follow(models.Model):
    """A person follows a person or an organization."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="follows")
    namespace = models.ForeignKey(Namespace, models.CASCADE, related_name="follows")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "namespace"], name="follow_once")]

    def __str__(self) -> str:
        return f"{self.user_id} follows {self.namespace_id}"


class ProfilePin(models.Model):
    """A repo that a person shows first on their profile. It was public then; who may see it now is the
    reader's to ask."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="pins")
    repo = models.ForeignKey(Repo, models.CASCADE, related_name="pins")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "repo"], name="profile_pin_once")]

    def __str__(self) -> str:
        return f"{self.user_id} pins {self.repo_id}"


class AccessStatus(models.TextChoices):
    """The wire's names."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class AccessRequest(models.Model):
    """Somebody asked for a gated repo's files, or was let in unasked (`granted`).

    `fields` holds the answers to the gate's form; `decided_at` is empty as long as nobody has decided.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    repo = models.ForeignKey(Repo, models.CASCADE, related_name="access_requests")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="access_requests")
    status = models.CharField(max_length=8, choices=AccessStatus.choices, default=AccessStatus.PENDING)
    fields = models.JSONField(default=dict)
    granted = models.BooleanField(default=False)
    rejection_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["repo", "user"], name="access_request_once")]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.repo_id}: {self.status}"


def new_object_id() -> str:
    """24 hex digits: the end of every collection's slug, and an item's id."""
    return secrets.token_hex(12)


class CollectionQuerySet(models.QuerySet["Collection"]):
    """Reads that read as English."""

    def visible_to(self, actor: Actor) -> CollectionQuerySet:
        """Collections the actor may know of; must agree with `collections.access_collection` (tested)."""
        return self.filter(visible_collections_filter(actor))


class Collection(models.Model):
    """A titled list of repos; of its slug `{namespace}/{words of the title}-{key}` the key counts."""

    key = models.CharField(max_length=24, unique=True, default=new_object_id)
    namespace = models.ForeignKey(Namespace, models.CASCADE, related_name="collections")
    title = models.CharField(max_length=60)
    description = models.CharField(max_length=150, blank=True)
    private = models.BooleanField(default=False)
    theme = models.CharField(max_length=16, default="indigo")
    position = models.IntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = CollectionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.title} ({self.key})"

    def get_absolute_url(self) -> str:
        """The collection's page, without the host."""
        return f"/collections/{self.slug}"

    @property
    def slug(self) -> str:
        """What clients call it, `alice/vision-models-<24 hex digits>`."""
        return f"{self.namespace.name}/{slugify(self.title) or 'collection'}-{self.key}"


class CollectionItemQuerySet(models.QuerySet["CollectionItem"]):
    """Reads that read as English."""

    def for_lists(self) -> CollectionItemQuerySet:
        """What an item shows, without the long texts it does not."""
        unread = ("html", "search_text", "preview", "siblings", "metadata", "dtype_counts")
        rows = self.select_related(
            "repo__namespace", "repo__card", "nested__namespace", "bucket__namespace"
        ).defer(*(f"repo__card__{name}" for name in unread))
        return rows.order_by("position", "id")


class CollectionItem(models.Model):
    """A repo, a bucket or another collection, in a collection; exactly one of the three."""

    key = models.CharField(max_length=24, unique=True, default=new_object_id)
    collection = models.ForeignKey(Collection, models.CASCADE, related_name="items")
    repo = models.ForeignKey(Repo, models.CASCADE, null=True, blank=True, related_name="collection_items")
    nested = models.ForeignKey(Collection, models.CASCADE, null=True, blank=True, related_name="+")
    bucket = models.ForeignKey(Bucket, models.CASCADE, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=500, blank=True)
    position = models.IntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    objects = CollectionItemQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["position", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["collection", "repo"], name="collection_repo_once"),
            models.UniqueConstraint(fields=["collection", "nested"], name="collection_nested_once"),
            models.UniqueConstraint(fields=["collection", "bucket"], name="collection_bucket_once"),
            models.CheckConstraint(
                condition=Q(repo__isnull=False, nested__isnull=True, bucket__isnull=True)
                | Q(repo__isnull=True, nested__isnull=False, bucket__isnull=True)
                | Q(repo__isnull=True, nested__isnull=True, bucket__isnull=False),
                name="collection_item_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} in {self.collection_id}"

    @property
    def item_type(self) -> str:
        """The wire's word: a repo type, `collection` or `bucket`."""
        if self.repo is not None:
            return str(self.repo.repo_type)
        return "collection" if self.nested_id is not None else "bucket"
