"""axe-core on the page a visitor looks at, as the bundled script of axe-playwright-python, offline."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import axe_playwright_python

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Those that a change of colours alone can break.
COLOUR_RULES = ("color-contrast", "link-in-text-block")


@cache
def _source() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


def violations(page: Page, *, rules: tuple[str, ...] = ()) -> list[str]:
    """A line for each node that breaks a rule; `rules`: these alone. An evaluated script is outside the
    page's policy, so nothing is loosened for it."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_source())
    _wait_for_what_moves(page)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))} {node['html'][:160]} | {_why(node)}"
        for rule in found
        for node in rule["nodes"]
    ]


def _wait_for_what_moves(page: Page) -> None:
    """A colour half-way through a fade is nobody's; what moves without end is judged as it is."""
    page.evaluate(
        """() => Promise.all(document.getAnimations()
            .filter(one => one.effect && one.effect.getComputedTiming().endTime !== Infinity)
            .map(one => one.finished.catch(() => null)))"""
    )


def _why(node: dict[str, Any]) -> str:
    checks = [*node["any"], *node["all"], *node["none"]]
    return "; ".join(check["message"] for check in checks)[:200]


def in_theme(page: Page, theme: str) -> None:
    """Draw the page in another theme, as the server would have written it."""
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
