"""Repos: what is published, and the reads that every door shares."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import Namespace
from models_app.models.visibility import visible_filter

if TYPE_CHECKING:
    from accounts.actor import Actor


class RepoType(models.TextChoices):
    """The wire's repo types, and three of the portal's own. A space is stored and shown, never run."""

    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"
    KERNEL = "kernel"
    # `recipe.yaml` and its README; an article; the threads of one topic of the site's forum
    RECIPE = "recipe"
    TUTORIAL = "tutorial"
    FORUM = "forum"


# What Hugging Face's clients know; of the others the wire serves files, git and nothing else.
WIRE_TYPES = (RepoType.MODEL, RepoType.DATASET, RepoType.SPACE, RepoType.KERNEL)
# The organization whose forum repos are the topics of `/forum`.
FORUM_NAMESPACE = "forum"


class RepoQuerySet(models.QuerySet["Repo"]):
    """Reads that read as English: `Repo.objects.visible_to(actor).models()`."""

    def visible_to(self, actor: Actor) -> RepoQuerySet:
        """Repos whose existence the actor may know; must agree with `access.access_repo` (tested)."""
        return self.filter(visible_filter(actor))

    def behind(self, field: str) -> Exists:
        """The condition that `field` of the rows in hand is one of these repos, asked of each row: SQLite
        answers `IN` by listing all of them first."""
        return Exists(self.order_by().filter(pk=OuterRef(field)))

    def of_type(self, repo_type: str) -> RepoQuerySet:
        return self.filter(repo_type=repo_type)

    def models(self) -> RepoQuerySet:
        return self.of_type(RepoType.MODEL)

    def datasets(self) -> RepoQuerySet:
        return self.of_type(RepoType.DATASET)

    def named(self, repo_type: str, repo_id: str) -> RepoQuerySet:
        """The repo with this id, whatever its letters' case (ids are case-insensitive on the wire)."""
        namespace, _, name = repo_id.partition("/")
        # LOWER(…) =, not LIKE: only so the unique indexes are used.
        lowered = {"namespace__name__lower": namespace.lower(), "name__lower": name.lower()}
        return self.filter(repo_type=repo_type, **lowered)

    def for_lists(self) -> RepoQuerySet:
        """Everything a list page or list endpoint shows, in one query and its prefetches."""
        rows = self.select_related("namespace", "card").prefetch_related("tag_rows")
        # The card's pointer to a newer version, for a badge; of its metadata lists read nothing else.
        return rows.annotate(new_version=KeyTextTransform("new_version", "card__metadata"))


class Repo(models.Model):
    """A bare git repository and what the hub knows of it; its directory is named by `uuid`."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    repo_type = models.CharField(max_length=8, choices=RepoType.choices)
    namespace = models.ForeignKey(Namespace, models.PROTECT, related_name="repos")
    name = models.CharField(max_length=96)
    private = models.BooleanField(default=False)
    gated = models.CharField(
        max_length=8, default="false", choices=[("false", "no"), ("auto", "automatic"), ("manual", "manual")]
    )
    disabled_at = models.DateTimeField(null=True, blank=True)
    default_branch = models.CharField(max_length=64, default="main")
    head_oid = models.CharField(max_length=40, blank=True)
    last_modified = models.DateTimeField(default=timezone.now)
    discussions_disabled = models.BooleanField(default=False)
    likes_count = models.PositiveIntegerField(default=0)
    downloads_30d = models.PositiveIntegerField(default=0)
    downloads_all_time = models.PositiveBigIntegerField(default=0)
    trending_score = models.FloatField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    objects = RepoQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("repo_type", "namespace", Lower("name"), name="repo_id_ci"),
            models.CheckConstraint(condition=~Q(name=""), name="repo_has_name"),
        ]
        # One for each order of the lists, so that a page of them is read without sorting the others.
        indexes: ClassVar = [
            models.Index(Lower("name"), name="repo_name"),
            models.Index(
                fields=["repo_type", "-trending_score", "-last_modified", "-id"], name="repo_trending"
            ),
            models.Index(fields=["repo_type", "-last_modified", "-id"], name="repo_updated"),
            models.Index(fields=["repo_type", "-created_at", "-id"], name="repo_created"),
            models.Index(fields=["repo_type", "-likes_count", "-last_modified", "-id"], name="repo_liked"),
            models.Index(fields=["repo_type", "-downloads_30d", "-last_modified", "-id"], name="repo_loaded"),
            models.Index(
                fields=["namespace", "repo_type", "-last_modified", "-id"], name="repo_of_namespace"
            ),
            models.Index(
                fields=["repo_type"],
                condition=Q(private=True) | Q(disabled_at__isnull=False),
                name="repo_hidden",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.repo_type} {self.repo_id}"

    def get_absolute_url(self) -> str:
        """The repo's page, without the host; a forum's topic is named by its own name alone."""
        if self.repo_type == RepoType.FORUM:
            return f"/forum/{self.name}"
        return f"/{self.url_prefix}{self.repo_id}"

    @property
    def repo_id(self) -> str:
        """`namespace/name`, in the stored case."""
        return f"{self.namespace.name}/{self.name}"

    @property
    def url_prefix(self) -> str:
        """What stands before the id in page and file URLs: empty for models, `datasets/` for datasets."""
        return "" if self.repo_type == RepoType.MODEL else f"{self.repo_type}s/"


class RepoRedirect(models.Model):
    """Where a moved repo used to be; a new repo of that id takes the place over."""

    repo_type = models.CharField(max_length=8, choices=RepoType.choices)
    namespace_name = models.CharField(max_length=96)
    name = models.CharField(max_length=96)
    repo = models.ForeignKey(Repo, models.CASCADE, related_name="redirects")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                "repo_type", Lower("namespace_name"), Lower("name"), name="repo_redirect_ci"
            )
        ]

    def __str__(self) -> str:
        return f"{self.namespace_name}/{self.name} → {self.repo_id}"


class DownloadCount(models.Model):
    """Downloads of one repo on one day (UTC)."""

    repo = models.ForeignKey(Repo, models.CASCADE, related_name="download_counts")
    day = models.DateField()
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["repo", "day"], name="download_day_once")]

    def __str__(self) -> str:
        return f"{self.count} of {self.repo_id} on {self.day}"
