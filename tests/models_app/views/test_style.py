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


# The theme's block in the sheet, which half of its light-dark(), and what text on its ground must reach.
THEMES = {
    "light": (":root {", 0, 4.5),
    "dark": (":root {", 1, 4.5),
    "light contrast": (':root[data-theme="contrast"] {', 0, 7),
    "dark contrast": (':root[data-theme="contrast"] {', 1, 7),
}


def declared(selector: str) -> dict[str, tuple[str, str]]:
    """The colours of one block of custom properties, as hex: light, dark."""
    block = SHEET.read_text().partition(f"\n{selector}\n")[2].partition("\n}")[0]
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", block)
    return {name: (light, dark) for name, light, dark in found}


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", list(THEMES))
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_can_be_read(text: str, ground: str, theme: str) -> None:
    selector, half, least = THEMES[theme]
    named = declared(selector)
    assert contrast(named[text][half], named[ground][half]) >= least


@pytest.mark.parametrize("theme", list(THEMES))
@pytest.mark.parametrize("ground", ["bg", "surface", "sunken"])
def test_edges_of_fields_can_be_seen(ground: str, theme: str) -> None:
    selector, half, _least = THEMES[theme]
    named = declared(selector)
    assert contrast(named["edge"][half], named[ground][half]) >= 3


def test_who_asks_the_system_for_contrast_gets_the_same_colours() -> None:
    asked = SHEET.read_text().partition("@media (prefers-contrast: more) {")[2].partition("\n}")[0]
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", asked)
    assert {name: (light, dark) for name, light, dark in found} == declared(THEMES["light contrast"][0])


def test_every_colour_is_a_token_and_every_token_exists() -> None:
    sheet = SHEET.read_text()
    made = set(re.findall(r"(--[\w-]+):", sheet))
    assert set(re.findall(r"var\((--[\w-]+)", sheet)) <= made


def test_templates_carry_no_inline_script_or_style() -> None:
    """The content policy refuses them, so one that slipped in would silently not work."""
    root = SHEET.parents[2] / "templates"
    pages = list(root.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text()
        assert not re.search(r"\sstyle=|<style|\son\w+\s*=\s*[\"']", text), page.name
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), page.name
