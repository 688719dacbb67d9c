"""What is filled into a recipe or into the five stages is kept in the browser until it was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.site import Site
from tests.browser.test_guide import Work, begin, run_of, signed_in
from tests.browser.test_recipes import as_alice, share, wait_for_text, yaml_of
from tests.live import LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]
RECIPE = b"""# Gently.
task: image-classification
base_model: {repo: alice/shown-model}
dataset: {repo: alice/shown-digits}
optim:
  lr: 1e-4   # found by trying
  epochs: 2
"""
IS_BACK = "What you filled in here before is back"
IS_OFFERED = "You filled in something here before that was not saved"


def kept(page: Page) -> list[str]:
    return list(page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('draft:'))"))


def another_tab(visitor: Visitor, path: str) -> Page:
    """The tab is closed, and the page opened in a new one."""
    visitor.page.close()
    visitor.page = visitor.context.new_page()
    visitor.listen()
    visitor.go(path)
    return visitor.page


def end_session(visitor: Visitor) -> None:
    visitor.context.clear_cookies(name="sessionid")


def close(visitor: Visitor) -> None:
    assert visitor.complaints == []
    visitor.context.close()


def rate(page: Page) -> str:
    return str(page.get_by_label("Learning rate optim.lr").input_value())


def test_a_recipe_survives_the_end_of_the_session(browser: Browser, hub: LiveHub, unique: str) -> None:
    share(hub, unique, RECIPE, "Kept")
    alice = as_alice(browser, hub, f"/recipes/alice/{unique}/edit")
    page = alice.page
    page.get_by_label("Learning rate optim.lr").fill("0.025")
    wait_for_text(page, "lr: 0.025   # found")
    page.locator("#recipe-yaml").press("Control+End")
    page.keyboard.type("seed: 7")
    page.get_by_label("What did you change?").fill("Faster")
    end_session(alice)
    page.get_by_role("button", name="Save").click()
    alice.sign_in("alice", "alice-secret-9")
    page.get_by_text(IS_BACK).wait_for()
    assert rate(page) == "0.025"
    assert yaml_of(page).endswith("seed: 7")
    assert page.get_by_label("What did you change?").input_value() == "Faster"
    expect(page.locator("#f-seed")).to_have_value("7")  # both sides are in step again
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"**/recipes/alice/{unique}")
    # Saved is saved: nothing is kept any more, and nothing comes back.
    page.wait_for_load_state()
    assert kept(page) == []
    alice.go(f"/recipes/alice/{unique}/edit")
    assert rate(page) == "0.025"
    assert not page.get_by_text(IS_BACK).is_visible()
    close(alice)


def test_a_recipe_survives_a_closed_tab_and_no_other_recipe_gets_it(
    browser: Browser, hub: LiveHub, unique: str
) -> None:
    for name in (unique, f"{unique}-other"):
        share(hub, name, RECIPE, "Kept")
    alice = as_alice(browser, hub, f"/recipes/alice/{unique}/edit")
    # Another task has other fields: these too are there again, whether the hub was told of them or not.
    alice.page.get_by_label("Task task").select_option("text-classification")
    alice.page.locator("#f-dataset-max_tokens").wait_for()
    alice.page.locator("#f-dataset-max_tokens").fill("77")
    page = another_tab(alice, f"/recipes/alice/{unique}-other/edit")
    assert page.get_by_label("Task task").input_value() == "image-classification"
    assert not page.get_by_text(IS_BACK).is_visible()
    alice.go(f"/recipes/alice/{unique}/edit")
    page.get_by_text(IS_BACK).wait_for()
    expect(page.locator("#f-dataset-max_tokens")).to_have_value("77")
    wait_for_text(page, "max_tokens: 77")
    page.get_by_role("button", name="Forget it").locator("visible=true").click()
    expect(page.locator("#recipe-yaml")).to_have_value(RECIPE.decode())
    expect(page.get_by_label("Task task")).to_have_value("image-classification")
    assert kept(page) == []
    close(alice)


def test_a_new_recipe_survives_a_lost_connection(browser: Browser, hub: LiveHub, unique: str) -> None:
    alice = as_alice(browser, hub, "/recipes/new")
    page = alice.page
    alice.context.set_offline(True)
    page.get_by_label("Title").fill("On the train")
    page.get_by_label("Name", exact=True).fill(unique)
    page.get_by_label("What is it for?").fill("For tunnels.")
    page.locator("#f-base_model-repo").fill("alice/shown-model")
    page.locator("#recipe-yaml").press("Control+Home")
    page.keyboard.type("# In a tunnel.\n")
    page.get_by_role("button", name="Publish").click()
    alice.context.set_offline(False)
    alice.complaints.clear()  # the browser tells of the lost connection, as it should
    page = another_tab(alice, "/recipes/new")
    page.get_by_text(IS_BACK).wait_for()
    assert page.get_by_label("Title").input_value() == "On the train"
    assert page.get_by_label("What is it for?").input_value() == "For tunnels."
    wait_for_text(page, "repo: alice/shown-model")
    assert yaml_of(page).startswith("# In a tunnel.\n")
    page.locator("#f-dataset-repo").fill("alice/shown-digits")
    page.get_by_role("button", name="Publish").click()
    page.wait_for_url(f"**/recipes/alice/{unique}")
    page.wait_for_load_state()
    assert kept(page) == []
    close(alice)


def test_a_recipe_that_was_changed_meanwhile_is_not_overwritten_by_what_is_kept(
    browser: Browser, hub: LiveHub, unique: str
) -> None:
    share(hub, unique, RECIPE, "Kept")
    alice = as_alice(browser, hub, f"/recipes/alice/{unique}/edit")
    alice.page.get_by_label("Epochs optim.epochs").fill("9")
    wait_for_text(alice.page, "epochs: 9")
    elsewhere = as_alice(browser, hub, f"/recipes/alice/{unique}/edit")
    elsewhere.page.get_by_label("Epochs optim.epochs").fill("5")
    wait_for_text(elsewhere.page, "epochs: 5")
    elsewhere.page.get_by_role("button", name="Save").click()
    elsewhere.page.wait_for_url(f"**/recipes/alice/{unique}")
    page = another_tab(alice, f"/recipes/alice/{unique}/edit")
    page.get_by_text(IS_OFFERED).wait_for()
    assert "epochs: 5" in yaml_of(page)
    page.get_by_role("button", name="Put it back").click()
    wait_for_text(page, "epochs: 9")
    page.get_by_role("button", name="Save").click()
    page.locator(".diff .del", has_text="epochs: 5").wait_for()
    # What was refused is kept as well, and saving it again replaces theirs.
    assert len(kept(page)) == 1
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"**/recipes/alice/{unique}")
    page.wait_for_load_state()
    assert kept(page) == []
    close(alice)
    close(elsewhere)


def test_the_settings_of_a_run_survive_the_end_of_the_session(
    browser: Browser, site: Site, unique: str
) -> None:
    alice = signed_in(browser, site)
    page = alice.page
    begin(page, site)
    page.get_by_label("Publish the result as").fill(unique)
    page.get_by_text("every setting").click()
    page.get_by_label("Learning rate", exact=True).fill("0.0123")
    end_session(alice)
    # A choice that draws the form anew finds nobody signed in: the form stays.
    page.locator("label.choice", has_text="Thorough").click()
    page.get_by_text("You are not signed in any more").wait_for()
    assert page.get_by_label("Learning rate", exact=True).input_value() == "0.0123"
    page.locator("label.choice", has_text="Balanced").click()
    page.get_by_role("button", name="Start the run").click()
    alice.sign_in("alice", "alice-secret-9")
    page.get_by_text(IS_BACK).wait_for()
    assert page.get_by_label("Publish the result as").input_value() == unique
    assert page.get_by_label("Learning rate", exact=True).input_value() == "0.0123"
    page.get_by_role("button", name="Start the run").click()
    page.get_by_text("The run waits for a worker").wait_for()
    assert kept(page) == []
    page.get_by_role("link", name="The run's own page, with everything").click()
    page.get_by_text("0.0123").first.wait_for()
    close(alice)


def test_what_is_said_of_data_survives_a_closed_tab(browser: Browser, site: Site, unique: str) -> None:
    alice = signed_in(browser, site)
    page = alice.page
    page.get_by_role("button", name="Begin").click()
    page.locator("label", has_text=site.names["model"]).click()
    page.get_by_role("button", name="Go on with this model").click()
    page.get_by_text("Upload data of your own").click()
    page.wait_for_load_state()
    page.get_by_label("Name of the data set").fill(unique)
    page.get_by_label("Seed").fill("42")
    page.get_by_text("Without an archive").click()
    page.get_by_label("Class 1", exact=True).fill("oak")
    page = another_tab(alice, page.url.removeprefix(site.hub.url))
    page.get_by_text(IS_BACK).wait_for()
    assert page.get_by_label("Name of the data set").input_value() == unique
    assert page.get_by_label("Seed").input_value() == "42"
    assert page.get_by_label("Class 1", exact=True).input_value() == "oak"
    page.get_by_role("button", name="Forget it").locator("visible=true").click()
    assert page.get_by_label("Name of the data set").input_value() == ""
    assert kept(page) == []
    close(alice)


def test_the_words_about_a_model_survive_the_end_of_the_session(
    browser: Browser, site: Site, unique: str
) -> None:
    alice = signed_in(browser, site)
    page = alice.page
    begin(page, site)
    page.get_by_label("Publish the result as").fill(unique)
    page.get_by_role("button", name="Start the run").click()
    page.get_by_text("The run waits for a worker").wait_for()
    Work(site, run_of(page)).publish(f"alice/{unique}")
    page.get_by_role("link", name="Go on to publishing").click()
    page.wait_for_load_state()
    page.get_by_label("What it is, in your words").fill("# Kept\n\nLong thoughts.")
    end_session(alice)
    page.get_by_role("button", name="Publish").click()
    alice.sign_in("alice", "alice-secret-9")
    page.get_by_text(IS_BACK).wait_for()
    assert page.get_by_label("What it is, in your words").input_value() == "# Kept\n\nLong thoughts."
    page.get_by_role("button", name="Publish").click()
    page.get_by_role("heading", name="Your model is published").wait_for()
    assert kept(page) == []
    assert not page.get_by_text(IS_BACK).is_visible()
    close(alice)
