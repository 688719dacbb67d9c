"""The append-only log of what happened; tags are `subject:noun:verb`."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from models_app.models.repo import Repo


class EventTag(models.TextChoices):
    """The vocabulary of the log."""

    REPO_CREATE = "repo:repo:create"
    REPO_DELETE = "repo:repo:delete"
    REPO_SETTINGS = "repo:settings:change"
    REPO_DISABLE = "repo:repo:disable"
    REPO_ENABLE = "repo:repo:enable"
    COMMIT_ADD = "repo:commit:add"
    BRANCH_CREATE = "repo:branch:create"
    BRANCH_DELETE = "repo:branch:delete"
    TAG_CREATE = "repo:tag:create"
    TAG_DELETE = "repo:tag:delete"
    REPO_MOVE = "repo:repo:move"
    REPO_DUPLICATE = "repo:repo:duplicate"
    REPO_SQUASH = "repo:branch:squash"
    REPO_PUSH = "repo:git:push"
    LOCK_CHANGE = "repo:lock:change"
    FILES_DELETE = "repo:lfs-files:delete"
    LIKE_ADD = "repo:like:add"
    LIKE_REMOVE = "repo:like:remove"
    ACCESS_ASK = "repo:access:ask"
    ACCESS_DECIDE = "repo:access:decide"
    DISCUSSION_OPEN = "discussion:discussion:create"
    DISCUSSION_COMMENT = "discussion:comment:create"
    DISCUSSION_EDIT = "discussion:comment:edit"
    DISCUSSION_HIDE = "discussion:comment:hide"
    DISCUSSION_STATUS = "discussion:status:change"
    DISCUSSION_TITLE = "discussion:title:change"
    DISCUSSION_MERGE = "discussion:pull-request:merge"
    DISCUSSION_COMMIT = "discussion:commit:add"
    DISCUSSION_LOCK = "discussion:lock:change"
    DISCUSSION_PIN = "discussion:pin:change"
    DISCUSSION_ACCEPT = "discussion:answer:accept"
    DISCUSSION_REACT = "discussion:reaction:change"
    FOLLOW_ADD = "user:follow:add"
    FOLLOW_REMOVE = "user:follow:remove"
    REPO_FOLLOW = "user:repo-follow:add"
    REPO_UNFOLLOW = "user:repo-follow:remove"
    BADGE_EARN = "user:badge:earn"
    BOARD_MOVE = "board:rank:change"
    COLLECTION_CHANGE = "user:collection:change"
    WEBHOOK_CHANGE = "user:webhook:change"
    MACHINE_CHANGE = "user:machine:change"
    BUCKET_CREATE = "bucket:bucket:create"
    BUCKET_DELETE = "bucket:bucket:delete"
    BUCKET_CHANGE = "bucket:files:change"
    BUCKET_SETTINGS = "bucket:settings:change"
    BUCKET_MOVE = "bucket:bucket:move"
    RUN_SUBMIT = "run:run:submit"
    RUN_CANCEL = "run:run:cancel"
    RUN_RESUME = "run:run:resume"
    RUN_FINISH = "run:run:finish"
    RUN_LABEL = "run:labels:change"


class Event(models.Model):
    """One thing that happened, recorded inside the transaction that did it."""

    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="events")
    tag = models.CharField(max_length=40, choices=EventTag.choices)
    repo = models.ForeignKey(Repo, models.SET_NULL, null=True, related_name="events")
    data = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    # When everybody whom it concerns had been told; empty: it is still to be done.
    notified_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(notified_at=None), name="event_to_tell"),
            models.Index(fields=["repo", "-at"], name="event_of_repo"),
            models.Index(fields=["actor", "-at"], name="event_of_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.tag} at {self.at:%Y-%m-%d %H:%M}"
