"""Finding things as people do: facets on a desk, a phone, without a script; the search box by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import visit
from tests.browser.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.live import LiveHub

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]

CARDS = {
    "findable-one": "license: mit\npipeline_tag: fill-mask\nlibrary_name: transformers\nlanguage: [en, zh]",
    "findable-two": "license: apache-2.0\npipeline_tag: fill-mask\nlibrary_name: transformers\nlanguage: en",
    "findable-three": "license: cc-by-nc-4.0\npipeline_tag: translation\nlibrary_name: peft\nlanguage: zh",
}


@pytest.fixture(scope="module")
def shelf(hub: LiveHub) -> LiveHub:
    """Three models of carol's that nobody else's stories know."""
    from huggingface_hub import CommitOperationAdd

    api = hub.api("carol")
    for name, head in CARDS.items():
        api.create_repo(f"carol/{name}")
        text = f"---\n{head}\n---\n# {name}\n\nFor finding: 手写数字识别.\n".encode()
        files = [CommitOperationAdd("README.md", text), CommitOperationAdd("model.safetensors", b"\0" * 64)]
        api.create_commit(f"carol/{name}", files, commit_message="Publish")
    return hub


def test_facets_narrow_the_list_in_place_and_chips_take_them_back(browser: Browser, shelf: LiveHub) -> None:
    visitor = visit(browser, shelf.url)
    page = visitor.page
    visitor.go("/models?search=findable")
    page.get_by_role("heading", name="Models").get_by_text("3").wait_for()
    page.locator("#facet-language").get_by_role("link", name="Chinese").click()
    page.get_by_role("heading", name="Models").get_by_text("2").wait_for()
    assert "language=zh" in page.url
    page.locator("#facet-permission").get_by_role("link", name="use it commercially").click()
    page.get_by_role("heading", name="Models").get_by_text("1").wait_for()
    assert page.locator("#list .rows .title a").all_inner_texts() == ["carol/findable-one"]
    chosen = page.get_by_role("list", name="Chosen")
    assert chosen.get_by_role("link").count() == 4
    chosen.get_by_role("link", name="Language").click()
    page.get_by_role("heading", name="Models").get_by_text("2").wait_for()
    page.go_back()
    page.get_by_role("heading", name="Models").get_by_text("1").wait_for()
    page.get_by_role("link", name="Clear all").click()
    page.wait_for_url("**/models")
    assert visitor.complaints == []
    assert visitor.overflow() <= 0
    visitor.context.close()


def test_two_values_of_one_facet_widen_it(browser: Browser, shelf: LiveHub) -> None:
    visitor = visit(browser, shelf.url, theme="dark")
    page = visitor.page
    visitor.go("/models?search=findable&license=mit")
    page.locator("#facet-license").get_by_role("link", name="apache-2.0").click()
    page.get_by_role("heading", name="Models").get_by_text("2").wait_for()
    assert page.url.count("license=") == 2
    page.get_by_label("Sort by").select_option("created")
    page.wait_for_url("**sort=created**")
    assert page.locator("#list .rows .title a").count() == 2
    assert visitor.complaints == []
    visitor.context.close()


def test_on_a_phone_the_filters_are_folded_and_stay_open_while_one_chooses(
    browser: Browser, shelf: LiveHub
) -> None:
    visitor = visit(browser, shelf.url, width="phone")
    page = visitor.page
    visitor.go("/models?search=findable")
    facet = page.locator("#facet-task")
    assert not facet.is_visible()
    page.locator("label.filters-button").click()
    facet.get_by_role("link", name="translation").click()
    page.get_by_role("heading", name="Models").get_by_text("1").wait_for()
    assert facet.is_visible()
    assert visitor.overflow() <= 0
    assert visitor.complaints == []
    visitor.context.close()


def test_without_a_script_the_same_addresses_do_the_same(browser: Browser, shelf: LiveHub) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{shelf.url}/models?search=findable")
    page.locator("#facet-library").get_by_role("link", name="peft").click()
    page.wait_for_load_state()
    assert page.locator("#list .rows .title a").all_inner_texts() == ["carol/findable-three"]
    page.goto(f"{shelf.url}/")
    box = page.get_by_role("main").get_by_label("Search everything")
    box.fill("findable-two")
    box.press("Enter")
    page.wait_for_url("**/search?q=findable-two*")
    assert "/search?q=findable-two" in page.url
    assert page.get_by_role("main").get_by_role("link", name="carol/findable-two").count() == 1
    context.close()


def test_the_search_box_suggests_and_the_keyboard_opens(browser: Browser, shelf: LiveHub) -> None:
    visitor = visit(browser, shelf.url)
    page = visitor.page
    visitor.go("/datasets")
    box = page.locator(".top-search input")
    box.click()
    box.press_sequentially("findable-t")
    options = page.get_by_role("option")
    options.get_by_text("findable-two").wait_for()
    assert box.get_attribute("aria-expanded") == "true"
    box.press("Escape")
    assert box.get_attribute("aria-expanded") == "false"
    assert box.input_value() == "findable-t"
    box.press("ArrowDown")
    options.first.wait_for()
    box.press("ArrowDown")
    active = str(box.get_attribute("aria-activedescendant"))
    name = page.locator(f"#{active}").get_attribute("href")
    box.press("Enter")
    page.wait_for_url(f"**{name}")
    assert visitor.complaints == []
    visitor.context.close()


def test_enter_leads_to_everything_that_was_found(browser: Browser, shelf: LiveHub) -> None:
    visitor = visit(browser, shelf.url)
    page = visitor.page
    visitor.go("/datasets")
    box = page.locator(".top-search input")
    box.fill("手写")
    box.press("Enter")
    page.wait_for_url("**/search?q=**")
    page.get_by_role("heading", name="Models").wait_for()
    assert page.get_by_role("main").get_by_text("findable-one").first.is_visible()
    assert visitor.overflow() <= 0
    assert visitor.complaints == []
    visitor.context.close()


def test_the_start_page_leads_on(browser: Browser, site: Site, shelf: LiveHub) -> None:
    visitor = visit(browser, shelf.url, width="phone", theme="dark")
    page = visitor.page
    visitor.go("/")
    for heading in ("Trending models", "Trending datasets", "New", "Runs"):
        assert page.get_by_role("heading", name=heading, exact=True).is_visible()
    page.get_by_role("link", name="All new models").click()
    page.wait_for_url("**/models?sort=created")
    assert visitor.overflow() <= 0
    assert visitor.complaints == []
    visitor.context.close()
