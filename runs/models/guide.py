"""A newcomer's way through the five stages, kept so that it can be left and taken up again."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from runs.models.run import Run


class GuideStage(models.TextChoices):
    """The five, in their order."""

    MODEL = "model"
    DATA = "data"
    TUNE = "tune"
    EVALUATE = "evaluate"
    PUBLISH = "publish"


class Guide(models.Model):
    """One way through; `data` holds what was chosen so far, by stage: repo ids and a form's own fields."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="guides")
    stage = models.CharField(max_length=8, choices=GuideStage.choices, default=GuideStage.MODEL)
    data = models.JSONField(default=dict)
    run = models.ForeignKey(Run, models.SET_NULL, null=True, blank=True, related_name="guides")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["user", "-updated_at"], name="guide_of_user")]

    def __str__(self) -> str:
        return f"guide {self.uuid} of {self.user_id} ({self.stage})"
