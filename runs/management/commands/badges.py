"""`manage.py badges`: give and take badges by what is verified now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from runs.badges import rebuild_badges


class Command(BaseCommand):
    """Safe to run at any time, also beside a running hub, which does the same every quarter of an hour."""

    help = "Rebuild the badges of people and organizations from verified results."

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild, and tell how many were given and taken."""
        given, taken = rebuild_badges()
        if options["verbosity"]:
            self.stdout.write(f"{given} badges given, {taken} taken.")
