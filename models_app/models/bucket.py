"""Buckets: files by path without history (wire section 16); their content is always large files."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import Namespace
from models_app.models.content import LargeFile


class Bucket(models.Model):
    """A named place for files in a namespace."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    namespace = models.ForeignKey(Namespace, models.PROTECT, related_name="buckets")
    name = models.CharField(max_length=96)
    private = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    # the number of the last event that changed its files: where its feed is
    last_event = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("namespace", Lower("name"), name="bucket_id_ci"),
        ]

    def __str__(self) -> str:
        return f"bucket {self.uuid}"

    def get_absolute_url(self) -> str:
        """The bucket's page, without the host; clients parse the id out of it."""
        return f"/buckets/{self.bucket_id}"

    @property
    def bucket_id(self) -> str:
        """`namespace/name`, in the stored case."""
        return f"{self.namespace.name}/{self.name}"


class BucketFile(models.Model):
    """What lies at a path now."""

    bucket = models.ForeignKey(Bucket, models.CASCADE, related_name="files")
    path = models.CharField(max_length=1024)
    file = models.ForeignKey(LargeFile, models.PROTECT, related_name="bucket_files")
    content_type = models.CharField(max_length=100, blank=True)
    mtime = models.DateTimeField(null=True, blank=True)
    uploaded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["bucket", "path"], name="bucket_path_once")]

    def __str__(self) -> str:
        return f"{self.path} in {self.bucket_id}"


class BucketUpload(models.Model):
    """Permission to refer, as `RepoFile` is for repos: content this bucket has been given by a shard.

    `xet_hash` is what its sender calls it; the stored file has another where it was first cut otherwise.
    """

    bucket = models.ForeignKey(Bucket, models.CASCADE, related_name="uploads")
    xet_hash = models.CharField(max_length=64)
    file = models.ForeignKey(LargeFile, models.PROTECT, related_name="bucket_uploads")
    first_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["bucket", "xet_hash"], name="bucket_upload_once")
        ]

    def __str__(self) -> str:
        return f"{self.file_id} in {self.bucket_id}"
