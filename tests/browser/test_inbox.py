"""Somebody is told of things, chooses what to hear, and looks at what others have shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import visit
from tests.browser.test_community import person, sound
from tests.live import LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]
EVAL = b"name: Digits\ntasks:\n- {id: digits, split: test, metric: accuracy}\n"
LOOKS = [("phone", "light"), ("desk", "dark")]
TELL = "from models_app.actions.notify import notify_due\nwhile notify_due(): pass"


def tell(hub: LiveHub) -> None:
    """What the hub's worker does within seconds; these stories have none."""
    hub.manage("shell", "--no-imports", "-c", TELL)


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_an_inbox_is_read(browser: Browser, hub: LiveHub, unique: str, width: str, theme: str) -> None:
    repo_id = hub.api("bob").create_repo(unique).repo_id
    for n in range(3):
        hub.api("carol").create_discussion(repo_id, f"Question {n} of {unique}", description="@bob, why?")
    tell(hub)
    bob = person(browser, hub, "bob", "/inbox", width=width, theme=theme)
    page = bob.page
    page.get_by_role("heading", name="Today").wait_for()
    sound(bob)
    assert page.get_by_role("link", name="Inbox, ").count() == 1
    page.get_by_label(f"Mark “carol mentioned you in “Question 0 of {unique}”” as read").click()
    page.get_by_text("1 line is marked as read.").wait_for()
    assert page.get_by_role("link", name=f"Question 0 of {unique}").count() == 0
    page.get_by_label(f"Choose “carol mentioned you in “Question 1 of {unique}””").check()
    page.get_by_role("button", name="Mark the chosen as read").click()
    page.get_by_text("1 line is marked as read.").wait_for()
    page.get_by_role("link", name=f"Question 2 of {unique}").click()
    page.get_by_role("heading", name=f"Question 2 of {unique}").wait_for()
    page.goto(f"{hub.url}/inbox?kind=mention")
    assert page.get_by_role("link", name=unique).count() == 0
    page.get_by_role("link", name="All", exact=True).click()
    page.get_by_role("link", name=f"Question 2 of {unique}").wait_for()
    sound(bob)
    bob.context.close()


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_what_to_hear_of_is_chosen(browser: Browser, hub: LiveHub, width: str, theme: str) -> None:
    carol = person(browser, hub, "carol", "/settings/notifications", width=width, theme=theme)
    page = carol.page
    sound(carol)
    page.get_by_label("Likes in the inbox").set_checked(width == "desk")
    page.get_by_label("Mentions by mail").select_option("at once")
    page.get_by_label("every day").check()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved.").wait_for()
    assert page.get_by_label("Likes in the inbox").is_checked() == (width == "desk")
    assert page.get_by_label("Mentions by mail").input_value() == "at-once"
    assert page.get_by_label("every day").is_checked()
    sound(carol)
    carol.context.close()


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_a_repo_a_board_and_a_person_are_followed(
    browser: Browser, hub: LiveHub, unique: str, width: str, theme: str
) -> None:
    repo_id = hub.api("bob").create_repo(unique).repo_id
    carol = person(browser, hub, "carol", f"/{repo_id}", width=width, theme=theme)
    page = carol.page
    page.get_by_role("main").get_by_role("button", name="Follow 0").click()
    page.get_by_role("button", name="Following 1").wait_for()
    assert page.url == f"{hub.url}/{repo_id}"
    sound(carol)
    hub.api("bob").upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=repo_id)
    tell(hub)
    page.goto(f"{hub.url}/inbox")
    page.get_by_role("link", name=f"changed {repo_id}").click()
    page.get_by_text("Upload a.txt").first.wait_for()
    page.goto(f"{hub.url}/settings/follows")
    sound(carol)
    page.get_by_role("button", name=f"Stop following {repo_id}").click()
    page.get_by_role("heading", name="Repos and boards").wait_for()
    assert page.get_by_role("link", name=unique).count() == 0
    board = f"{unique}-board"
    data_id = hub.api("bob").create_repo(board, repo_type="dataset").repo_id
    hub.api("bob").upload_file(
        path_or_fileobj=EVAL, path_in_repo="eval.yaml", repo_id=data_id, repo_type="dataset"
    )
    page.goto(f"{hub.url}/leaderboards/{data_id}")
    page.get_by_role("main").get_by_role("button", name="Follow 0").click()
    page.get_by_role("button", name="Following 1").wait_for()
    sound(carol)
    carol.context.close()


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_a_search_is_saved_and_tells_of_what_is_new(
    browser: Browser, hub: LiveHub, unique: str, width: str, theme: str
) -> None:
    bob = person(browser, hub, "bob", f"/models?search={unique}", width=width, theme=theme)
    page = bob.page
    page.get_by_text("Save this search").click()
    sound(bob)
    page.get_by_label("Name").fill(f"All of {unique} \N{GRINNING FACE}")
    page.get_by_role("button", name="Save the search").click()
    page.get_by_role("link", name=f"All of {unique}").wait_for()
    sound(bob)
    hub.api("alice").create_repo(f"{unique}-net")
    ahead = "from datetime import timedelta\nfrom django.utils import timezone\n"
    check = (
        "from models_app.actions.saved import check_saved\ncheck_saved(timezone.now() + timedelta(hours=2))"
    )
    hub.manage("shell", "--no-imports", "-c", ahead + check)
    page.goto(f"{hub.url}/inbox")
    page.get_by_role("link", name=f"1 new result of your search “All of {unique}").click()
    page.get_by_role("link", name=f"{unique}-net").wait_for()
    page.goto(f"{hub.url}/saved")
    row = page.get_by_role("listitem").filter(has_text=unique)
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("heading", name="Saved searches").wait_for()
    assert page.get_by_role("link", name=f"All of {unique}").count() == 0
    bob.context.close()


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_a_profile_its_parts_and_its_feed(
    browser: Browser, hub: LiveHub, unique: str, width: str, theme: str
) -> None:
    hub.api("bob").create_repo(unique)
    visitor = visit(browser, hub.url, width=width, theme=theme)
    visitor.go("/bob")
    page = visitor.page
    sound(visitor)
    parts = page.get_by_role("navigation", name="Profile")
    for name in ("Models", "Runs", "Discussions", "Likes", "Activity"):
        parts.get_by_role("link", name=name).click()
        page.locator(f".tabs a[aria-current]:has-text('{name}')").wait_for()
        sound(visitor)
    page.get_by_role("link", name=f"published bob/{unique}").wait_for()
    visitor.go("/team")
    sound(visitor)
    page.get_by_role("link", name="follower").first.click()
    sound(visitor)
    visitor.go("/badges")
    page.get_by_role("heading", name="Reproduced").wait_for()
    sound(visitor)
    feed = visitor.context.request.get(f"{hub.url}/feeds/people/bob.atom")
    assert unique in feed.text()
    visitor.context.close()


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_a_name_like_one_that_is_here_is_refused_and_the_form_stays(
    browser: Browser, hub: LiveHub, width: str, theme: str
) -> None:
    visitor = visit(browser, hub.url, width=width, theme=theme)
    visitor.go("/join")
    page = visitor.page
    for name, words in (
        ("al1ce", "looks too much like 'alice'"),
        ("alice", "is taken"),
        ("аlice", "ASCII letters"),
        ("\N{GRINNING FACE}alice", "ASCII letters"),
    ):
        page.get_by_label("Username").fill(name)
        page.get_by_label("Email").fill("new@example.org")
        page.get_by_label("Password").fill("a-long-passphrase-7")
        page.get_by_role("button", name="Make the account").click()
        page.get_by_text(words).wait_for()
        assert page.get_by_label("Username").input_value() == name
        assert page.get_by_label("Email").input_value() == "new@example.org"
        sound(visitor)
    visitor.context.close()
