"""A real browser for the stories, and a watch on its console: a page that complains has failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.browser.site import site
from tests.browser.whole import whole_site
from tests.browser_at_hand import bundled_browser, system_browser
from tests.live import LiveHub, make_hub

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response

# One for all modules: what is imported here is a fixture of every one.
__all__ = ["site", "whole_site"]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
]
WIDTHS = {"phone": (390, 844), "desk": (1440, 900)}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """A live hub for each file of stories: pages show first, newest or few, so a crowd of others' repos and
    collections is another page."""
    live = make_hub(tmp_path_factory.mktemp("hub"))
    yield live
    live.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of this machine or of Playwright; without one the stories skip and say why."""
    from playwright.sync_api import sync_playwright

    path = system_browser() or bundled_browser()
    if path is None:
        pytest.skip(
            "no Chromium on this machine: set CHROMIUM, install one, or run `playwright install chromium`"
        )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Visitor:
    """Somebody at a browser; `complaints` are console errors, script errors and answers of 5xx."""

    context: BrowserContext
    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        # A refused form or a missing page is told by the browser as an error; the test asserts on its status.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(f"console: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status} {response.url}")

    def go(self, path: str) -> Response | None:
        return self.page.goto(self.url + path)

    def sign_in(self, name: str, password: str) -> None:
        """Through the form, as people do; stays on the page the form leads to, its scripts ready."""
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(password)
        with self.page.expect_navigation():
            self.page.get_by_role("main").get_by_role("button", name="Sign in").click()

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(
            self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        )


def visit(browser: Browser, url: str, *, width: str = "desk", theme: str = "light") -> Visitor:
    """A new visitor with a memory of their own."""
    wide, high = WIDTHS[width]
    context = browser.new_context(viewport={"width": wide, "height": high}, color_scheme=theme)  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    visitor = Visitor(context, context.new_page(), url)
    visitor.listen()
    return visitor
