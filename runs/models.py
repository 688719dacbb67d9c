"""Runs: work handed to workers. The row is the truth; a broker message is only a wake-up."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Namespace
from models_app.models import Repo
from runs.evaluations import Score, score_of

if TYPE_CHECKING:
    from accounts.actor import Actor


class Stage(models.TextChoices):
    """The wire's job stages."""

    SCHEDULING = "SCHEDULING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    ERROR = "ERROR"


ENDED = (Stage.COMPLETED, Stage.CANCELED, Stage.ERROR)


class Worker(models.Model):
    """A machine that takes runs; it authenticates with its own token, of which the hub keeps a hash."""

    name = models.CharField(max_length=100, unique=True)
    token_hash = models.CharField(max_length=64, unique=True)
    flavors = models.JSONField(default=list)
    versions = models.JSONField(default=dict)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name


class RunQuerySet(models.QuerySet["Run"]):
    """Reads over runs."""

    def visible_to(self, actor: Actor) -> RunQuerySet:
        """Runs whose target repo the actor may see."""
        return self.filter(target_repo__in=Repo.objects.visible_to(actor))

    def active(self) -> RunQuerySet:
        return self.exclude(stage__in=ENDED)

    def stale(self, now: datetime) -> RunQuerySet:
        """Running, but the worker has not been heard of for the heartbeat timeout."""
        limit = now - timedelta(seconds=settings.HUB_HEARTBEAT_TIMEOUT_SECONDS)
        return self.filter(stage=Stage.RUNNING, heartbeat_at__lt=limit)

    def for_pages(self) -> RunQuerySet:
        return self.select_related(
            "namespace",
            "created_by",
            "worker",
            "base_repo__namespace",
            "dataset_repo__namespace",
            "target_repo__namespace",
        )


class Run(models.Model):
    """One fine-tuning run; every revision it uses is frozen as a commit oid at submission."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=8, default="train", choices=[("train", "train")])
    namespace = models.ForeignKey(Namespace, models.PROTECT, related_name="runs")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="runs")
    stage = models.CharField(max_length=12, choices=Stage.choices, default=Stage.SCHEDULING)
    # what the worker is doing, in words: "fetching", "training", "evaluating", "publishing"
    activity = models.CharField(max_length=40, blank=True)
    message_id = models.CharField(max_length=64, blank=True)
    message = models.TextField(blank=True)
    flavor = models.CharField(max_length=32, default="cpu-basic")
    recipe = models.JSONField()
    base_repo = models.ForeignKey(Repo, models.SET_NULL, null=True, related_name="runs_as_base")
    base_oid = models.CharField(max_length=40)
    dataset_repo = models.ForeignKey(Repo, models.SET_NULL, null=True, related_name="runs_as_dataset")
    dataset_oid = models.CharField(max_length=40)
    benchmark_repo = models.ForeignKey(
        Repo, models.SET_NULL, null=True, blank=True, related_name="runs_as_benchmark"
    )
    benchmark_oid = models.CharField(max_length=40, blank=True)
    target_repo = models.ForeignKey(Repo, models.SET_NULL, null=True, related_name="runs_as_target")
    target_base_oid = models.CharField(max_length=40, blank=True)
    result_oid = models.CharField(max_length=40, blank=True)
    # rises with every claim; what an older attempt says is refused
    attempt = models.PositiveIntegerField(default=0)
    # attempts whose worker fell silent; an orderly interruption is not one
    losses = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    sends = models.PositiveIntegerField(default=0)
    worker = models.ForeignKey(Worker, models.SET_NULL, null=True, blank=True, related_name="runs")
    created_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    timeout_seconds = models.PositiveIntegerField(default=6 * 3600)
    progress_step = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    # final metrics: {"metrics": {...}, "evaluation": {...}, "seconds": {...}}
    summary = models.JSONField(default=dict)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [
            models.Index(fields=["stage", "heartbeat_at"]),
            models.Index(fields=["stage", "sent_at"], condition=Q(stage="SCHEDULING"), name="run_unclaimed"),
        ]

    def __str__(self) -> str:
        return f"run {self.uuid} ({self.stage})"

    def get_absolute_url(self) -> str:
        return f"/runs/{self.uuid}"

    @property
    def has_ended(self) -> bool:
        return self.stage in ENDED

    @property
    def score(self) -> Score | None:
        """What was measured on the benchmark, first of all: the number that its leaderboard ranks by."""
        return score_of(self.summary.get("evaluation") or {}, self.ranked_by)

    @property
    def ranked_by(self) -> str:
        """The leaderboard's metric; empty where no result was reported, and of runs of older releases."""
        return str(self.summary.get("ranked_by") or "")

    @property
    def time_limit(self) -> timedelta:
        """How long one attempt may take."""
        return timedelta(seconds=self.timeout_seconds)


class RunLabel(models.Model):
    """`key=value` as its people have put it on the run (the wire's job labels)."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="label_rows")
    key = models.CharField(max_length=100)
    value = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "key"], name="run_label_once")]
        indexes: ClassVar = [models.Index(fields=["key", "value"], name="run_label_value")]

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class RunMetric(models.Model):
    """One point of one curve; resending it is harmless."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="metrics")
    step = models.PositiveIntegerField()
    name = models.CharField(max_length=64)
    value = models.FloatField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "step", "name"], name="metric_once")]

    def __str__(self) -> str:
        return f"{self.name}@{self.step}"


class RunLog(models.Model):
    """One line of the run's log; `seq` counts within an attempt."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="logs")
    attempt = models.PositiveIntegerField()
    seq = models.PositiveIntegerField()
    at = models.DateTimeField()
    text = models.CharField(max_length=2000)

    class Meta:
        ordering: ClassVar = ["attempt", "seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "attempt", "seq"], name="log_line_once")
        ]

    def __str__(self) -> str:
        return self.text
