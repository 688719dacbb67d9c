"""Webhooks: who wants to hear of what, and each message until it has arrived."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import Namespace
from models_app.models.bucket import Bucket
from models_app.models.repo import Repo
from models_app.models.social import new_object_id


class Webhook(models.Model):
    """Where to send what happens to `watched` in `domains` (of `repo`, `discussion`, `run`)."""

    key = models.CharField(max_length=24, unique=True, default=new_object_id)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=1000)
    secret = models.CharField(max_length=200, blank=True)
    domains = models.JSONField(default=list)
    disabled = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"webhook {self.key}"


class WatchType(models.TextChoices):
    """The wire's kinds of watched things (section 12)."""

    USER = "user"
    ORG = "org"
    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"
    BUCKET = "bucket"


class WatchedItem(models.Model):
    """One thing a webhook watches, by name: it need not exist, or not yet."""

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="watched")
    type = models.CharField(max_length=8, choices=WatchType.choices)
    name = models.CharField(max_length=200)

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [models.Index(Lower("name"), "type", name="watched_item_ci")]

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"


class DeliveryStatus(models.TextChoices):
    """`failed` is final: the retries are used up, or there was no point in them."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookDelivery(models.Model):
    """One message; the row is the truth, the broker's message only a wake-up (decision 0005).

    `repo` or `bucket` is what it tells of, and what the gate is asked about when it is sent; of what is gone
    by then `namespace` and `private` say who may hear.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    repo = models.ForeignKey(Repo, models.SET_NULL, null=True, blank=True, related_name="+")
    bucket = models.ForeignKey(Bucket, models.SET_NULL, null=True, blank=True, related_name="+")
    namespace = models.ForeignKey(Namespace, models.SET_NULL, null=True, blank=True, related_name="+")
    private = models.BooleanField(default=False)
    payload = models.JSONField(default=dict)
    status = models.CharField(max_length=12, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    response_status = models.PositiveIntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["status", "next_attempt_at"]),
            models.Index(fields=["webhook", "-created_at"]),
        ]

    def __str__(self) -> str:
        return f"delivery {self.uuid}"
