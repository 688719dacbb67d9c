"""Sweeps: one recipe queued with many settings; measurements of steps that are used again."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import Namespace


class Sweep(models.Model):
    """Runs of one recipe that differ in the fields of `axes`, submitted together."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    namespace = models.ForeignKey(Namespace, models.PROTECT, related_name="sweeps")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="sweeps")
    name = models.CharField(max_length=96)
    recipe = models.JSONField()
    # {"optim.lr": [0.001, 0.003], "seed": [0, 1, 2]}
    axes = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"sweep {self.name}"

    def get_absolute_url(self) -> str:
        return f"/sweeps/{self.uuid}"


class Measurement(models.Model):
    """A measured step of one shape on one flavor: good for every run of the same shape."""

    # SHA-256 of what decides memory and pace; see runs/preflights.py
    key = models.CharField(max_length=64)
    flavor = models.CharField(max_length=32)
    # as training/preflight.py measured it
    forecast = models.JSONField(default=dict)
    worker_name = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["key", "flavor"], name="measured_once")]

    def __str__(self) -> str:
        return f"{self.key[:8]} on {self.flavor}"
