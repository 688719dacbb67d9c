"""The little SVG that plots need: escaped text, scales with round ticks, axes, a frame with a description.

Colours are presentation attributes, not styles, so that pages with a strict Content-Security-Policy show
them: ink is `currentColor`, marks are `var(--plot-1, …)` to `var(--plot-8, …)`, whose fallbacks have a
contrast of at least 3:1 on white and on near-black alike.
"""

from __future__ import annotations

import hashlib
import html
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

COLORS = ("#1b8a66", "#c2691b", "#3d7fd1", "#b0579f", "#8a7a12", "#cf4f4a", "#6b7bd6", "#5f7f8a")
# Lines of the same colour to a reader who sees none still differ by these.
DASHES = ("", "6 3", "2 3", "8 3 2 3", "12 4", "4 2", "1 4", "10 2 2 2")
MAX_TEXT = 80
# Points of a line or a cloud; more do not fit on the pixels.
MAX_POINTS = 2000
# The picture of a chart and, within it, the plane of its axes, in pixels.
WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 80, 624, 56, 312
_CONTROLS = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DARK = (
    "<style>svg:root{color:#1c1a17;background:#fff}@media(prefers-color-scheme:dark)"
    "{svg:root{color:#ebe8e2;background:#131518}}</style>"
)


def clean(text: object, limit: int = MAX_TEXT) -> str:
    """Text safe between tags and in quotes: cut to `limit`, without what XML forbids, escaped."""
    plain = " ".join(_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", str(text)[: 4 * limit]).split())
    return html.escape(plain if len(plain) <= limit else plain[: limit - 1] + "…")


def tag(name: str, *inner: str, **attributes: object) -> str:
    """An element; attributes escaped, `stroke_width` meaning stroke-width; `inner` is markup already."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{clean(value, 100_000)}"' for key, value in attributes.items()
    )
    return f"<{name}{told}>{''.join(inner)}</{name}>" if inner else f"<{name}{told}/>"


def write(x: float, y: float, text: object, *, limit: int = MAX_TEXT, **attributes: object) -> str:
    """Text at a point."""
    return tag("text", clean(text, limit), x=at(x), y=at(y), fill="currentColor", **attributes)


def ink(index: int) -> str:
    """The colour of mark number `index`, from 0, for the page to choose."""
    place = index % len(COLORS)
    return f"var(--plot-{place + 1}, {COLORS[place]})"


def at(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def figure(value: float) -> str:
    """A number for people, four digits: 1,234, 0.05, 1.2e-05."""
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


@dataclass(frozen=True)
class Scale:
    """Values `low` to `high` onto pixels `start` to `end`, by their logarithm where `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log10(one) if self.log else one for one in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values inside: steps of 1, 2 or 5 times a power of ten, or powers of ten."""
        if self.log and self.high / self.low >= 10:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            return [10.0**power for power in powers][:: -(-len(powers) // most)]
        rough = (self.high - self.low) / most
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(place * step, 12 - math.floor(math.log10(step))) for place in range(first, last + 1)]


def scale(values: Sequence[float], start: float, end: float, *, log: bool = False) -> Scale:
    """A scale that holds the finite `values` with a little air; 0 to 1 where there are none."""
    known = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    low, high = (min(known), max(known)) if known else (0.1, 1.0) if log else (0.0, 1.0)
    if log:
        return Scale(low / 1.2, high * 1.2, start, end, log=True)
    air = (high - low) * 0.04
    # Numbers too near each other for their size leave no room for ticks between them.
    if air <= 1e-9 * max(abs(low), abs(high)):
        air = abs(high) * 0.1 or 0.5
    return Scale(low - air, high + air, start, end)


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """The ticks with as many decimals as tell them apart."""
    if len(ticks) < 2:
        return [figure(value) for value in ticks]
    step = min(b - a for a, b in itertools.pairwise(ticks))
    most = max(abs(value) for value in ticks)
    if most >= 1e6 or most < 1e-3:
        digits = min(9, max(0, math.floor(math.log10(most)) - math.floor(math.log10(step))))
        return [f"{value:.{digits}e}" if value else "0" for value in ticks]
    if ticks[0] and ticks[1] / ticks[0] > 9:
        return [figure(value) for value in ticks]
    digits = min(12, max(0, -math.floor(math.log10(step))))
    return [f"{value:,.{digits}f}" for value in ticks]


def axes(across: Scale, up: Scale, x_label: str, y_label: str) -> str:
    """Grid lines, ticks and the names of both axes."""
    left, right, bottom, top = across.start, across.end, up.start, up.end
    parts = []
    heights, places = up.ticks(), across.ticks()
    for value, text in zip(heights, tick_texts(heights), strict=True):
        y = up(value)
        parts.append(tag("path", d=f"M{at(left)} {at(y)}H{at(right)}", stroke="currentColor", opacity=0.15))
        parts.append(write(left - 6, y + 4, text, text_anchor="end"))
    for value, text in zip(places, tick_texts(places), strict=True):
        x = across(value)
        parts.append(tag("path", d=f"M{at(x)} {at(bottom)}v4", stroke="currentColor"))
        # A long number at the end of the axis would be cut by the picture's edge.
        at_edge = right - x < 20 and len(text) > 4
        parts.append(write(x, bottom + 18, text, text_anchor="end" if at_edge else "middle"))
    frame = f"M{at(left)} {at(top)}V{at(bottom)}H{at(right)}"
    parts.append(tag("path", d=frame, stroke="currentColor", fill="none"))
    parts.append(write((left + right) / 2, bottom + 36, x_label, text_anchor="middle"))
    middle = (top + bottom) / 2
    turned = f"rotate(-90 16 {at(middle)})"
    parts.append(write(16, middle, y_label, text_anchor="middle", transform=turned))
    return tag("g", *parts)


def picture(width: int, height: int, title: str, description: str, *parts: str) -> str:
    """The whole SVG; screen readers say the title and the description."""
    body = "".join(parts)
    seed = f"{title}\n{description}\n{body}".encode(errors="replace")
    name = "plot-" + hashlib.blake2b(seed, digest_size=6).hexdigest()
    return tag(
        "svg",
        tag("title", clean(title, 200), id=f"{name}-t"),
        tag("desc", clean(description, 1000), id=f"{name}-d"),
        write(width / 2, 20, title, text_anchor="middle", font_size=14, font_weight=600),
        body,
        xmlns="http://www.w3.org/2000/svg",
        class_="plot",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{name}-t",
        aria_describedby=f"{name}-d",
        font_family="system-ui, sans-serif",
        font_size=12,
    )


def standalone(text: str) -> str:
    """A plot as a file of its own, which no page gives a colour: it follows the reader's light or dark."""
    head, bracket, rest = text.partition(">")
    return head + bracket + _DARK + rest
