"""Mail about runs on its way; the row is the truth, the broker's message only a wake-up (decision 0005)."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone


class NoticeStatus(models.TextChoices):
    """`dropped` is final: its person wants no mail any more, may not know of the run, or it never arrived."""

    PENDING = "pending"
    SENT = "sent"
    DROPPED = "dropped"


class RunNotice(models.Model):
    """One end of one run that one person is to be told of."""

    # names the mail, so that a mail sent twice is shown once
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    run = models.ForeignKey("runs.Run", models.CASCADE, related_name="notices")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="run_notices")
    # a run that is resumed ends again
    ended_at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=NoticeStatus.choices, default=NoticeStatus.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "user", "ended_at"], name="run_notice_once")
        ]
        indexes: ClassVar = [models.Index(fields=["status", "next_attempt_at"], name="run_notice_due")]

    def __str__(self) -> str:
        return f"notice of {self.run_id} to {self.user_id}"
