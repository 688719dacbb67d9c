"""The frame around every page: menus, colours, keys, toasts, errors; with script and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import visit
from tests.browser.site import Site
from tests.live import LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]
GROUND = "getComputedStyle(document.body).backgroundColor"


def test_colours_are_chosen_without_script_and_stay(browser: Browser, hub: LiveHub) -> None:
    context = browser.new_context(java_script_enabled=False, color_scheme="light")
    page = context.new_page()
    page.goto(f"{hub.url}/models")
    page.get_by_label("Colours and language").click()
    page.get_by_role("button", name="Dark").click()
    page.wait_for_url("**/models")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.goto(f"{hub.url}/datasets")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    context.close()


@pytest.mark.parametrize(
    ("system", "asked", "ground"),
    [
        ("light", "no-preference", "rgb(250, 249, 246)"),
        ("dark", "no-preference", "rgb(19, 21, 24)"),
        ("light", "more", "rgb(255, 255, 255)"),
        ("dark", "more", "rgb(0, 0, 0)"),
    ],
)
def test_without_a_choice_the_system_decides(
    browser: Browser, hub: LiveHub, system: str, asked: str, ground: str
) -> None:
    context = browser.new_context(color_scheme=system, contrast=asked)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{hub.url}/models")
    assert page.evaluate(GROUND) == ground
    context.close()


def test_the_theme_is_there_before_the_first_paint(browser: Browser, hub: LiveHub) -> None:
    """The server writes it: a page is never drawn in other colours first, even without script."""
    context = browser.new_context(java_script_enabled=False, color_scheme="light")
    context.add_cookies([{"name": "theme", "value": "dark", "url": hub.url}])
    page = context.new_page()
    page.goto(f"{hub.url}/models")
    assert page.evaluate(GROUND) == "rgb(19, 21, 24)"
    context.close()


def test_the_menu_of_a_phone_leads_everywhere(browser: Browser, hub: LiveHub) -> None:
    visitor = visit(browser, hub.url, width="phone")
    visitor.go("/models")
    page = visitor.page
    menu = page.get_by_label("Menu", exact=True)
    menu.click()
    page.keyboard.press("Escape")
    assert not page.get_by_role("banner").get_by_role("link", name="Leaderboards").is_visible()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    menu.click()
    page.get_by_role("banner").get_by_role("link", name="Leaderboards").click()
    page.wait_for_url("**/leaderboards")
    assert visitor.complaints == []
    visitor.context.close()


def test_a_menu_closes_when_one_presses_elsewhere(browser: Browser, hub: LiveHub) -> None:
    visitor = visit(browser, hub.url)
    visitor.go("/models")
    page = visitor.page
    page.get_by_label("Colours and language").click()
    page.get_by_role("button", name="High contrast").wait_for()
    page.locator("h1").click()
    page.get_by_role("button", name="High contrast").wait_for(state="hidden")
    visitor.context.close()


def test_keys_lead_to_places(browser: Browser, site: Site) -> None:
    visitor = visit(browser, site.hub.url)
    visitor.go(site.path("/{model}"))
    page = visitor.page
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    dialog.wait_for()
    assert dialog.get_by_text("Files of this repo").is_visible()
    assert not dialog.get_by_text("Go to the inbox").is_visible()
    page.keyboard.press("g")
    page.keyboard.press("m")
    assert page.url.endswith(site.path("/{model}")), "under an open dialog keys do nothing"
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    page.keyboard.press("t")
    page.wait_for_url("**/tree/main")
    page.keyboard.press("c")
    page.wait_for_url("**/commits/main")
    for letter, place in (
        ("m", "/models"),
        ("d", "/datasets"),
        ("r", "/runs"),
        ("b", "/leaderboards"),
        ("h", "/"),
    ):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        page.wait_for_url(site.hub.url + place)
    assert visitor.complaints == []
    visitor.context.close()


def test_keys_are_letters_while_one_types(browser: Browser, hub: LiveHub) -> None:
    visitor = visit(browser, hub.url)
    visitor.go("/runs")
    page = visitor.page
    page.keyboard.press("/")
    box = page.locator(".top-search").get_by_label("Search everything")
    assert box.evaluate("node => node === document.activeElement")
    page.keyboard.type("gm?/t")
    assert box.input_value() == "gm?/t"
    assert page.url.endswith("/runs")
    assert not page.get_by_role("dialog").is_visible()
    visitor.context.close()


def test_a_key_with_a_modifier_is_the_browsers(browser: Browser, hub: LiveHub) -> None:
    visitor = visit(browser, hub.url)
    visitor.go("/runs")
    visitor.page.keyboard.press("g")
    visitor.page.keyboard.press("Control+m")
    visitor.page.keyboard.press("x")
    assert visitor.page.url.endswith("/runs")
    visitor.context.close()


def test_a_toast_says_something_in_passing(browser: Browser, hub: LiveHub) -> None:
    visitor = visit(browser, hub.url)
    visitor.go("/styleguide")
    page = visitor.page
    page.get_by_role("button", name="Show a toast").click()
    page.locator("#toasts").get_by_text("Saved.").wait_for()
    page.get_by_role("button", name="Open a dialog").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").wait_for(state="hidden")
    assert visitor.complaints == []
    visitor.context.close()


@pytest.mark.parametrize("width", [390, 2560])
def test_the_style_guide_fits_every_screen(browser: Browser, hub: LiveHub, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1000})
    page = context.new_page()
    page.goto(f"{hub.url}/styleguide")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    content = page.locator("main > .wrap").bounding_box()
    assert content is not None
    assert content["width"] > (1500 if width == 2560 else 389)
    context.close()


def test_a_copy_button_stands_beside_a_long_command(browser: Browser, hub: LiveHub) -> None:
    visitor = visit(browser, hub.url, width="phone")
    visitor.go("/styleguide#code")
    text = visitor.page.locator("#specimen-code").bounding_box()
    button = visitor.page.locator("#code .copy").first.bounding_box()
    assert text is not None
    assert button is not None
    assert text["x"] + text["width"] <= button["x"]
    visitor.context.close()


def test_a_form_from_before_another_sign_in_is_not_lost(browser: Browser, site: Site) -> None:
    """Signed in again in a second tab: the first tab's form is refused, and its text is on the page."""
    visitor = visit(browser, site.hub.url)
    visitor.go(site.path("/login?next=/{model}/discussions/new"))
    visitor.sign_in("alice", "alice-secret-9")
    page = visitor.page
    page.get_by_label("What is it about?").fill("A long thought that took an hour to write. " * 20)
    page.get_by_label("Title").fill("A thought")
    visitor.context.clear_cookies(name="csrftoken")
    second = visitor.context.new_page()
    second.goto(f"{site.hub.url}/settings/profile")
    second.close()
    page.get_by_role("button", name="Open the discussion").click()
    page.get_by_role("heading", name="This form has expired").wait_for()
    assert "that took an hour to write" in page.get_by_role("textbox", name="description").input_value()
    assert page.get_by_role("link", name="Open the form again").is_visible()
    visitor.context.close()
