"""The style sheet's colours: every text colour reads at 4.5 to 1 on every ground it is used on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SHEET = Path(__file__).resolve().parents[3] / "static" / "css" / "hub.css"
PAIRS = [
    *(
        (text, ground)
        for text in ("ink", "muted", "accent", "bad", "warm", "blue")
        for ground in ("bg", "surface")
    ),
    ("ink", "sunken"),
    ("muted", "sunken"),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
    ("accent", "accent-soft"),
    ("bad", "bad-soft"),
    ("warm", "warm-soft"),
    ("blue", "blue-soft"),
    ("ink", "accent-soft"),
    ("ink", "bad-soft"),
    ("ink", "warm-soft"),
    ("ink", "blue-soft"),
    ("muted", "accent-soft"),
]


def colours(theme: int) -> dict[str, str]:
    """The custom properties as hex, for the light (0) or dark (1) theme."""
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", SHEET.read_text())
    return {name: pair[theme] for name, *pair in found}


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_can_be_read(text: str, ground: str, theme: int) -> None:
    named = colours(theme)
    low, high = sorted((luminance(named[text]), luminance(named[ground])))
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_templates_carry_no_inline_script_or_style() -> None:
    """The content policy refuses them, so one that slipped in would silently not work."""
    root = SHEET.parents[2] / "templates"
    pages = list(root.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text()
        assert not re.search(r"\sstyle=|<style|\son\w+=", text), page.name
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), page.name
