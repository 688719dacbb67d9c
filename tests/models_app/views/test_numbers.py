"""How numbers are written; a missing one must never break a page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone

from models_app.templatetags import hub


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (14_212_972, "14.2 MB"),
        (999_950, "1 MB"),
        (97_800_000, "97.8 MB"),
        (123_456_789, "123 MB"),
        (5e18, "5000 PB"),
        (None, ""),
    ],
)
def test_sizes(value: float | None, text: str) -> None:
    assert hub.file_size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12, "12"), (999, "999"), (1000, "1K"), (3_504_872, "3.5M"), (7e9, "7B"), (None, "")],
)
def test_counts(value: float | None, text: str) -> None:
    assert hub.compact(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (75, "1:15"), (3675, "1:01:15"), (-4, "0:00"), (None, "")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert hub.duration(seconds) == text


def test_shares_and_other_metrics() -> None:
    assert hub.percent(0.9312) == "93.1 %"
    assert hub.percent(float("nan")) == "–"
    assert hub.score(0.9312, "accuracy") == "93.12 %"
    assert hub.score(12.3456, "perplexity") == "12.35"
    assert hub.score(1.5, "accuracy") == "1.5"


def test_a_time_carries_its_exact_moment() -> None:
    moment = timezone.now() - timedelta(hours=3, minutes=5)
    text = hub.ago(moment)
    assert "3\xa0hours ago" in text
    assert moment.isoformat() in text
    assert "UTC" in text


@pytest.mark.parametrize(
    "name",
    ["file_size", "compact", "percent", "score", "duration", "ago", "since", "short_oid", "share_of:3"],
)
def test_a_missing_value_breaks_no_page(name: str) -> None:
    Template("{% load hub %}{{ nothing." + f"here|{name}" + " }}").render(Context({}))


def test_a_name_cannot_break_out_of_its_drawing() -> None:
    assert "<script" not in hub.avatar("<script>alert(1)</script>")
