"""The run: work handed to a worker. The row is the truth; a broker message is only a wake-up."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Prefetch, Q
from django.utils import timezone

from accounts.models import Namespace
from models_app.models import Repo
from runs.evaluations import Score, score_of
from runs.models.worker import Worker

if TYPE_CHECKING:
    from accounts.actor import Actor


class Stage(models.TextChoices):
    """The wire's job stages."""

    SCHEDULING = "SCHEDULING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    ERROR = "ERROR"


class Kind(models.TextChoices):
    """What is asked of a worker; the life of the row is the same."""

    TRAIN = "train"
    # One real measured step, from which memory and time are told before anything is queued.
    PREFLIGHT = "preflight"


ENDED = (Stage.COMPLETED, Stage.CANCELED, Stage.ERROR)


class RunQuerySet(models.QuerySet["Run"]):
    """Reads over runs."""

    def visible_to(self, actor: Actor) -> RunQuerySet:
        """Runs whose target repo the actor may see."""
        return self.filter(Repo.objects.visible_to(actor).behind("target_repo"))

    def active(self) -> RunQuerySet:
        return self.exclude(stage__in=ENDED)

    def waiting(self) -> RunQuerySet:
        return self.filter(stage=Stage.SCHEDULING)

    def training(self) -> RunQuerySet:
        """Without the measured steps: what people mean by a run."""
        return self.filter(kind=Kind.TRAIN)

    def stale(self, now: datetime) -> RunQuerySet:
        """Running, but the worker has not been heard of for the heartbeat timeout."""
        limit = now - timedelta(seconds=settings.HUB_HEARTBEAT_TIMEOUT_SECONDS)
        return self.filter(stage=Stage.RUNNING, heartbeat_at__lt=limit)

    def for_pages(self) -> RunQuerySet:
        """Everything a row of a list shows. What few rows have, or many share, is fetched apart: PostgreSQL
        plans a question of ten tables for longer than it takes to answer it."""
        repos = Repo.objects.select_related("namespace")
        apart = (Prefetch("base_repo", repos), Prefetch("dataset_repo", repos), "worker")
        return self.select_related("namespace", "created_by", "target_repo__namespace").prefetch_related(
            *apart
        )


class Run(models.Model):
    """One fine-tuning run; every revision it uses is frozen as a commit oid at submission."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=12, default=Kind.TRAIN, choices=Kind.choices)
    namespace = models.ForeignKey(Namespace, models.PROTECT, related_name="runs")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="runs")
    stage = models.CharField(max_length=12, choices=Stage.choices, default=Stage.SCHEDULING)
    # what the worker is doing, in words: "fetching", "training", "evaluating", "publishing"
    activity = models.CharField(max_length=40, blank=True)
    message_id = models.CharField(max_length=64, blank=True)
    message = models.TextField(blank=True)
    flavor = models.CharField(max_length=32, default="cpu-basic")
    # staff may put a run before or behind all others; equals share fairly
    priority = models.SmallIntegerField(default=0)
    sweep = models.ForeignKey("runs.Sweep", models.SET_NULL, null=True, blank=True, related_name="runs")
    # its place in the sweep, from 0
    sweep_index = models.PositiveIntegerField(null=True, blank=True)
    # the run that this one repeats, resumes or changes
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="children")
    recipe = models.JSONField()
    # the shared recipe that this run follows, and its commit
    recipe_repo = models.ForeignKey(
        Repo, models.SET_NULL, null=True, blank=True, related_name="runs_as_recipe"
    )
    recipe_oid = models.CharField(max_length=40, blank=True)
    # of its own recipe as it is, whichever it began with; empty for runs of older releases
    recipe_fingerprint = models.CharField(max_length=64, blank=True, db_index=True)
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
    # after a failure of the platform, nobody takes the run before this
    not_before = models.DateTimeField(null=True, blank=True)
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
    # the newest checkpoint that the hub keeps, with every metric up to its step; see runs/checkpoints.py
    checkpoint_step = models.PositiveIntegerField(null=True, blank=True)
    checkpoint_bytes = models.PositiveBigIntegerField(default=0)
    checkpoint_sha256 = models.CharField(max_length=64, blank=True)
    checkpoint_at = models.DateTimeField(null=True, blank=True)
    # what the measured step foretold: {"peak_memory_bytes", "seconds", "parts", ...}
    forecast = models.JSONField(default=dict, blank=True)
    # final metrics: {"metrics": {...}, "evaluation": {...}, "seconds": {...}}
    summary = models.JSONField(default=dict)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [
            models.Index(fields=["stage", "heartbeat_at"]),
            # what ended last, on the start page
            models.Index(fields=["-finished_at"], name="run_finished"),
            models.Index(fields=["namespace", "stage"], name="run_namespace_stage"),
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
