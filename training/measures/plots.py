"""Plots of what was measured, as SVG text without scripts, styles or links; see `svg` for the colours.

Every function returns one `<svg>` to be put into a page as it is; `standalone` makes a file of it. Texts are
escaped and cut, points beyond `MAX_POINTS` a line are thinned out so that peaks stay, and the description
says in words what the eye would see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.errors import UserError
from training.measures.checks import Floats, as_array
from training.measures.matrix import confusion
from training.measures.probabilities import Reliability
from training.measures.scatter import parity, residuals
from training.measures.svg import (
    BOTTOM,
    COLORS,
    DASHES,
    HEIGHT,
    LEFT,
    MAX_POINTS,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    at,
    axes,
    figure,
    ink,
    picture,
    scale,
    standalone,
    tag,
    write,
)

__all__ = ["MAX_POINTS", "confusion", "curves", "parity", "reliability_diagram", "residuals", "standalone"]

MAX_LINES = len(COLORS)


def curves(
    title: str,
    lines: Mapping[str, Sequence[tuple[float, float]] | Floats],
    *,
    x_label: str = "step",
    y_label: str = "loss",
    log: bool = False,
) -> str:
    """Lines by name, each [n, 2] of x and y: losses, a metric, the learning rate. `log`: of y.

    A line breaks where it is NaN or infinite (or not above 0 where `log`). At most 8 lines: `ValueError`.
    """
    if len(lines) > MAX_LINES:
        raise ValueError(f"A plot holds at most {MAX_LINES} lines, not {len(lines)}.")
    known = {name: _points(points, name) for name, points in lines.items()}
    every = np.concatenate([np.zeros((0, 2)), *known.values()])
    shown = every[_drawable(every, log)]
    across = scale(shown[:, 0].tolist(), LEFT, RIGHT)
    up = scale(shown[:, 1].tolist(), BOTTOM, TOP, log=log)
    parts = [axes(across, up, x_label, y_label), _legend(list(known))]
    for index, points in enumerate(known.values()):
        parts.append(_line(thin(points), across, up, index, log))
    told = " ".join(_in_words(name, points, x_label, log) for name, points in known.items())
    return picture(WIDTH, HEIGHT, title, told or "No points yet.", *parts)


def reliability_diagram(title: str, found: Reliability) -> str:
    """Share told right in each bin of confidence, with the diagonal of a calibrated model; a bar is the
    fainter the fewer rows it stands for.
    """
    across, up = Scale(0, 1, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP)
    parts = [axes(across, up, "confidence", "share told right")]
    most, total = int(found.counts.max()), int(found.counts.sum())
    for index, count in enumerate(found.counts.tolist()):
        if not count:
            continue
        low, high = found.edges[index], found.edges[index + 1]
        share, sure = float(found.accuracy[index]), float(found.confidence[index])
        hint = f"confidence {low:.2f} to {high:.2f}: {share:.1%} right of {count:,}, {sure:.1%} expected"
        x, y = across(low), up(share)
        size = {"width": at(max(across(high) - x - 1, 0.5)), "height": at(up.start - y)}
        strength = round(0.3 + 0.7 * count / most, 2)
        bar = tag("rect", tag("title", hint), x=at(x), y=at(y), **size, fill=ink(0), fill_opacity=strength)
        parts += [bar, tag("circle", cx=at(across(sure)), cy=at(y), r=3, fill="currentColor")]
    diagonal = f"M{LEFT} {BOTTOM}L{RIGHT} {TOP}"
    parts.append(tag("path", d=diagonal, stroke="currentColor", stroke_dasharray="4 4", fill="none"))
    parts.append(write(RIGHT, TOP - 8, f"expected calibration error {found.error:.3f}", text_anchor="end"))
    gap = float(np.nansum(found.counts * (found.confidence - found.accuracy))) / total
    told = (
        f"Over {total:,} rows the expected calibration error is {found.error:.3f}; on average the model is "
        f"{'more' if gap > 0 else 'less'} confident than it is right, by {abs(gap):.3f}."
    )
    return picture(WIDTH, HEIGHT, title, told, *parts)


def thin(points: Floats) -> Floats:
    """At most `MAX_POINTS` of the points [n, 2] of a line: first, last, and the lowest and highest y of each
    of equal runs between. What is NaN or infinite counts as the lowest, so that gaps stay.
    """
    if len(points) <= MAX_POINTS:
        return points
    runs = np.array_split(np.arange(1, len(points) - 1), (MAX_POINTS - 2) // 2)
    heights = np.where(np.isfinite(points[:, 1]), points[:, 1], -np.inf)
    kept = {0, len(points) - 1}
    for run in runs:
        kept |= {int(run[heights[run].argmin()]), int(run[heights[run].argmax()])}
    return points[sorted(kept)]


def _line(points: Floats, across: Scale, up: Scale, index: int, log: bool) -> str:
    drawn: list[str] = []
    pen = "M"
    for x, y, visible in zip(*points.T.tolist(), _drawable(points, log).tolist(), strict=True):
        if visible:
            # A tenth of a pixel with round ends, so that a lone point is seen.
            drawn.append(f"{pen}{at(across(x))} {at(up(y))}{'h.1' if pen == 'M' else ''}")
        pen = "L" if visible else "M"
    if not drawn:
        return ""
    style = {"stroke": ink(index), "stroke_width": 2, "stroke_linecap": "round", **_dashes(index)}
    return tag("path", d="".join(drawn), fill="none", **style)


def _legend(names: list[str]) -> str:
    parts, width = [], (RIGHT - LEFT) / min(max(len(names), 1), 4)
    for index, name in enumerate(names):
        x, y = LEFT + width * (index % 4), 36 + 14 * (index // 4)
        style = {"stroke": ink(index), "stroke_width": 2, **_dashes(index)}
        parts.append(tag("path", d=f"M{at(x)} {at(y - 4)}h24", fill="none", **style))
        parts.append(write(x + 30, y, name, limit=max(8, int((width - 36) / 6.5))))
    return "".join(parts)


def _dashes(index: int) -> dict[str, object]:
    return {"stroke_dasharray": DASHES[index]} if DASHES[index] else {}


def _in_words(name: str, points: Floats, x_label: str, log: bool) -> str:
    known = points[_drawable(points, log)]
    if not len(known):
        return f"{name}: no points."
    (first_x, first), (last_x, last) = known[0], known[-1]
    low, high = known[known[:, 1].argmin()], known[known[:, 1].argmax()]
    lost = len(points) - len(known)
    gaps = f"; {lost:,} points are not finite" if lost and not log else ""
    return (
        f"{name}: from {figure(first)} at {x_label} {figure(first_x)} to {figure(last)} at {figure(last_x)}, "
        f"lowest {figure(low[1])} at {figure(low[0])}, highest {figure(high[1])} at {figure(high[0])}{gaps}."
    )


def _points(points: Sequence[tuple[float, float]] | Floats, name: str) -> Floats:
    array = as_array(points, "points") if len(points) else np.zeros((0, 2))
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "biuf":
        raise UserError("measure:shape", f"The line {name[:60]!r} must be pairs of numbers, x and y.")
    return array.astype(np.float64)


def _drawable(points: Floats, log: bool) -> NDArray[np.bool_]:
    # The difference of two numbers must be a number too.
    finite = np.asarray(np.abs(points).max(axis=1, initial=0) < 1e300)
    return np.asarray(finite & (points[:, 1] > 0)) if log else finite
