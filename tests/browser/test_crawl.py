"""Every link that somebody is shown leads somewhere, whoever they are, and no page complains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Visitor, visit
from tests.browser.crawl import Crawl
from tests.browser.site import Site
from tests.browser.whole import STAFF

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket, pytest.mark.timeout(600)]
# Pages that no link leads to from the start page of somebody who is not signed in.
STARTS = ("/", "/search?q=shown", "/styleguide")


def session_of(visitor: Visitor, name: str) -> str:
    """Sign in through the form; the cookies as a header."""
    visitor.go("/login")
    if name:
        visitor.sign_in(name, f"{name}-secret-9")
        visitor.page.get_by_role("link", name="Settings").or_(
            visitor.page.locator(".account-menu")
        ).first.wait_for(state="attached")
    cookies = visitor.context.cookies()
    return "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in cookies)  # type: ignore[typeddict-item]


@pytest.mark.parametrize("name", ["", "carol", "alice", STAFF])
def test_no_link_is_broken_and_no_page_complains(browser: Browser, whole_site: Site, name: str) -> None:
    """Nobody, a member, the administrator of an organization, an operator."""
    visitor = visit(browser, whole_site.hub.url)
    crawl = Crawl(whole_site.hub.url, session_of(visitor, name)).run(*STARTS)
    print("\n".join(crawl.broken))
    for address in crawl.pages.values():
        visitor.go(address)
        visitor.page.wait_for_load_state("load")
        crawl.broken += [f"{told} on {address}" for told in visitor.complaints]
        visitor.complaints.clear()
    visitor.context.close()
    print(f"{name or 'nobody'}: {crawl.opened} addresses, {len(crawl.pages)} kinds of pages")
    assert not crawl.broken, "\n".join(crawl.broken)
    assert len(crawl.pages) > 25


def test_the_crawler_sees_what_is_wrong(whole_site: Site) -> None:
    """The instrument itself, on an address that is not there and a page begun with it."""
    crawl = Crawl(whole_site.hub.url).run("/nowhere/at-all")
    assert crawl.broken == ["404 /nowhere/at-all (linked from the start)"]
