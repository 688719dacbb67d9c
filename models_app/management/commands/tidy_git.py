"""`manage.py tidy_git`: repack the git directories in which many small files lie about."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from models_app.actions.tidying import all_repos, cluttered, tidy_repo


class Command(BaseCommand):
    """Safe beside a running hub, and safe to kill."""

    help = "Repack git directories; drops only what nothing has led to for two weeks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which repos."""
        parser.add_argument("--all", action="store_true", help="every repo, whether it needs it or not")

    def handle(self, *args: Any, **options: Any) -> None:
        """Repack, and tell how many."""
        repos = all_repos() if options["all"] else cluttered(timezone.now())
        tidied = sum(tidy_repo(repo) for repo in repos)
        if options["verbosity"]:
            self.stdout.write(f"{tidied} git directories repacked.")
