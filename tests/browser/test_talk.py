"""People ask, answer, quote, react and write long texts, and nothing they typed is lost."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor, visit
from tests.browser.site import Site
from tests.browser.test_community import person, sound
from tests.live import LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]
FORMULA = "The loss is $-\\log p$, @alice.\n\n$$\\frac{1}{N}\\sum_i x_i$$"


def picture() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (10, 100, 80)).save(stream, "PNG")
    return stream.getvalue()


def thread(hub: LiveHub, name: str, title: str = "Why so slow?", by: str = "carol") -> tuple[str, str]:
    """A new repo of alice's with a thread; the repo's id and the thread's address."""
    repo_id = hub.api().create_repo(name).repo_id
    made = hub.api(by).create_discussion(repo_id, title, description="It *is* slow.")
    return repo_id, f"/{repo_id}/discussions/{made.num}"


def say(page: Page, text: str) -> None:
    page.get_by_label("Comment", exact=True).last.fill(text)
    page.get_by_role("button", name="Comment", exact=True).click()


def close(*visitors: Visitor) -> None:
    for visitor in visitors:
        assert visitor.complaints == []
        visitor.context.close()


@pytest.mark.parametrize(("width", "theme"), [("phone", "dark"), ("desk", "light")])
def test_a_question_finds_its_answer(
    browser: Browser, hub: LiveHub, unique: str, width: str, theme: str
) -> None:
    repo_id = hub.api().create_repo(unique).repo_id
    carol = person(browser, hub, "carol", f"/{repo_id}/discussions/new", width=width, theme=theme)
    page = carol.page
    page.get_by_label("Title").fill("Why is it 2.3?")
    page.get_by_label("What is it about?").fill(FORMULA)
    page.get_by_role("button", name="Preview").click()
    page.locator(".preview math").first.wait_for()
    page.get_by_label("This is a question").check()
    page.get_by_role("button", name="Open the discussion").click()
    page.get_by_role("heading", name="Why is it 2.3?").wait_for()
    expect(page.locator("article math")).to_have_count(2)
    assert page.locator("article a.mention").get_attribute("href") == "/alice"
    sound(carol)

    alice = person(browser, hub, "alice", f"/{repo_id}/discussions/1", width=width, theme=theme)
    asked = alice.page
    asked.get_by_role("link", name="Quote").click()
    box = asked.get_by_label("Comment", exact=True).last
    expect(box).to_have_value(re.compile(r"> \*\*carol\*\*"))
    box.press("End")
    box.fill(f"{box.input_value()}It is $\\ln 10$.")
    asked.get_by_role("button", name="Comment", exact=True).click()
    asked.locator("article blockquote").wait_for()
    sound(alice)

    # It comes to carol by itself; she reacts in place, and accepts it.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    answer = page.locator("article.comment").filter(has_text="It is")
    answer.last.wait_for()
    page.locator("article.comment").nth(1).get_by_label("Add a reaction").click()
    page.get_by_role("button", name="React with 🚀").last.click()
    page.locator("article.comment").nth(1).locator(".reaction.is-on").wait_for()
    assert page.url.endswith("/discussions/1")
    page.get_by_role("button", name="Accept").first.click()
    page.get_by_text("accepted answer").first.wait_for()
    page.get_by_text("answered").first.wait_for()
    sound(carol)
    carol.go(f"/{repo_id}/discussions?tab=questions")
    page.get_by_text("No question waits for an answer").wait_for()
    sound(carol)
    close(carol, alice)


def test_a_comment_survives_the_end_of_the_session(browser: Browser, hub: LiveHub, unique: str) -> None:
    _, address = thread(hub, unique)
    carol = person(browser, hub, "carol", address)
    page = carol.page
    text = "A long comment, written with care. " * 60
    page.get_by_label("Comment", exact=True).last.fill(text)
    carol.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Comment", exact=True).click()
    page.get_by_label("Password").wait_for()
    carol.sign_in("carol", "carol-secret-9")
    page.get_by_role("heading", name="Why so slow?").wait_for()
    box = page.get_by_label("Comment", exact=True).last
    assert box.input_value().strip() == text.strip()
    page.get_by_role("button", name="Comment", exact=True).click()
    page.locator("article .prose").filter(has_text="A long comment, written with care.").wait_for()
    # Sent is sent: the draft does not come back.
    carol.go(address)
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('draft:'))") == []
    assert page.get_by_label("Comment", exact=True).last.input_value() == ""
    close(carol)


