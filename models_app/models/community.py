"""What is said about a repo: discussions and pull requests, which share one series of numbers."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from models_app.models.content import LargeFile
from models_app.models.repo import Repo


class DiscussionStatus(models.TextChoices):
    """The wire's names; a discussion that is no pull request knows only open and closed."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


class Discussion(models.Model):
    """A thread, or a pull request: a thread with a ref `refs/pr/{num}`."""

    repo = models.ForeignKey(Repo, models.CASCADE, related_name="discussions")
    num = models.PositiveIntegerField()
    title = models.CharField(max_length=300)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="discussions"
    )
    status = models.CharField(max_length=8, choices=DiscussionStatus.choices, default=DiscussionStatus.OPEN)
    is_pull_request = models.BooleanField(default=False)
    # Pull requests only: the branch it wants to change, and the merge commit once it has.
    target_branch = models.CharField(max_length=200, blank=True)
    merge_oid = models.CharField(max_length=40, blank=True)
    is_locked = models.BooleanField(default=False)
    is_pinned = models.BooleanField(default=False)
    # A question waits for an answer; `accepted` is the comment that was one.
    is_question = models.BooleanField(default=False)
    accepted = models.ForeignKey(
        "models_app.DiscussionEvent", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # When something was last said or done in it: the order of lists.
    last_activity_at = models.DateTimeField(default=timezone.now)
    comments_count = models.PositiveIntegerField(default=0)
    # Characters of all its comments with their earlier texts: what one answer of its details has to carry.
    text_size = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["repo", "num"], name="discussion_num_once")]
        indexes: ClassVar = [
            models.Index(fields=["repo", "-num"]),
            models.Index(fields=["repo", "-last_activity_at"], name="discussion_activity"),
            models.Index(fields=["-last_activity_at", "-id"], name="discussion_lately"),
        ]

    def __str__(self) -> str:
        return f"#{self.num} of {self.repo_id}"

    def get_absolute_url(self) -> str:
        """The thread's page, without the host."""
        return f"{self.repo.get_absolute_url()}/discussions/{self.num}"

    @property
    def git_ref(self) -> str:
        """`refs/pr/{num}`; empty for a plain discussion."""
        return f"refs/pr/{self.num}" if self.is_pull_request else ""


class DiscussionEvent(models.Model):
    """One thing in a thread: `comment`, `status-change`, `title-change` or `commit` (wire section 10).

    `body` is a comment's text; `data` holds the rest: `status`; `from`, `to`; `subject`, `oid`; for comments
    `history`, the texts before edits.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    discussion = models.ForeignKey(Discussion, models.CASCADE, related_name="events")
    type = models.CharField(max_length=16)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="discussion_events"
    )
    body = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    edited_at = models.DateTimeField(null=True, blank=True)
    hidden_at = models.DateTimeField(null=True, blank=True)
    hidden_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # Of the form that sent it: the same form sent twice says it once.
    submit_key = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["author", "submit_key"], condition=~Q(submit_key=""), name="submitted_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} in {self.discussion_id}"


class Reaction(models.Model):
    """One person answers a comment with one emoji."""

    event = models.ForeignKey(DiscussionEvent, models.CASCADE, related_name="reactions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="reactions")
    emoji = models.CharField(max_length=16)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "user", "emoji"], name="reaction_once")
        ]

    def __str__(self) -> str:
        return f"{self.emoji} by {self.user_id} on {self.event_id}"


class Attachment(models.Model):
    """An image put into a discussion; the file lies under the data directory, named by `uuid`."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="attachments")
    content_type = models.CharField(max_length=100)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.uuid)


class Contribution(models.Model):
    """Proof that somebody without write access has sent this content to this repo themself.

    `RepoFile` alone would let whoever knows a hash bring back, by a pull request, content that the repo holds
    but no longer (or not yet) shows (decision 0004).
    """

    repo = models.ForeignKey(Repo, models.CASCADE, related_name="contributions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="contributions")
    file = models.ForeignKey(LargeFile, models.CASCADE, related_name="contributions")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["repo", "user", "file"], name="contribution_once")
        ]

    def __str__(self) -> str:
        return f"{self.file_id} in {self.repo_id} by {self.user_id}"
