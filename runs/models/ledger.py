"""Attempts at runs and what they cost: the ledger of compute, and the quotas it is held against."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from accounts.models import Namespace
from runs.models.worker import Worker


class Attempt(models.Model):
    """One worker's hold on a run, from the claim to its end; an entry of the ledger once it has ended.

    Rows are written by `runs/lifecycle.py` alone and never changed after their end.
    """

    run = models.ForeignKey("runs.Run", models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    worker = models.ForeignKey(Worker, models.SET_NULL, null=True, blank=True, related_name="attempts")
    # kept when the worker's row goes
    worker_name = models.CharField(max_length=100, blank=True)
    namespace = models.ForeignKey(Namespace, models.PROTECT, related_name="run_attempts")
    flavor = models.CharField(max_length=32)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    # "completed", "error", "canceled", "interrupted", "lost", "timeout"
    outcome = models.CharField(max_length=12, blank=True)
    message_id = models.CharField(max_length=64, blank=True)
    message = models.TextField(blank=True)
    # of the worker's time; 0 charged where the platform failed
    seconds = models.FloatField(default=0.0)
    charged_seconds = models.FloatField(default=0.0)
    # where it began: the step of the checkpoint it went on from
    from_step = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["run", "number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "number"], name="attempt_once")]
        indexes: ClassVar = [models.Index(fields=["namespace", "started_at"], name="attempt_namespace")]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.run_id}"


class ComputeQuota(models.Model):
    """How much a namespace may compute and queue; null: as the hub's settings say."""

    namespace = models.OneToOneField(Namespace, models.CASCADE, related_name="compute_quota")
    # of charged worker time within 30 days
    minutes = models.PositiveIntegerField(null=True, blank=True)
    max_running = models.PositiveIntegerField(null=True, blank=True)
    max_waiting = models.PositiveIntegerField(null=True, blank=True)

    def __str__(self) -> str:
        return f"quota of {self.namespace}"
