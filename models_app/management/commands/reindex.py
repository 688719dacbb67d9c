"""`manage.py reindex`: rebuild from git everything the database knows of content."""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from models_app.actions.indexing import index_revision
from models_app.files import git_store
from models_app.models import Repo, RepoType
from models_app.storage.errors import RevisionNotFound

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Safe to run at any time, also beside a running hub: each repo is rebuilt in one transaction."""

    help = "Rebuild cards, tags, lineage, previews, benchmarks, results and search from the repos' git."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Optional repo ids; without any, every repo is rebuilt."""
        parser.add_argument("repo_id", nargs="*", help="namespace/name (models and datasets of that id)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild, tell how many, and end with an error naming the repos that could not be."""
        repos = Repo.objects.order_by("pk")
        wanted: list[str] = options["repo_id"]
        if wanted:
            keys = [pk for name in wanted for pk in _keys_of(name)]
            repos = repos.filter(pk__in=keys)
        failed = [pk for pk in repos.values_list("pk", flat=True) if not self._rebuild(pk)]
        if options["verbosity"]:
            self.stdout.write(f"{repos.count() - len(failed)} repos rebuilt.")
        if failed:
            names = ", ".join(str(repo) for repo in Repo.objects.filter(pk__in=failed))
            raise CommandError(f"These could not be rebuilt (see the log): {names}")

    def _rebuild(self, pk: int) -> bool:
        try:
            with transaction.atomic():
                repo = Repo.objects.select_for_update().filter(pk=pk).first()
                if repo is None:
                    return True  # deleted meanwhile
                repo.head_oid = _head(repo)
                repo.save(update_fields=["head_oid"])
                index_revision(repo, repo.head_oid)
        except Exception:
            logger.exception("rebuilding repo %s failed", pk)
            return False
        return True


def _keys_of(repo_id: str) -> list[int]:
    keys = [
        pk
        for kind in RepoType.values
        for pk in Repo.objects.named(kind, repo_id).values_list("pk", flat=True)
    ]
    if not keys:
        raise CommandError(f"There is no repo named {repo_id!r}.")
    return keys


def _head(repo: Repo) -> str:
    try:
        return git_store(repo).resolve(f"refs/heads/{repo.default_branch}")
    except RevisionNotFound:
        return ""
