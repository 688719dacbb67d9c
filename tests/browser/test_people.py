"""Somebody likes, follows, and asks to be let in, in a real browser on a phone and on a desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.axe import violations
from tests.browser.test_community import person, sound
from tests.live import LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]
CARD = b"""---
extra_gated_heading: Before you read on
extra_gated_prompt: |
  Be kind to the digits.
  They cannot help it.
extra_gated_fields:
  Company: text
  Use:
    type: select
    options: [Research, Teaching]
  I will be kind, to every digit that I meet and also to those that somebody else has drawn: checkbox
---
# Gated

A net behind a gate.
"""


@pytest.mark.parametrize(("width", "theme"), [("phone", "light"), ("desk", "dark")])
def test_asking_and_being_let_in(browser: Browser, hub: LiveHub, unique: str, width: str, theme: str) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    api.upload_file(path_or_fileobj=CARD, path_in_repo="README.md", repo_id=repo_id)
    api.update_repo_settings(repo_id, gated="manual")
    carol = person(browser, hub, "carol", f"/{repo_id}", width=width, theme=theme)
    page = carol.page
    sound(carol)
    page.get_by_label("Company").fill("Tuneyard")
    page.get_by_label("Use").select_option("Teaching")
    page.get_by_label("I will be kind").check()
    page.get_by_role("button", name="Ask to be let in").click()
    page.get_by_text("The owners have not decided yet").wait_for()
    sound(carol)

    alice = person(browser, hub, "alice", f"/{repo_id}/settings/access", width=width, theme=theme)
    alice.page.get_by_text("Company: Tuneyard").wait_for()
    sound(alice)
    alice.page.get_by_role("listitem").get_by_role("button", name="Let in").click()
    alice.page.get_by_text("Saved.").wait_for()
    sound(alice)
    page.goto(f"{hub.url}/{repo_id}/blob/main/README.md")
    page.get_by_text("A net behind a gate.").wait_for()
    sound(carol)


@pytest.mark.parametrize(("width", "theme"), [("phone", "dark"), ("desk", "light")])
def test_liking_and_following(browser: Browser, hub: LiveHub, unique: str, width: str, theme: str) -> None:
    api = hub.api()
    repo_id = api.create_repo(unique).repo_id
    slug = api.create_collection(f"Favourites {unique}", description="What alice likes best").slug
    api.add_collection_item(slug, repo_id, "model", note="Begin here")
    carol = person(browser, hub, "carol", f"/{repo_id}", width=width, theme=theme)
    page = carol.page
    page.get_by_role("button", name="Like 0").click()
    page.get_by_role("button", name="Liked 1").click()
    page.get_by_role("button", name="Like 0").wait_for()
    assert page.url == f"{hub.url}/{repo_id}"
    sound(carol)
    page.goto(f"{hub.url}/alice")
    page.get_by_role("button", name="Follow", exact=True).click()
    page.get_by_role("button", name="Following").wait_for()
    sound(carol)
    page.get_by_role("button", name="Following").click()
    page.get_by_role("link", name=f"Favourites {unique}").click()
    page.get_by_text("Begin here").wait_for()
    sound(carol)


@pytest.mark.parametrize(("width", "theme"), [("phone", "light"), ("desk", "dark")])
def test_choosing_what_a_profile_shows_first(
    browser: Browser, hub: LiveHub, unique: str, width: str, theme: str
) -> None:
    api = hub.api("carol")
    for kind in ("model", "dataset"):
        api.create_repo(f"{unique}-{kind}", repo_type=kind)
    carol = person(browser, hub, "carol", "/carol?tab=pins", width=width, theme=theme)
    page = carol.page
    for name in (f"{unique}-model", f"{unique}-dataset"):
        page.get_by_role("searchbox", name="Letters of a name").fill(name)
        page.get_by_role("button", name="Find", exact=True).click()
        page.get_by_role("button", name=f"Pin carol/{name}").click()
        page.get_by_role("button", name=f"Take away carol/{name}").wait_for()
    sound(carol)
    page.get_by_role("button", name=f"Earlier carol/{unique}-dataset").click()
    sound(carol)
    assert violations(page) == []
    page.get_by_role("link", name="See the profile").click()
    page.get_by_role("heading", name="Pinned").wait_for()
    page.wait_for_load_state()
    pinned = page.locator("section", has=page.get_by_role("heading", name="Pinned")).get_by_role("listitem")
    texts = [text for text in pinned.all_inner_texts() if unique in text]
    assert [f"{unique}-dataset" in text for text in texts] == [True, False]
    page.get_by_role("img", name="Things done day by day").wait_for()
    page.get_by_text("By month, in numbers").click()
    page.get_by_role("columnheader", name="Things done").wait_for()
    sound(carol)
    assert violations(page) == []
    page.set_extra_http_headers({"Accept-Language": "zh-CN"})
    carol.go("/carol")
    page.get_by_role("heading", name="逐日活动").wait_for()
    sound(carol)
    assert violations(page) == []
    carol.go("/carol?tab=pins")
    while page.get_by_role("button", name="取消置顶").count():
        page.get_by_role("button", name="取消置顶").first.click()
        page.wait_for_load_state("load")
    page.get_by_text("还没有置顶任何内容").wait_for()
    carol.context.close()
