"""Models ticked to be compared stay so over pages, filters and sorting; the bar shows them, five at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor, visit
from tests.live import LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]
# One more than a page of the list.
COUNT = 31


MAKE = """
from accounts.actor import Actor
from accounts.models import User
from models_app.actions.repos import create_repo
alice = Actor(User.objects.get(username="alice"))
for number in range({count}):
    create_repo(alice, repo_type="model", namespace=None, name=f"{word}-{{number:02}}")
"""


@pytest.fixture
def many(hub: LiveHub, unique: str) -> str:
    """Models of alice's with this word in their names, on two pages; one of them translates."""
    from huggingface_hub import CommitOperationAdd

    hub.manage("shell", "--no-imports", "-c", MAKE.format(count=COUNT, word=unique))
    card = b"---\npipeline_tag: translation\n---\n# It translates\n"
    files = [CommitOperationAdd("README.md", card)]
    hub.api("alice").create_commit(f"alice/{unique}-00", files, commit_message="Publish")
    return unique


def tick(page: Page, name: str) -> None:
    page.get_by_label(f"Compare alice/{name}").click()


def bar(page: Page) -> list[str]:
    return page.locator("#compare-form .chip").all_inner_texts()


def expect_bar(page: Page, *names: str) -> None:
    expect(page.locator("#compare-form .chip b")).to_have_text(list(names))


@pytest.mark.parametrize(("width", "theme"), [("phone", "dark"), ("desk", "light")])
def test_the_choice_stays_over_pages_filters_and_sorting(
    browser: Browser, hub: LiveHub, many: str, width: str, theme: str
) -> None:
    visitor = visit(browser, hub.url, width=width, theme=theme)
    page = visitor.page
    visitor.go(f"/models?search={many}&sort=created")
    page.get_by_text("Tick up to five models").wait_for()
    tick(page, f"{many}-30")
    tick(page, f"{many}-29")
    expect_bar(page, f"{many}-30", f"{many}-29")
    page.get_by_role("link", name="Next").click()
    tick(page, f"{many}-00")
    expect_bar(page, f"{many}-30", f"{many}-29", f"{many}-00")
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_label(f"Compare alice/{many}-30")).to_be_checked()
    page.get_by_label("Sort by").select_option("updated")
    page.wait_for_url("**sort=updated**")
    expect_bar(page, f"{many}-30", f"{many}-29", f"{many}-00")
    if width == "phone":
        page.locator("label.filters-button").click()
    page.locator("#facet-task").get_by_role("link", name="translation").click()
    expect(page.locator("#list .rows .title a")).to_have_count(1)
    expect(page.get_by_label(f"Compare alice/{many}-00")).to_be_checked()
    # One is taken away in the bar although its row is not on this page.
    page.get_by_role("button", name=f"Remove alice/{many}-29 from the comparison").click()
    expect_bar(page, f"{many}-30", f"{many}-00")
    assert visitor.overflow() <= 0
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("heading", name="Compare models 2").wait_for()
    # What is taken away there is not ticked any more in the list.
    page.get_by_role("link", name=f"Remove alice/{many}-30 from the comparison").click()
    page.get_by_text("and what else?").wait_for()
    visitor.go(f"/models?search={many}")
    expect_bar(page, f"{many}-00")
    page.locator("#compare-form").get_by_role("button", name="Clear all").click()
    expect(page.locator("#compare-form .chip")).to_have_count(0)
    assert page.locator("input.pick:checked").count() == 0
    assert visitor.complaints == []
    visitor.context.close()


def test_a_sixth_is_refused_in_words(browser: Browser, hub: LiveHub, many: str) -> None:
    visitor: Visitor = visit(browser, hub.url)
    page = visitor.page
    visitor.go(f"/models?search={many}&sort=created")
    for number in range(30, 25, -1):
        tick(page, f"{many}-{number}")
    page.get_by_role("link", name="Next").click()
    tick(page, f"{many}-00")
    page.get_by_text("No more than 5 models fit side by side: take one away first.").wait_for()
    expect(page.get_by_label(f"Compare alice/{many}-00")).not_to_be_checked()
    page.get_by_role("button", name=f"Remove alice/{many}-28 from the comparison").click()
    tick(page, f"{many}-00")
    expect_bar(page, *(f"{many}-{number}" for number in ("30", "29", "27", "26", "00")))
    expect(page.get_by_text("No more than 5 models")).to_have_count(0)
    # Nothing fits: the bar still knows what was chosen.
    page.get_by_label("Search", exact=True).fill("nothing-is-called-so")
    page.get_by_label("Search", exact=True).press("Enter")
    page.get_by_text("Nothing matches").wait_for()
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("heading", name="Compare models 5").wait_for()
    assert visitor.complaints == []
    visitor.context.close()
