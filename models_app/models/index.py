"""What the hub knows of content: an index rebuilt from git at every push, never a second truth."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from models_app.models.repo import Repo


class RepoCard(models.Model):
    """The parsed README, the file list and the weights' shape of a repo's default branch at `oid`."""

    repo = models.OneToOneField(Repo, models.CASCADE, related_name="card")
    oid = models.CharField(max_length=40, blank=True)
    metadata = models.JSONField(default=dict)
    # [{"path", "size", "blob_id", "lfs": sha256 or null}], so that lists never open git
    siblings = models.JSONField(default=list)
    total_bytes = models.BigIntegerField(default=0)
    # Of the files that hold weights: what a net takes in memory, before anything runs.
    weights_bytes = models.BigIntegerField(null=True)
    pipeline_tag = models.CharField(max_length=64, blank=True, db_index=True)
    library_name = models.CharField(max_length=64, blank=True, db_index=True)
    license = models.CharField(max_length=64, blank=True, db_index=True)
    parameters = models.BigIntegerField(null=True)
    dtype_counts = models.JSONField(default=dict)
    summary = models.CharField(max_length=300, blank=True)
    html = models.TextField(blank=True)
    # datasets: {"splits": [{"name", "rows"}], "classes": [{"label", "count"}],
    # "images": [{"label", "src"}], "problems": []}
    preview = models.JSONField(default=dict)
    search_text = models.TextField(blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["parameters"], name="card_parameters"),
            models.Index(fields=["total_bytes"], name="card_bytes"),
            models.Index(fields=["weights_bytes"], name="card_weights"),
        ]

    def __str__(self) -> str:
        return f"card of {self.repo_id}"


class RepoTag(models.Model):
    """One tag of a repo: kind `license`, value `apache-2.0` is the wire's `license:apache-2.0`."""

    repo = models.ForeignKey(Repo, models.CASCADE, related_name="tag_rows")
    kind = models.CharField(max_length=32)
    value = models.CharField(max_length=128)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["repo", "kind", "value"], name="tag_once")]
        indexes: ClassVar = [models.Index(fields=["kind", "value"])]

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        """The tag as the wire spells it; plain tags carry no prefix."""
        return tag_text(self.kind, self.value)


def tag_text(kind: str, value: str) -> str:
    """How the wire spells a tag of this kind."""
    return value if kind == "tag" else f"{kind}:{value}"


class BaseModelEdge(models.Model):
    """A child names its base model on its card; the parent may be missing, private or elsewhere."""

    child = models.ForeignKey(Repo, models.CASCADE, related_name="base_edges")
    parent_repo_id = models.CharField(max_length=200)
    parent = models.ForeignKey(Repo, models.SET_NULL, null=True, blank=True, related_name="child_edges")
    relation = models.CharField(max_length=16, default="finetune")

    def __str__(self) -> str:
        return f"{self.child_id} ← {self.parent_repo_id}"


class Benchmark(models.Model):
    """A dataset repo with an `eval.yaml`; tasks: `[{id, split, metric, higher_is_better, pipeline_tag}]`."""

    repo = models.OneToOneField(Repo, models.CASCADE, related_name="benchmark")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    tasks = models.JSONField(default=list)
    is_listed = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name


class EvalResult(models.Model):
    """One entry of a model repo's `.eval_results/*.yaml`."""

    repo = models.ForeignKey(Repo, models.CASCADE, related_name="eval_results")
    filename = models.CharField(max_length=255)
    dataset_id = models.CharField(max_length=200)
    benchmark = models.ForeignKey(Benchmark, models.SET_NULL, null=True, related_name="results")
    task_id = models.CharField(max_length=100)
    dataset_revision = models.CharField(max_length=64, blank=True)
    value = models.FloatField()
    count = models.PositiveIntegerField(null=True)
    # 95 % bounds of the value, as the run that measured it signed them.
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    date = models.DateField(null=True)
    source = models.JSONField(default=dict)
    notes = models.TextField(blank=True)
    verified = models.BooleanField(default=False)
    run_uuid = models.UUIDField(null=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.repo_id} on {self.dataset_id}: {self.value}"


class Recipe(models.Model):
    """A `recipe.yaml` in a repo: of a recipe repo the recipe itself, of a model the one that made it."""

    repo = models.OneToOneField(Repo, models.CASCADE, related_name="recipe")
    oid = models.CharField(max_length=40)
    title = models.CharField(max_length=200, blank=True)
    base_model = models.CharField(max_length=200, blank=True)
    dataset = models.CharField(max_length=200, blank=True)
    pipeline_tag = models.CharField(max_length=64, blank=True, db_index=True)
    strategy = models.CharField(max_length=40, blank=True, db_index=True)
    spec = models.JSONField(default=dict)
    # Of what it does, base and data left out: two recipes with the same one are the same method.
    fingerprint = models.CharField(max_length=64, blank=True, db_index=True)
    is_valid = models.BooleanField(default=True)
    problems = models.JSONField(default=list)
    # The repo it was forked from, as it was named then.
    forked_from = models.ForeignKey(Repo, models.SET_NULL, null=True, blank=True, related_name="recipe_forks")

    def __str__(self) -> str:
        return f"recipe of {self.repo_id}"


class BoardMove(models.Model):
    """A model took or changed its place on a board; `before` is empty for one that is new there."""

    benchmark = models.ForeignKey(Benchmark, models.CASCADE, related_name="moves")
    task_id = models.CharField(max_length=100)
    repo = models.ForeignKey(Repo, models.CASCADE, related_name="board_moves")
    before = models.PositiveIntegerField(null=True)
    after = models.PositiveIntegerField()
    value = models.FloatField()
    verified = models.BooleanField(default=False)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{self.repo_id} on {self.benchmark_id}: {self.before} → {self.after}"
