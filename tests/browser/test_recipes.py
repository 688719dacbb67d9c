"""Recipes in a browser: found, read, forked, compared, edited by form and YAML, run with one's own data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import Visitor, visit
from tests.live import LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]

RECIPE = b"""# Gently, for a few thousand pictures.
task: image-classification
base_model: {repo: alice/leaf-net}
dataset: {repo: alice/leaves}
strategy: {kind: full}
optim:
  lr: 1e-4   # found by trying
  epochs: 2
benchmark: {repo: alice/leaves, task_id: leaves}
"""
FILES: dict[tuple[str, str], dict[str, bytes]] = {
    ("alice/leaf-net", "model"): {
        "README.md": b"---\npipeline_tag: image-classification\nlibrary_name: timm\n---\n# A net\n",
        "config.json": b"{}",
        "model.safetensors": b"\0" * 64,
    },
    ("alice/leaves", "dataset"): {
        "README.md": b"---\ntask_categories: [image-classification]\n---\n# Leaves\n",
        "eval.yaml": b"name: Leaves\ntasks:\n- {id: leaves, split: test, metric: accuracy}\n",
    },
}


@pytest.fixture(scope="module")
def leaves(hub: LiveHub) -> LiveHub:
    """A base, data that are a benchmark, a recipe of alice's."""
    from huggingface_hub import CommitOperationAdd

    api = hub.api("alice")
    for (repo_id, repo_type), content in FILES.items():
        api.create_repo(repo_id, repo_type=repo_type)
        operations = [CommitOperationAdd(path, data) for path, data in content.items()]
        api.create_commit(repo_id, operations, commit_message="Publish", repo_type=repo_type)
    share(hub, "leafy", RECIPE, "Leaves, gently")
    return hub


def share(hub: LiveHub, name: str, text: bytes, title: str) -> None:
    """A recipe of alice's."""
    code = (
        "from accounts.actor import Actor; from accounts.models import User;"
        "from runs.recipe_actions import publish;"
        f"publish(Actor(User.objects.get(username='alice')), namespace='alice', name={name!r}, private=None,"
        f" text={text.decode()!r}, readme={f'# {title}'!r})"
    )
    hub.manage("shell", "--no-imports", "-c", code)


def as_alice(browser: Browser, hub: LiveHub, path: str, **looks: str) -> Visitor:
    visitor = visit(browser, hub.url, **looks)
    visitor.go(f"/login?next={path}")
    visitor.sign_in("alice", "alice-secret-9")
    visitor.page.wait_for_url(f"**{path}")
    return visitor


def wait_for_text(page: Any, part: str) -> None:
    """Until the YAML holds this; the page's policy lets no string be run as script."""
    from playwright.sync_api import expect

    expect(page.locator("#recipe-yaml")).to_have_value(re.compile(re.escape(part)))


def wait_for_value(page: Any, selector: str, value: str) -> None:
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_value(value)


def yaml_of(page: Any) -> str:
    return str(page.locator("#recipe-yaml").input_value())


def test_the_gallery_is_searched_narrowed_and_sorted(browser: Browser, leaves: LiveHub) -> None:
    visitor = visit(browser, leaves.url)
    page = visitor.page
    visitor.go("/recipes")
    page.get_by_role("link", name="A frozen ResNet-50 and a new head for ten classes").wait_for()
    page.get_by_label("Search recipes").fill("leaves gently")
    page.get_by_label("Search recipes").press("Enter")
    # The recipe and, where that story came first, its fork.
    page.get_by_role("link", name="Leaves, gently").first.wait_for()
    titles = page.locator(".recipe-rows > li .title a").all_inner_texts()
    assert set(titles) == {"Leaves, gently"}
    visitor.go("/recipes")
    page.locator(".filters").get_by_role("link", name="token-classification").click()
    page.locator(".filters [aria-current]").wait_for()
    page.wait_for_load_state()
    assert page.locator(".recipe-rows > li").count() == 1
    page.get_by_label("Sort by").select_option("cheapest")
    page.wait_for_url("**sort=cheapest**")
    assert visitor.complaints == []
    assert visitor.overflow() <= 0