def test_a_draft_survives_a_closed_tab_and_a_new_thread_too(
    browser: Browser, hub: LiveHub, unique: str
) -> None:
    repo_id, address = thread(hub, unique)
    carol = person(browser, hub, "carol", address)
    carol.page.get_by_label("Comment", exact=True).last.fill("Half a thou")
    carol.page.close()
    carol.page = carol.context.new_page()
    carol.listen()
    carol.go(address)
    assert carol.page.get_by_label("Comment", exact=True).last.input_value() == "Half a thou"
    carol.go(f"/{repo_id}/discussions/new")
    assert carol.page.get_by_label("What is it about?").input_value() == ""
    carol.page.get_by_label("Title").fill("x")
    carol.page.get_by_label("What is it about?").fill("A text whose title was too short")
    carol.page.get_by_role("button", name="Open the discussion").click()
    carol.page.get_by_text("3 to 300 characters").wait_for()
    box = carol.page.get_by_label("What is it about?")
    assert box.input_value().strip() == "A text whose title was too short"
    close(carol)


def test_two_presses_say_it_once(browser: Browser, hub: LiveHub, unique: str) -> None:
    repo_id, address = thread(hub, unique)
    carol = person(browser, hub, "carol", address)
    page = carol.page
    page.get_by_label("Comment", exact=True).last.fill("Once and no more")
    # The form as it stands is sent beside the press, as an impatient hand or a broken line does.
    page.evaluate(
        """async () => {
            const form = document.querySelector("#comment");
            const data = new URLSearchParams(new FormData(form));
            data.set("action", "comment");
            await fetch(form.action, { method: "POST", body: data });
        }"""
    )
    page.get_by_role("button", name="Comment", exact=True).click()
    page.locator("article .prose").filter(has_text="Once and no more").wait_for()
    said = hub.api("carol").get_discussion_details(repo_id, 1).events
    assert [getattr(one, "content", "") for one in said].count("Once and no more") == 1
    close(carol)


