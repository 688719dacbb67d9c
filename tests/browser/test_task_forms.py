"""A table from the form: the fields follow the task, mistakes keep what was typed, a worker gets it all."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import Visitor, visit
from tests.live import LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]

FILES: dict[tuple[str, str], dict[str, bytes]] = {
    ("alice/housing-net", "model"): {
        "README.md": b"---\npipeline_tag: tabular-regression\nlibrary_name: tuneyard\n---\n# A net\n",
        "config.json": b"{}",
        "model.safetensors": b"\0" * 64,
    },
    ("alice/houses", "dataset"): {
        "README.md": b"---\ntask_categories: [tabular-regression]\n---\n# Houses\n",
        "eval.yaml": b"name: Houses\ntasks:\n- {id: hits, metric: accuracy}\n- {id: prices, metric: rmse}\n",
        "train.csv": b"rooms,price\n3,100\n4,120\n",
        "test.csv": b"rooms,price\n5,130\n",
    },
}


@pytest.fixture(scope="module")
def houses(hub: LiveHub) -> LiveHub:
    from huggingface_hub import CommitOperationAdd

    api = hub.api("alice")
    for (repo_id, repo_type), content in FILES.items():
        api.create_repo(repo_id, repo_type=repo_type)
        operations = [CommitOperationAdd(path, data) for path, data in content.items()]
        api.create_commit(repo_id, operations, commit_message="Publish", repo_type=repo_type)
    return hub


def claimed(hub: LiveHub, run: str) -> dict[str, Any]:
    """What a worker gets to do."""
    code = "from runs.workers import enroll_worker; print(enroll_worker('tables', flavors=['cpu-basic'])[1])"
    token = hub.manage("shell", "--no-imports", "-c", code).split()[-1]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps({"worker": "tables", "flavors": ["cpu-basic"], "versions": {}}).encode()
    request = urllib.request.Request(f"{hub.url}/api/runs/{run}/claim", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.loads(answer.read()))


def open_form(browser: Browser, hub: LiveHub) -> Visitor:
    visitor = visit(browser, hub.url)
    visitor.go("/alice/housing-net")
    visitor.page.get_by_role("link", name="Fine-tune").click()
    visitor.sign_in("alice", "alice-secret-9")
    return visitor


def test_a_table_is_fine_tuned_from_the_form(browser: Browser, houses: LiveHub) -> None:
    visitor = open_form(browser, houses)
    page = visitor.page
    assert page.get_by_label("Dataset").input_value() == "alice/houses"
    page.get_by_text("Its columns: rooms, price").wait_for()
    assert page.get_by_label("Measure on").input_value() == "alice/houses#prices"
    page.get_by_label("Target column").fill("price")
    page.get_by_label("Epochs").fill("7")
    page.get_by_label("Task").select_option("tabular-classification")
    page.locator("#id_benchmark option[value='alice/houses#hits']").wait_for(state="attached")
    assert page.get_by_label("Target column").input_value() == "price"
    page.get_by_label("Task").select_option("tabular-regression")
    page.locator("#id_benchmark option[value='alice/houses#prices']").wait_for(state="attached")
    page.get_by_text("More settings").click()
    page.get_by_label("Learning rate", exact=True).fill("-1")
    page.get_by_role("button", name="Start the run").click()
    page.locator("#id_lr_error", has_text="Learning rate must be above 0, got -1.").wait_for()
    assert page.get_by_label("Target column").input_value() == "price"
    page.get_by_label("Learning rate", exact=True).fill("0.002")
    page.locator("#id_name").fill("priced")
    page.get_by_role("button", name="Start the run").click()
    page.get_by_role("heading", name="alice/priced").wait_for()
    recipe = claimed(houses, page.url.rpartition("/")[2])["recipe"]
    assert (recipe["task"], recipe["dataset"]["target_column"]) == ("tabular-regression", "price")
    assert (recipe["optim"]["epochs"], recipe["optim"]["lr"]) == (7, 0.002)
    assert recipe["benchmark"]["task_id"] == "prices"
    assert visitor.complaints == []
    visitor.context.close()


def test_what_is_typed_while_the_form_is_redrawn_stays(browser: Browser, houses: LiveHub) -> None:
    visitor = open_form(browser, houses)
    page = visitor.page
    page.route("**/finetune?*", lambda route: (page.wait_for_timeout(700), route.continue_())[1])
    with page.expect_response(lambda response: "strategy=head" in response.url):
        page.get_by_text("Only the head", exact=True).click()
        page.get_by_label("Target column").fill("price")
    page.locator("#id_lr[placeholder*='0.003']").wait_for(state="attached")
    assert page.get_by_label("Target column").input_value() == "price"
    assert page.locator("input[name=strategy]:checked").input_value() == "head"
    assert visitor.complaints == []
    visitor.context.close()


def test_a_recipe_is_edited_as_text(browser: Browser, houses: LiveHub) -> None:
    visitor = open_form(browser, houses)
    page = visitor.page
    page.get_by_label("Target column").fill("price")
    page.get_by_role("button", name="Edit as YAML").click()
    text = page.get_by_label("Recipe").input_value()
    assert "target_column: price" in text
    page.get_by_label("Recipe").fill(text + "loss: {kind: hope}\n")
    page.get_by_role("button", name="Start the run").click()
    page.get_by_role("listitem").filter(has_text="loss.kind must be one of auto").wait_for()
    page.get_by_label("Recipe").fill(text + "loss: {kind: huber}\n")
    page.locator("#id_name").fill("by-text")
    page.get_by_role("button", name="Start the run").click()
    page.get_by_role("heading", name="alice/by-text").wait_for()
    assert visitor.complaints == []
    visitor.context.close()


def test_without_script_the_fields_follow_a_button(browser: Browser, houses: LiveHub) -> None:
    visitor = open_form(browser, houses)
    context = browser.new_context(java_script_enabled=False, storage_state=visitor.context.storage_state())
    page = context.new_page()
    page.goto(f"{houses.url}/alice/housing-net/finetune")
    page.get_by_label("Target column").fill("price")
    page.get_by_label("Task").select_option("tabular-classification")
    page.get_by_role("button", name="Show its fields").click()
    assert page.get_by_label("Target column").input_value() == "price"
    assert page.get_by_label("Measure on").input_value() == "alice/houses#hits"
    context.close()
    visitor.context.close()