def test_a_recipe_is_read_copied_and_talked_about(browser: Browser, leaves: LiveHub) -> None:
    visitor = as_alice(browser, leaves, "/recipes/alice/leafy")
    page = visitor.page
    page.get_by_text("It begins with the weights of alice/leaf-net and learns from alice/leaves.").wait_for()
    assert page.locator(".recipe-fields").get_by_text("0.0001").is_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes() == RECIPE
    page.get_by_role("link", name="Write a comment").click()
    page.get_by_label("Title").fill("Works on oaks too")
    page.locator("textarea").first.fill("With half the rate.")
    page.get_by_role("main").locator("form button[type=submit]").last.click()
    page.wait_for_url("**/discussions/*")
    visitor.go("/recipes/alice/leafy")
    page.get_by_role("link", name="Works on oaks too").wait_for()
    assert visitor.complaints == []


def test_a_fork_is_changed_and_compared_with_where_it_came_from(browser: Browser, leaves: LiveHub) -> None:
    visitor = as_alice(browser, leaves, "/recipes/alice/leafy")
    page = visitor.page
    page.get_by_role("link", name="Fork", exact=True).click()
    page.get_by_label("Name", exact=True).fill("leafy-slow")
    page.get_by_role("main").get_by_role("button", name="Fork").click()
    page.wait_for_url("**/recipes/alice/leafy-slow")
    page.get_by_role("link", name="Edit", exact=True).click()
    page.wait_for_load_state("networkidle")
    page.get_by_label("Learning rate optim.lr").fill("0.00003")
    wait_for_text(page, "3.0e-05")
    assert "# found by trying" in yaml_of(page)
    page.get_by_label("What did you change?").fill("Slower")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/recipes/alice/leafy-slow")
    page.get_by_role("link", name="What was changed since").click()
    row = page.get_by_role("row").filter(has_text="optim.lr")
    assert "0.0001" in row.inner_text()
    assert "3e-05" in row.inner_text()
    page.locator(".diff .add", has_text="3.0e-05").wait_for()
    assert visitor.complaints == []


def test_form_and_yaml_follow_each_other_while_somebody_types(browser: Browser, leaves: LiveHub) -> None:
    share(leaves, "leafy-typed", RECIPE, "Typed")
    visitor = as_alice(browser, leaves, "/recipes/alice/leafy-typed/edit")
    page = visitor.page
    box = page.locator("#recipe-yaml")
    # from the text to the fields, letter by letter, with the cursor where it was
    box.focus()
    page.keyboard.press("Control+End")
    page.keyboard.type("seed: 12345", delay=60)
    wait_for_value(page, "#f-seed", "12345")
    assert page.evaluate("document.activeElement.id") == "recipe-yaml"
    assert yaml_of(page).endswith("seed: 12345")
    # a mistake stands at the field and at the line, and nothing is lost
    page.keyboard.type("\nprecision: fp64", delay=30)
    page.locator("#e-precision", has_text="precision must be one of").wait_for(state="attached")
    page.locator("#recipe-gutter .is-bad", has_text="11").wait_for()
    page.locator("#recipe-told").get_by_role("link", name="Line 11").click()
    assert page.evaluate("getSelection().toString()") == "precision: fp64"
    page.keyboard.type("optim: [", delay=30)
    page.get_by_text("The YAML cannot be read at the moment").wait_for()
    assert page.locator("#f-seed").input_value() == "12345"
    page.keyboard.press("Shift+Home")
    page.keyboard.type("precision: bf16", delay=30)
    page.get_by_text("This is a valid recipe.").wait_for()
    # from a field to the text, the field keeps the cursor
    rate = page.get_by_label("Learning rate optim.lr")
    rate.focus()
    rate.press("Control+A")
    page.keyboard.type("0.025", delay=120)
    wait_for_text(page, "lr: 0.025   # found")
    assert rate.input_value() == "0.025"
    assert page.evaluate("document.activeElement.id") == "f-optim-lr"
    # a choice, and a field from behind “more”, which stays open
    page.get_by_label("Task task").select_option("text-classification")
    page.locator("#f-dataset-max_tokens").wait_for()
    page.locator("#more-optim summary").click()
    page.get_by_label("Average of the weights optim.ema").fill("0.9")
    wait_for_text(page, "ema: 0.9")
    assert page.locator("#more-optim[open]").count() == 1
    assert visitor.complaints == []
    assert visitor.overflow() <= 0