def test_an_image_is_attached_pasted_and_a_wrong_file_refused(
    browser: Browser, hub: LiveHub, unique: str
) -> None:
    _, address = thread(hub, unique)
    carol = person(browser, hub, "carol", address)
    page = carol.page
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Attach an image").click()
    box = page.get_by_label("Comment", exact=True).last
    chooser.value.set_files([{"name": "a [curve].png", "mimeType": "image/png", "buffer": picture()}])
    expect(box).to_have_value(re.compile(r"!\[a  curve .png\]\(/uploads/.*\.png\)"))
    paste = """(bytes) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
        const area = document.querySelector("#comment textarea");
        const pasted = { clipboardData: data, bubbles: true, cancelable: true };
        area.dispatchEvent(new ClipboardEvent("paste", pasted));
    }"""
    page.evaluate(paste, list(picture()))
    expect(box).to_have_value(re.compile(r"/uploads/.*/uploads/", re.DOTALL))
    page.evaluate(paste, list(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"))
    page.get_by_text("The file could not be attached.").wait_for()
    assert "svg" not in page.get_by_label("Comment", exact=True).last.input_value()
    page.get_by_role("button", name="Comment", exact=True).click()
    page.locator("article .prose img").first.wait_for()
    expect(page.locator("article .prose img")).to_have_count(2)
    expect(page.locator("article .prose img").last).to_have_js_property("complete", True)
    sound(carol)
    close(carol)


def test_edits_in_two_windows_and_their_history(browser: Browser, hub: LiveHub, unique: str) -> None:
    _, address = thread(hub, unique)
    carol = person(browser, hub, "carol", address)
    page, other = carol.page, carol.context.new_page()
    other.goto(hub.url + address)
    for window in (page, other):
        window.get_by_text("Edit", exact=True).click()
    page.locator("article form textarea").fill("From the one window")
    page.get_by_role("button", name="Save").last.click()
    page.locator("article .prose").filter(has_text="From the one window").wait_for()
    other.locator("article form textarea").fill("From the other window")
    other.get_by_role("button", name="Save").last.click()
    other.get_by_role("heading", name="This comment was edited meanwhile").wait_for()
    other.get_by_text("From the one window").wait_for()
    assert other.get_by_label("Your text").input_value() == "From the other window"
    other.get_by_role("button", name="Save your text").click()
    other.get_by_role("link", name="edited").click()
    other.get_by_role("heading", name="Edit history").wait_for()
    expect(other.locator("section.diff")).to_have_count(3)
    close(carol)


def test_order_is_kept(browser: Browser, hub: LiveHub, unique: str) -> None:
    repo_id, address = thread(hub, unique)
    hub.api("carol").create_discussion(repo_id, "A newer one")
    hub.api("bob").comment_discussion(repo_id, 1, "Buy my things")
    alice = person(browser, hub, "alice", address)
    page = alice.page
    rude = page.locator("article.comment").filter(has_text="Buy my things")
    rude.locator("summary", has_text="Hide").click()
    rude.get_by_label("Reason").fill("advertising")
    sound(alice)
    rude.get_by_role("button", name="Hide this comment").click()
    page.get_by_text("hidden by alice: advertising").wait_for()
    page.get_by_role("button", name="Pin").click()
    page.get_by_text("pinned this").wait_for()
    page.get_by_role("button", name="Mute").click()
    page.get_by_text("You hear nothing of this thread.").wait_for()
    page.get_by_role("button", name="Lock").click()
    page.get_by_text("locked this to people with write access").wait_for()
    alice.go(f"/{repo_id}/discussions")
    assert "Why so slow?" in page.locator(".rows li").first.inner_text()
    page.get_by_label("Search titles and comments").fill("newer")
    page.get_by_label("Search titles and comments").press("Enter")
    page.get_by_role("link", name="A newer one").wait_for()
    assert page.locator(".rows li").count() == 1
    carol = person(browser, hub, "carol", address)
    carol.page.get_by_text("This discussion is locked.").wait_for()
    close(alice, carol)


def test_a_long_thread_is_read_in_pages(browser: Browser, hub: LiveHub, unique: str) -> None:
    _, address = thread(hub, unique)
    code = (
        "from models_app.models import *; "
        f"t = Discussion.objects.get(repo__name='{unique}'); "
        "DiscussionEvent.objects.bulk_create(DiscussionEvent(discussion=t, type='comment', author=t.author, "
        "body=f'word {n}', data={'html': f'<p>word {n}</p>', 'history': []}) for n in range(1000)); "
        "print(t.events.get(body='word 500').uuid.hex)"
    )
    middle = hub.manage("shell", "--no-imports", "-c", code).split()[-1]
    anybody = visit(browser, hub.url, width="phone")
    anybody.go(address)
    page = anybody.page
    page.get_by_text("word 999", exact=True).wait_for()
    page.get_by_text("It is slow.").wait_for()
    page.get_by_role("link", name="show earlier comments").click()
    page.get_by_text("word 930", exact=True).wait_for()
    anybody.go(f"{address}?at={middle}#event-{middle}")
    target = page.locator(f"#event-{middle}")
    target.wait_for()
    assert "word 500" in target.inner_text()
    sound(anybody)
    close(anybody)


def test_without_script_the_same_can_be_done(browser: Browser, hub: LiveHub, unique: str) -> None:
    _, address = thread(hub, unique)
    context = browser.new_context(java_script_enabled=False)
    carol = Visitor(context, context.new_page(), hub.url)
    carol.listen()
    carol.go(f"/login?next={address}")
    carol.sign_in("carol", "carol-secret-9")
    page = carol.page
    page.get_by_role("link", name="Quote").click()
    assert "> It *is* slow." in page.get_by_label("Comment", exact=True).last.input_value()
    page.get_by_role("button", name="Preview").click()
    page.locator(".preview blockquote").wait_for()
    page.get_by_label("Add a reaction").first.click()
    page.get_by_role("button", name="React with 👍").first.click()
    page.locator(".reaction.is-on").wait_for()
    say(page, "Done by hand")
    page.locator("article .prose").filter(has_text="Done by hand").wait_for()
    context.close()


@pytest.mark.parametrize(("width", "theme"), [("phone", "light"), ("desk", "dark")])
def test_the_forum(browser: Browser, hub: LiveHub, unique: str, width: str, theme: str) -> None:
    anybody = visit(browser, hub.url, width=width, theme=theme)
    anybody.go("/forum")
    anybody.page.get_by_role("link", name="Hardware and speed", exact=True).click()
    anybody.page.get_by_role("heading", name="Hardware and speed").wait_for()
    sound(anybody)
    carol = person(browser, hub, "carol", "/forum/hardware", width=width, theme=theme)
    page = carol.page
    page.get_by_role("link", name="New thread").click()
    page.get_by_label("Title").fill(f"Which card for {unique}?")
    page.get_by_label("What is it about?").fill("Under 300 W.")
    sound(carol)
    page.get_by_role("button", name="Open the thread").click()
    page.get_by_role("heading", name=f"Which card for {unique}?").wait_for()
    say(page, "Found one.")
    page.locator("article .prose").filter(has_text="Found one.").wait_for()
    sound(carol)
    anybody.go("/forum")
    anybody.page.get_by_label("Search the forum").fill(unique)
    anybody.page.get_by_label("Search the forum").press("Enter")
    anybody.page.get_by_role("link", name=f"Which card for {unique}?").click()
    anybody.page.locator("article .prose").filter(has_text="Found one.").wait_for()
    sound(anybody)
    close(anybody, carol)


@pytest.mark.parametrize(("width", "theme"), [("phone", "dark"), ("desk", "light")])
def test_a_tutorial_is_written_read_and_mended(
    browser: Browser, hub: LiveHub, site: Site, unique: str, width: str, theme: str
) -> None:
    alice = person(browser, hub, "alice", "/tutorials", width=width, theme=theme)
    page = alice.page
    page.get_by_role("link", name="Write a tutorial").click()
    page.get_by_label("Title").fill(f"How {unique} was made")
    page.get_by_label("Summary").fill("From nothing to something.")
    page.get_by_label("Topics").fill("beginners, " + unique)
    page.get_by_text("What it is about").click()
    page.get_by_label("Models").fill(site.names["model"])
    lines = ["# First steps", "With $x^2$ in it.", f"{{{{ run {site.names['run']} }}}}", "## Later"]
    lines += [f"{{{{ board {site.names['data']} }}}}", "The end."]
    page.get_by_label("Text", exact=True).fill("\n\n".join(lines))
    page.get_by_role("button", name="Preview").click()
    page.locator(".preview math").wait_for()
    sound(alice)
    page.get_by_role("button", name="Publish").click()
    page.get_by_role("heading", name=f"How {unique} was made").wait_for()
    page.locator("section.embed run-curve").first.wait_for()
    page.get_by_role("region", name="Leaderboard").wait_for()
    sound(alice)
    page.get_by_role("navigation", name="Contents").get_by_role("link", name="Later").click()
    assert page.url.endswith("#user-content-later")
    address = page.url.partition("#")[0].removeprefix(hub.url)
    alice.go(f"/{site.names['model']}")
    page.get_by_role("link", name=f"How {unique} was made").wait_for()

    carol = person(browser, hub, "carol", address, width=width, theme=theme)
    carol.page.get_by_role("link", name="Suggest a change").click()
    carol.page.get_by_label("Text", exact=True).fill("# First steps\n\nBetter.")
    sound(carol)
    carol.page.get_by_role("button", name="Offer the change").click()
    carol.page.get_by_text("pull request").first.wait_for()
    alice.go(carol.page.url.removeprefix(hub.url))
    page.get_by_role("button", name="Merge into main").click()
    page.get_by_text("Merged as").wait_for()
    alice.go(address)
    page.get_by_text("Better.").wait_for()
    alice.go(f"/tutorials?tag={unique}")
    page.get_by_role("link", name=f"How {unique} was made").wait_for()
    sound(alice)
    close(alice, carol)


def test_a_tutorial_typed_while_the_session_ended(browser: Browser, hub: LiveHub, unique: str) -> None:
    alice = person(browser, hub, "alice", "/tutorials/new")
    page = alice.page
    page.get_by_label("Title").fill(f"About {unique}")
    page.get_by_label("Text", exact=True).fill("A whole evening's work.")
    alice.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Publish").click()
    page.get_by_label("Password").wait_for()
    alice.sign_in("alice", "alice-secret-9")
    page.get_by_role("heading", name="Write a tutorial").wait_for()
    assert page.get_by_label("Title").input_value() == f"About {unique}"
    assert page.get_by_label("Text", exact=True).input_value().strip() == "A whole evening's work."
    close(alice)


def test_a_draft_over_a_text_that_is_there(browser: Browser, hub: LiveHub, unique: str) -> None:
    alice = person(browser, hub, "alice", "/tutorials/new")
    page = alice.page
    page.get_by_label("Title").fill(f"About {unique}")
    page.get_by_label("Text", exact=True).fill("The first words.")
    page.get_by_role("button", name="Publish").click()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.wait_for_load_state()
    edit = page.url
    page.get_by_label("Text", exact=True).fill("Half of a better text")
    page.goto(f"{hub.url}/tutorials")
    page.goto(edit)
    expect(page.get_by_label("Text", exact=True)).to_have_value("Half of a better text")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Half of a better text").wait_for()
    page.goto(edit)
    expect(page.get_by_label("Text", exact=True)).to_have_value("Half of a better text")
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('draft:'))") == []
    close(alice)
