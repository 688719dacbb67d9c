"""Who is here: users, the namespaces they own, organizations, access tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.lookalikes import skeleton

models.CharField.register_lookup(Lower)


class RunMail(models.TextChoices):
    """Which ends of one's own runs one is told of by mail."""

    ALL = "all"
    # failures, and runs that took long enough to be forgotten
    NOTABLE = "notable"
    NONE = "none"


class Digest(models.TextChoices):
    """How often what was not mailed at once is mailed together."""

    NEVER = "never"
    DAILY = "daily"
    WEEKLY = "weekly"


class User(AbstractUser):
    """A person (or a service account). The username is also the name of the person's namespace."""

    fullname = models.CharField(max_length=100, blank=True)
    bio = models.CharField(max_length=300, blank=True)
    email_verified = models.BooleanField(default=False)
    is_suspended = models.BooleanField(default=False)
    run_mail = models.CharField(max_length=8, choices=RunMail.choices, default=RunMail.NOTABLE)
    digest = models.CharField(max_length=8, choices=Digest.choices, default=Digest.WEEKLY)
    # Whether what is told in the inbox may go by mail at all: one press in any such mail ends it.
    note_mail = models.BooleanField(default=True)
    digest_sent_at = models.DateTimeField(null=True, blank=True)
    # Empty: what the browser prefers.
    language = models.CharField(max_length=10, blank=True)
    theme = models.CharField(
        max_length=8, blank=True, choices=[("light", "light"), ("dark", "dark"), ("contrast", "contrast")]
    )
    # Memory of the machine that models are to fit, in GiB; empty: not said.
    machine_gb = models.PositiveSmallIntegerField(null=True, blank=True)
    # What has been closed for good: steps of the tour, hints.
    dismissed = models.JSONField(default=list, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("username"), name="user_username_ci", violation_error_message="This name is taken."
            )
        ]

    def display_name(self) -> str:
        """The full name, or the username where none was given."""
        return self.fullname or self.username


class Organization(models.Model):
    """A group of people that owns repos together."""

    fullname = models.CharField(max_length=100, blank=True)
    website = models.URLField(blank=True)
    details = models.CharField(max_length=300, blank=True)
    # Whether a repo whose creator names no visibility starts private.
    private_by_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.fullname or f"organization {self.pk}"


class NamespaceQuerySet(models.QuerySet["Namespace"]):
    """Reads that read as English."""

    def named(self, name: str) -> NamespaceQuerySet:
        """The one of this name, whatever its letters' case; none for what no name can be."""
        # LOWER(…) =, not LIKE: only so the unique index is used. Of NUL PostgreSQL wants to know nothing.
        return self.filter(name__lower=name.lower()) if name.isprintable() else self.none()


class Namespace(models.Model):
    """The first half of a repo id; owned by exactly one user or one organization."""

    name = models.CharField(max_length=96)
    user = models.OneToOneField(User, models.CASCADE, null=True, blank=True, related_name="namespace")
    organization = models.OneToOneField(
        Organization, models.CASCADE, null=True, blank=True, related_name="namespace"
    )
    used_bytes = models.BigIntegerField(default=0)
    quota_bytes = models.BigIntegerField(null=True, blank=True)
    # The name with lookalikes folded into one (accounts/lookalikes.py).
    skeleton = models.CharField(max_length=96, blank=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = NamespaceQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("name"), name="namespace_name_ci"),
            models.CheckConstraint(
                condition=Q(user__isnull=False, organization__isnull=True)
                | Q(user__isnull=True, organization__isnull=False),
                name="namespace_one_owner",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the skeleton beside the name, whoever writes it."""
        self.skeleton = skeleton(self.name)
        super().save(*args, **kwargs)

    @property
    def is_organization(self) -> bool:
        return self.organization_id is not None

    def display_name(self) -> str:
        """What people call the owner."""
        if self.user is not None:
            return self.user.display_name()
        return (self.organization.fullname if self.organization else "") or self.name


class Role(models.TextChoices):
    """What a member may do, in the field's names (`roleInOrg`)."""

    READ = "read"
    CONTRIBUTOR = "contributor"
    WRITE = "write"
    ADMIN = "admin"


class Membership(models.Model):
    """One person's role in one organization."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.READ)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "user"], name="membership_once")
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role}"


class TokenRole(models.TextChoices):
    """The wire's names for what a token may do (`auth.accessToken.role`)."""

    READ = "read"
    WRITE = "write"
    FINE_GRAINED = "fineGrained"


class DeviceLogin(models.Model):
    """A program signed in by a device code: its access tokens, and the one refresh token good for the next.

    `previous_hash` is the refresh token before: whoever brings it after its successor was used has stolen one
    of the two, and the login ends.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="device_logins")
    client_id = models.CharField(max_length=100)
    refresh_hash = models.CharField(max_length=64, unique=True)
    previous_hash = models.CharField(max_length=64, blank=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"login of {self.user_id} by {self.client_id}"


class AccessToken(models.Model):
    """A bearer token; only its hash is kept. `scopes` narrows a fine-grained token.

    Scopes: `{"repos": {"model:ns/name": "write", "dataset:ns/name": "read"}, "namespaces": {"ns": "write"},
    "run": "<uuid>", "attempt": 2}`; a token with `run` reaches nothing but what it lists.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="access_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    hash = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=16, choices=TokenRole.choices, default=TokenRole.READ)
    scopes = models.JSONField(default=dict, blank=True)
    # The login this token belongs to, where a device code made it: it ends with that login.
    login = models.ForeignKey(DeviceLogin, models.SET_NULL, null=True, blank=True, related_name="tokens")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_living(self, now: datetime) -> bool:
        """Whether the token works: not expired, not revoked, its user neither inactive nor suspended."""
        is_over = self.revoked_at is not None or (self.expires_at is not None and self.expires_at <= now)
        return not is_over and self.user.is_active and not self.user.is_suspended


class DeviceStatus(models.TextChoices):
    """Where a login begun on a terminal stands; `redeemed`: its token has been handed out."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    REDEEMED = "redeemed"


class DeviceCode(models.Model):
    """A login begun on a device without a browser (RFC 8628); of both codes only hashes are kept."""

    device_hash = models.CharField(max_length=64, unique=True)
    user_hash = models.CharField(max_length=64, unique=True)
    client_id = models.CharField(max_length=100)
    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="device_codes")
    status = models.CharField(max_length=8, choices=DeviceStatus.choices, default=DeviceStatus.PENDING)
    # Seconds the device must leave between two questions; grows each time it does not.
    interval = models.PositiveSmallIntegerField(default=5)
    polled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"device code of {self.created_at:%Y-%m-%d %H:%M}, {self.status}"


class Tally(models.Model):
    """How often something was tried within a window of time (accounts/throttle.py); `key` names no person."""

    key = models.CharField(max_length=64, unique=True)
    count = models.PositiveIntegerField()
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.key}: {self.count}"
