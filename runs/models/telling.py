"""What is told of a run while it goes on: labels, points of curves, log lines, what it was doing when."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class RunLabel(models.Model):
    """`key=value` as its people have put it on the run (the wire's job labels)."""

    run = models.ForeignKey("runs.Run", models.CASCADE, related_name="label_rows")
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

    run = models.ForeignKey("runs.Run", models.CASCADE, related_name="metrics")
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

    run = models.ForeignKey("runs.Run", models.CASCADE, related_name="logs")
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


class RunActivity(models.Model):
    """From `at` on, this attempt was doing `name` ("fetching", "training", …): the run page's timeline."""

    run = models.ForeignKey("runs.Run", models.CASCADE, related_name="activities")
    attempt = models.PositiveIntegerField()
    name = models.CharField(max_length=40)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.name
