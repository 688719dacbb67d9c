"""How well memory and time were foretold: medians of the errors of all finished runs, by task and flavor."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from runs.truth import MEMORY_WITHIN, TIME_WITHIN, foretold_runs, reports

_LINE = "{:<28} {:<12} {:>5} {:>14} {:>14} {:>12} {:>12}"


class Command(BaseCommand):
    """`manage.py preflight_report`."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """One line for each task and flavor."""
        found = reports(foretold_runs())
        if not found:
            self.stdout.write("No run of which something was foretold has finished yet.")
            return
        within = f"within {MEMORY_WITHIN:.0%}", f"within {TIME_WITHIN:.0%}"
        head = ("task", "flavor", "runs", "memory median", within[0], "time median", within[1])
        self.stdout.write(_LINE.format(*head))
        for one in found:
            shares = (one.memory_median, one.memory_within, one.time_median, one.time_within)
            told = ["-" if share is None else f"{share:.1%}" for share in shares]
            self.stdout.write(_LINE.format(one.task, one.flavor, one.runs, *told))
