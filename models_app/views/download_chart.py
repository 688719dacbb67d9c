"""Downloads of a repo day by day, as bars and as the numbers behind them. Bots are never noted at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.utils import timezone

from models_app.models import DownloadCount, Repo

DAYS = 90
HEIGHT = 40


@dataclass(frozen=True)
class Bar:
    """One day: `left` and `height` in the units of a drawing of 90 by 40."""

    day: date
    count: int
    left: int
    height: float

    @property
    def top(self) -> float:
        return HEIGHT - self.height


@dataclass(frozen=True)
class DownloadChart:
    """Every day of the last 90, the last one today; days without downloads draw nothing."""

    bars: list[Bar]
    first: date
    last: date
    total: int
    most: int


def download_chart(repo: Repo) -> DownloadChart:
    """One query."""
    today = timezone.now().date()
    first = today - timedelta(days=DAYS - 1)
    rows = DownloadCount.objects.filter(repo=repo, day__gte=first, day__lte=today, count__gt=0)
    counts = dict(rows.values_list("day", "count"))
    most = max(counts.values(), default=0)
    bars = [
        Bar(day, count, (day - first).days, round(max(1.0, HEIGHT * count / most), 2))
        for day, count in sorted(counts.items())
    ]
    return DownloadChart(bars, first, today, sum(counts.values()), most)