def test_a_recipe_is_written_without_script(browser: Browser, leaves: LiveHub) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    visitor = Visitor(context, page, leaves.url)
    visitor.go("/login?next=/recipes/new")
    visitor.sign_in("alice", "alice-secret-9")
    page.get_by_label("Title").fill("By hand")
    page.get_by_label("Name", exact=True).fill("by-hand")
    page.locator("#f-base_model-repo").fill("alice/leaf-net")
    page.locator("#f-dataset-repo").fill("alice/leaves")
    page.get_by_role("button", name="Update").click()
    assert "repo: alice/leaves" in yaml_of(page)
    assert page.get_by_label("Title").input_value() == "By hand"
    page.locator("#f-optim-epochs").fill("0")
    page.get_by_role("button", name="Publish").click()
    page.locator("#e-optim-epochs", has_text="optim.epochs must be at least 1, got 0.").wait_for()
    page.locator("#f-optim-epochs").fill("4")
    page.get_by_role("button", name="Publish").click()
    page.wait_for_url("**/recipes/alice/by-hand")
    page.get_by_text("It sees every example 4 times").first.wait_for()
    context.close()


def test_somebody_else_was_quicker(browser: Browser, leaves: LiveHub) -> None:
    share(leaves, "leafy-busy", RECIPE, "Busy")
    first = as_alice(browser, leaves, "/recipes/alice/leafy-busy/edit")
    second = as_alice(browser, leaves, "/recipes/alice/leafy-busy/edit")
    for visitor, epochs in ((first, "5"), (second, "9")):
        visitor.page.get_by_label("Epochs optim.epochs").fill(epochs)
        wait_for_text(visitor.page, f"epochs: {epochs}")
        visitor.page.get_by_role("button", name="Save").click()
    second.page.get_by_text("Somebody changed this recipe since you opened it").wait_for()
    assert "epochs: 9" in yaml_of(second.page)
    second.page.locator(".diff .del", has_text="epochs: 5").wait_for()
    second.page.get_by_role("button", name="Save").click()
    second.page.wait_for_url("**/recipes/alice/leafy-busy")
    second.page.get_by_text("It sees every example 9 times").first.wait_for()
    assert first.complaints == second.complaints == []


def test_a_recipe_is_run_with_other_data_and_its_page_counts_it(browser: Browser, leaves: LiveHub) -> None:
    share(leaves, "leafy-run", RECIPE.replace(b"1e-4", b"2e-4"), "Run me")
    visitor = as_alice(browser, leaves, "/recipes/alice/leafy-run")
    page = visitor.page
    page.get_by_text("Nobody has run it here yet").wait_for()
    page.get_by_role("link", name="Run this with my data").click()
    page.get_by_label("Dataset").select_option("alice/leaves")
    page.get_by_label("Base model").select_option("alice/leaf-net")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/alice/leaf-net/finetune?**")
    assert page.get_by_label("Epochs").input_value() == "2"
    page.get_by_label("Name of the result").or_(page.locator("#id_name")).first.fill("leafy-result")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url("**/runs/*")
    page.get_by_role("link", name="alice/leafy-run").click()
    page.locator("#outcomes").get_by_text("1 run", exact=True).wait_for()
    assert visitor.complaints == []


@pytest.mark.parametrize("width", ["phone", "desk"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_of_recipes_fits_and_is_accessible(
    browser: Browser, leaves: LiveHub, width: str, theme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    visitor = as_alice(browser, leaves, "/recipes", width=width, theme=theme)
    for path in (
        "/recipes",
        "/recipes/alice/leafy",
        "/recipes/tuneyard/text-usaddress",
        "/recipes/alice/leafy/edit",
        "/recipes/new",
        "/recipes/alice/leafy/fork",
        "/recipes/alice/leafy/run",
        "/recipes/compare?a=alice/leafy&b=tuneyard/text-usaddress",
    ):
        visitor.go(path)
        found = Axe().run(visitor.page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert visitor.overflow() <= 0, path
    assert visitor.complaints == []
