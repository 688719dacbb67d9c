"""Two people talk about a repo and change it, in a real browser on a phone and on a desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Visitor, visit
from tests.live import LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]
LONG = b"a line that is far too long for a phone, and goes on, and on, without an end in sight " * 4


def person(browser: Browser, hub: LiveHub, name: str, path: str, **looks: str) -> Visitor:
    visitor = visit(browser, hub.url, **looks)
    visitor.go(f"/login?next={path}")
    visitor.sign_in(name, f"{name}-secret-9")
    return visitor


def sound(visitor: Visitor) -> None:
    visitor.page.wait_for_load_state("load")
    assert visitor.complaints == [], visitor.page.url
    assert visitor.overflow() <= 0, f"{visitor.page.url} is {visitor.overflow()} px too wide"
    unlabelled = """[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
        .filter(e => !e.labels?.length && !e.getAttribute('aria-label')).map(e => e.name)"""
    assert visitor.page.evaluate(unlabelled) == []


@pytest.mark.parametrize(("width", "theme"), [("phone", "light"), ("desk", "dark")])
def test_a_talk_and_a_merge(browser: Browser, hub: LiveHub, unique: str, width: str, theme: str) -> None:
    from huggingface_hub import CommitOperationAdd

    repo_id = hub.api().create_repo(unique).repo_id
    hub.api().upload_file(path_or_fileobj=b"old\n", path_in_repo="README.txt", repo_id=repo_id)
    operations = [CommitOperationAdd("README.txt", b"new\n" + LONG), CommitOperationAdd("w.bin", b"\0" * 999)]
    hub.api("carol").create_commit(repo_id, operations, commit_message="Offer " + "x" * 90, create_pr=True)
    carol = person(browser, hub, "carol", f"/{repo_id}", width=width, theme=theme)
    page = carol.page
    page.get_by_role("link", name="Community 1").click()
    sound(carol)
    page.get_by_role("link", name="New discussion").click()
    sound(carol)
    page.get_by_label("Title").fill("Is this right?")
    page.get_by_label("What is it about?").fill("I **wonder**.\n\n    a code line that is long " + "y" * 200)
    page.get_by_role("button", name="Open the discussion").click()
    page.get_by_role("heading", name="Is this right?").wait_for()
    page.get_by_text("Edit", exact=True).click()
    sound(carol)
    page.locator("article form textarea").fill("I wondered.")
    page.get_by_role("button", name="Save").last.click()
    page.get_by_text("· edited").wait_for()

    alice = person(browser, hub, "alice", f"/{repo_id}/discussions/2", width=width, theme=theme)
    page = alice.page
    page.get_by_label("Comment", exact=True).last.fill("It is.")
    page.get_by_role("button", name="Close").click()
    page.get_by_text("closed this").wait_for()
    sound(alice)
    alice.go(f"/{repo_id}/discussions?tab=pull-requests")
    sound(alice)
    page.get_by_role("link", name="Offer").click()
    page.locator(".diff .add").first.wait_for()
    sound(alice)
    page.get_by_role("button", name="Merge into main").click()
    page.get_by_text("Merged as").wait_for()
    sound(alice)
    for visitor in (carol, alice):
        visitor.context.close()
    assert hub.api().file_exists(repo_id, "w.bin")
