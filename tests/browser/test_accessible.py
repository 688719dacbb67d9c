"""Every page can be used by everybody: axe-core finds nothing, in any theme, on a phone and on a desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.axe import COLOUR_RULES, in_theme, violations
from tests.browser.conftest import Visitor, visit
from tests.browser.pages import ANONYMOUS, REFUSED, SIGNED_IN
from tests.browser.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket, pytest.mark.timeout(600)]


def broken_rules(visitor: Visitor, path: str) -> list[str]:
    """All rules in the light theme, those of colours in the two others."""
    visitor.go(path)
    page = visitor.page
    page.wait_for_load_state("load")
    in_theme(page, "light")
    found = [f"{path} light {line}" for line in violations(page)]
    for theme in ("dark", "contrast"):
        in_theme(page, theme)
        found += [f"{path} {theme} {line}" for line in violations(page, rules=COLOUR_RULES)]
    return found


def signed_in(browser: Browser, whole_site: Site, width: str) -> Visitor:
    visitor = visit(browser, whole_site.hub.url, width=width)
    visitor.go("/login")
    visitor.sign_in("alice", "alice-secret-9")
    return visitor


@pytest.mark.parametrize("width", ["phone", "desk"])
def test_what_anybody_sees_breaks_no_rule(browser: Browser, whole_site: Site, width: str) -> None:
    visitor = visit(browser, whole_site.hub.url, width=width)
    found = [line for one in (*ANONYMOUS, *REFUSED) for line in broken_rules(visitor, whole_site.path(one))]
    visitor.context.close()
    assert not found, "\n".join(found)


@pytest.mark.parametrize("width", ["phone", "desk"])
def test_what_a_member_sees_breaks_no_rule(browser: Browser, whole_site: Site, width: str) -> None:
    visitor = signed_in(browser, whole_site, width)
    found = [line for one in SIGNED_IN for line in broken_rules(visitor, whole_site.path(one))]
    visitor.context.close()
    assert not found, "\n".join(found)


@pytest.mark.parametrize("width", ["phone", "desk"])
def test_open_menus_and_dialogs_break_no_rule(browser: Browser, whole_site: Site, width: str) -> None:
    visitor = signed_in(browser, whole_site, width)
    page = visitor.page
    visitor.go("/models")
    found = []
    for menu in page.locator("header .menu > summary:visible").all():
        menu.click()
        found += violations(page)
        page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    found += violations(page)
    visitor.context.close()
    assert not found, "\n".join(found)


def test_axe_sees_what_is_wrong(browser: Browser) -> None:
    """The instrument itself: a field without a name, and grey on grey."""
    page = browser.new_page()
    page.set_content("<html lang=en><title>t</title><main><h1>h</h1><input><p>words to read</p></main>")
    page.evaluate("document.querySelector('p').style.cssText = 'color:#aaa;background:#bbb'")
    rules = {line.partition(":")[0] for line in violations(page)}
    page.close()
    assert {"label", "color-contrast"} <= rules
