"""Who is told of what, and what they keep an eye on: follows of repos and boards, the inbox, saved searches,
badges."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Namespace
from models_app.models.community import Discussion
from models_app.models.event import Event
from models_app.models.repo import Repo


class Followed(models.TextChoices):
    """What of a repo somebody follows: what is committed and said there, or the board that it is."""

    REPO = "repo"
    BOARD = "board"


class RepoFollow(models.Model):
    """A person follows a repo, or the board of a benchmark."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="repo_follows")
    repo = models.ForeignKey(Repo, models.CASCADE, related_name="repo_follows")
    what = models.CharField(max_length=8, choices=Followed.choices, default=Followed.REPO)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "repo", "what"], name="repo_follow_once")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} follows {self.what} {self.repo_id}"


class ThreadSubscription(models.Model):
    """Somebody is told of a thread, or (`is_muted`) does not want to be although they took part."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="thread_subscriptions")
    discussion = models.ForeignKey(Discussion, models.CASCADE, related_name="subscriptions")
    is_muted = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "discussion"], name="thread_subscription_once")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.discussion_id}"


class NoteKind(models.TextChoices):
    """Why somebody is told; people choose by these where and when they hear of it."""

    MENTION = "mention"
    REPLY = "reply"
    THREAD = "thread"
    PULL_REQUEST = "pull-request"
    ANSWER = "answer"
    RUN = "run"
    ACCESS = "access"
    FOLLOWER = "follower"
    LIKE = "like"
    REPO_UPDATE = "repo-update"
    NEW_WORK = "new-work"
    BOARD = "board"
    SEARCH = "search"
    BADGE = "badge"


class Notification(models.Model):
    """One line of somebody's inbox. What follows in the same thread before it is read joins it (`count`).

    `data` holds the words' values; the sentence is made when it is shown, in the reader's language.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=16, choices=NoteKind.choices)
    # What it joins: unread lines of one person with the same key are one.
    key = models.CharField(max_length=120)
    event = models.ForeignKey(Event, models.SET_NULL, null=True, blank=True, related_name="+")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    repo = models.ForeignKey(Repo, models.CASCADE, null=True, blank=True, related_name="+")
    path = models.CharField(max_length=500, blank=True)
    data = models.JSONField(default=dict)
    count = models.PositiveIntegerField(default=1)
    # Whether the inbox shows it; what its person wants by mail only is kept, but not shown.
    in_site = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)
    # When it went out by mail, alone or in a digest; empty where it is still to go, or never will.
    mailed_at = models.DateTimeField(null=True, blank=True)
    # The mail that was begun with it, and since when a worker has that in hand (note_batches.py).
    mail_uuid = models.UUIDField(null=True, blank=True, editable=False)
    mail_claimed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at"], name="note_of_user"),
            models.Index(fields=["user"], condition=Q(read_at=None), name="note_unread"),
            models.Index(fields=["kind"], condition=Q(read_at=None, mailed_at=None), name="note_to_mail"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "key"], condition=Q(read_at=None), name="note_once_unread"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.user_id}"


class NoteSetting(models.Model):
    """What somebody chose for one kind; without a row the defaults of the code hold."""

    class Mail(models.TextChoices):
        NEVER = "never"
        DIGEST = "digest"
        AT_ONCE = "at-once"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="note_settings")
    kind = models.CharField(max_length=16, choices=NoteKind.choices)
    in_site = models.BooleanField(default=True)
    mail = models.CharField(max_length=8, choices=Mail.choices, default=Mail.DIGEST)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "kind"], name="note_setting_once")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.user_id}"


class SavedSearch(models.Model):
    """A list's filters kept under a name; with an alert, what is new there is told of."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_searches")
    title = models.CharField(max_length=100)
    repo_type = models.CharField(max_length=8)
    # The list's own query string, without page and sort.
    query = models.CharField(max_length=1000, blank=True)
    has_alert = models.BooleanField(default=True)
    # Repos with a greater key are new to it.
    seen_pk = models.BigIntegerField(default=0)
    # How many of the new ones its person has been told of.
    told = models.PositiveIntegerField(default=0)
    checked_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "repo_type", "query"], name="saved_search_once")
        ]

    def __str__(self) -> str:
        return f"{self.title} of {self.user_id}"


class Badge(models.Model):
    """Something a person or an organization has shown by verified work; rebuilt by `manage.py badges`."""

    namespace = models.ForeignKey(Namespace, models.CASCADE, related_name="badges")
    kind = models.CharField(max_length=40)
    # What earned it, where one thing did.
    repo = models.ForeignKey(Repo, models.CASCADE, null=True, blank=True, related_name="badges")
    data = models.JSONField(default=dict)
    earned_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["namespace", "kind"], name="badge_once")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.namespace_id}"
