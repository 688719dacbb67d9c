"""Workers: machines that take runs, the hub's own or somebody's."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import Namespace


class Tier(models.TextChoices):
    """Whose runs a worker may take."""

    # the hub's operator answers for it: every run
    TRUSTED = "trusted"
    # only the runs of the namespace that owns it
    OWNER = "owner"
    # of others, only what is public anyway: public base, data and result
    COMMUNITY = "community"


class WorkerState(models.TextChoices):
    """What staff or the owner want of it; whether it is online, `last_seen_at` says."""

    ACTIVE = "active"
    # finishes what it has and takes nothing more
    DRAINING = "draining"
    OFFLINE = "offline"


class Doing(models.TextChoices):
    """What a worker said last that it does, between runs or in one."""

    IDLE = "idle"
    BUSY = "busy"
    STOPPING = "stopping"


def heartbeat_patience() -> timedelta:
    """How long a worker may be silent before it counts as gone."""
    return timedelta(seconds=settings.HUB_HEARTBEAT_TIMEOUT_SECONDS)


class WorkerQuerySet(models.QuerySet["Worker"]):
    """Reads over workers."""

    def online(self, now: datetime) -> WorkerQuerySet:
        """Heard of within the heartbeat timeout, and not on its way out."""
        seen = self.filter(is_enabled=True, last_seen_at__gte=now - heartbeat_patience())
        return seen.exclude(doing=Doing.STOPPING)


class Worker(models.Model):
    """A machine that takes runs; it authenticates with its own token, of which the hub keeps a hash."""

    name = models.CharField(max_length=100, unique=True)
    token_hash = models.CharField(max_length=64, unique=True)
    flavors = models.JSONField(default=list)
    versions = models.JSONField(default=dict)
    # {"gpu": name, "gpu_memory_bytes", "memory_bytes", "cores", "platform"}, as it told us
    hardware = models.JSONField(default=dict, blank=True)
    # null: the hub's own
    owner = models.ForeignKey(Namespace, models.CASCADE, null=True, blank=True, related_name="workers")
    tier = models.CharField(max_length=12, choices=Tier.choices, default=Tier.TRUSTED)
    state = models.CharField(max_length=12, choices=WorkerState.choices, default=WorkerState.ACTIVE)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    # as it said itself; empty for workers that say nothing
    doing = models.CharField(max_length=8, choices=Doing.choices, blank=True)
    # off: its token counts for nothing
    is_enabled = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="workers"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_online(self) -> bool:
        """The twin of `WorkerQuerySet.online`, for a row at hand."""
        seen = self.last_seen_at is not None and self.last_seen_at >= timezone.now() - heartbeat_patience()
        return seen and self.is_enabled and self.doing != Doing.STOPPING

    @property
    def short_name(self) -> str:
        """Without its owner's name before it."""
        return self.name.rpartition("/")[2]
