"""Large files: xorbs hold chunks, a file is its list of terms, a RepoFile is leave to refer to it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from models_app.models.repo import Repo


class Xorb(models.Model):
    """One uploaded xorb. Its physical file holds only chunks that no earlier xorb held.

    `chunk_table` is the logical table the client knows: for each chunk its hash and length, packed by
    `storage/xet/xorb.py`. Where a chunk's bytes really are, only its `Chunk` row says.
    """

    hash = models.CharField(max_length=64, primary_key=True)
    chunk_table = models.BinaryField()
    stored_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.hash


class Chunk(models.Model):
    """Where the bytes of one chunk are: an index over xorbs, so that no chunk is stored twice."""

    hash = models.BinaryField(max_length=32, unique=True)
    xorb = models.ForeignKey(Xorb, models.CASCADE, related_name="chunks")
    position = models.PositiveIntegerField()
    offset = models.BigIntegerField()
    stored_length = models.PositiveIntegerField()
    length = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"chunk {self.position} of {self.xorb_id}"


class LargeFile(models.Model):
    """Content that git holds only a pointer of; it has no name and no owner."""

    sha256 = models.CharField(max_length=64, unique=True)
    xet_hash = models.CharField(max_length=64, unique=True)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.sha256


class FileTerm(models.Model):
    """The file is the concatenation of its terms: runs of chunks lying together in one physical xorb file."""

    file = models.ForeignKey(LargeFile, models.CASCADE, related_name="terms")
    index = models.PositiveIntegerField()
    xorb = models.ForeignKey(Xorb, models.PROTECT, related_name="terms")
    chunk_start = models.PositiveIntegerField()
    chunk_end = models.PositiveIntegerField()
    byte_start = models.BigIntegerField()
    byte_end = models.BigIntegerField()
    file_offset = models.BigIntegerField()
    length = models.BigIntegerField()

    class Meta:
        ordering: ClassVar = ["index"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["file", "index"], name="term_once")]

    def __str__(self) -> str:
        return f"term {self.index} of {self.file_id}"


class RepoFile(models.Model):
    """Permission to refer: a commit may point at a large file only where this row exists."""

    repo = models.ForeignKey(Repo, models.CASCADE, related_name="repo_files")
    file = models.ForeignKey(LargeFile, models.PROTECT, related_name="repo_files")
    # When the repo was last given the file; a commit that names it may follow much later.
    first_seen_at = models.DateTimeField(default=timezone.now)
    # Since when the collector has found no reference of the repo that leads to it; None: one does.
    unreached_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["repo", "file"], name="repo_file_once")]

    def __str__(self) -> str:
        return f"{self.file_id} in {self.repo_id}"
