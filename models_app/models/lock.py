"""Locks of git-lfs: who is at work on a file that cannot be merged."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from models_app.models.repo import Repo


class FileLock(models.Model):
    """One path of a repo, taken by one user. Clients keep to it; the hub itself refuses nothing for it."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    repo = models.ForeignKey(Repo, models.CASCADE, related_name="file_locks")
    path = models.CharField(max_length=1000)
    # The reference the client named, told back to it and no more: a path is locked on all branches.
    ref = models.CharField(max_length=250, blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="file_locks")
    locked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["repo", "path"], name="file_lock_once")]

    def __str__(self) -> str:
        return f"{self.path} of {self.repo_id}"
