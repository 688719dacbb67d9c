"""What will it need? A step is measured while the form stays, what does not fit is set so that it does."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import Visitor, visit
from tests.live import LiveHub, make_hub
from tests.runs.foretelling import forecast

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]

FILES: dict[tuple[str, str], dict[str, bytes]] = {
    ("alice/housing-net", "model"): {
        "README.md": b"---\npipeline_tag: tabular-regression\nlibrary_name: tuneyard\n---\n# A net\n",
        "config.json": b"{}",
        "model.safetensors": b"\0" * 64,
    },
    ("alice/houses", "dataset"): {
        "README.md": b"---\ntask_categories: [tabular-regression]\n---\n# Houses\n",
        "train.csv": b"rooms,price\n3,100\n4,120\n",
    },
}
ROOM = {"HUB_FLAVOR_MEMORY": "cpu-basic=300MB", "HUB_FLAVOR_PRICES": "cpu-basic=3.60 EUR"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """A hub whose runs have little room, with a table and a net."""
    from huggingface_hub import CommitOperationAdd

    live = make_hub(tmp_path_factory.mktemp("small"), **ROOM)
    api = live.api("alice")
    for (repo_id, repo_type), content in FILES.items():
        api.create_repo(repo_id, repo_type=repo_type)
        operations = [CommitOperationAdd(path, data) for path, data in content.items()]
        api.create_commit(repo_id, operations, commit_message="Publish", repo_type=repo_type)
    yield live
    live.stop()


def enrolled(hub: LiveHub) -> str:
    """The token of a worker."""
    code = "from runs.workers import enroll_worker; print(enroll_worker('box', flavors=['cpu-basic'])[1])"
    return hub.manage("shell", "--no-imports", "-c", code).split()[-1]


def posted(hub: LiveHub, path: str, token: str, **body: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{hub.url}/api/{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.loads(answer.read()))


def measured(hub: LiveHub, page: Page, token: str) -> None:
    """Do what a worker would do with the preflight that the page waits for."""
    polled = page.locator("#estimate [hx-get^='/preflights/']").get_attribute("hx-get") or ""
    uuid = polled.split("/")[2]
    claim = posted(hub, f"runs/{uuid}/claim", token, flavors=["cpu-basic"], versions={})
    optim = claim["recipe"]["optim"]
    told = forecast(
        optim["epochs"], batch_size=optim["batch_size"], grad_accum_steps=optim["grad_accum_steps"]
    )
    end = {"attempt": claim["attempt"], "outcome": "completed", "summary": {"forecast": told}}
    posted(hub, f"runs/{uuid}/finish", claim["token"], **end)


def opened(visitor: Visitor) -> Page:
    visitor.go("/alice/housing-net/finetune")
    visitor.sign_in("alice", "alice-secret-9")
    visitor.page.get_by_label("Target column").fill("price")
    return visitor.page


def test_the_panel_from_the_question_to_a_run_that_fits(browser: Browser, small: LiveHub) -> None:
    token, visitor = enrolled(small), visit(browser, small.url)
    page = opened(visitor)
    page.get_by_role("button", name="What will it need?").click()
    page.get_by_text("waits for a worker of cpu-basic").wait_for()
    page.get_by_label("Epochs").fill("4")
    measured(small, page, token)
    page.get_by_text("does not fit", exact=True).wait_for()
    assert page.get_by_label("Epochs").input_value() == "4"
    page.get_by_text("For 4 epochs with batches of 32").wait_for()
    page.get_by_role("button", name="Start the run").click()
    page.get_by_text("Set Batch size to 8 with").wait_for()
    page.get_by_role("button", name="Set it so").click()
    page.locator("#id_batch_size[value='8']").wait_for(state="attached")
    assert page.locator("#id_grad_accum_steps").input_value() == "4"
    assert page.get_by_label("Epochs").input_value() == "4"
    page.get_by_role("button", name="What will it need?").click()
    page.locator("#estimate [hx-get^='/preflights/']").wait_for()
    measured(small, page, token)
    page.get_by_text("just fits", exact=True).wait_for()
    page.get_by_role("button", name="Start the run").click()
    page.get_by_role("heading", name="alice/housing-net-houses").wait_for()
    assert visitor.complaints == []
    visitor.context.close()


def test_a_change_of_the_form_is_followed(browser: Browser, small: LiveHub) -> None:
    token, visitor = enrolled(small), visit(browser, small.url)
    page = opened(visitor)
    page.get_by_text("More settings").click()
    page.locator("#id_batch_size").fill("4")
    page.locator("#id_batch_size").blur()
    page.get_by_role("button", name="What will it need?").click()
    page.locator("#estimate [hx-get^='/preflights/']").wait_for()
    measured(small, page, token)
    page.get_by_text("240 MB").wait_for()
    page.get_by_label("Epochs").fill("40")
    page.get_by_label("Epochs").blur()
    page.get_by_text("For 40 epochs with batches of 4").wait_for()
    page.locator("#id_batch_size").fill("6")
    page.locator("#id_batch_size").blur()
    page.get_by_role("button", name="What will it need?").wait_for()
    assert visitor.complaints == []
    visitor.context.close()


@pytest.mark.parametrize("width", ["phone", "desk"])
def test_the_panel_fits_its_window(browser: Browser, small: LiveHub, width: str) -> None:
    token, visitor = enrolled(small), visit(browser, small.url, width=width)
    page = opened(visitor)
    page.locator("#more-settings summary").click()
    page.locator("#id_batch_size").fill("64" if width == "phone" else "128")
    page.locator("#id_batch_size").blur()
    page.get_by_role("button", name="What will it need?").click()
    page.locator("#estimate [hx-get^='/preflights/']").wait_for()
    measured(small, page, token)
    page.get_by_text("does not fit", exact=True).wait_for()
    assert visitor.overflow() <= 0
    visitor.context.close()
