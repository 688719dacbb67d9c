"""People judge models in a browser: a model's page, five side by side, a board, collections, settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Visitor, visit
from tests.live import LiveHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]

# Results are written where a worker's proof would have been: the pages are looked at here, not the proofs.
MEASURE = """
import json, uuid, datetime
from django.utils import timezone
from models_app.models import Benchmark, DownloadCount, EvalResult, Repo
told = json.loads({told!r})
data = Repo.objects.get(repo_type="dataset", name=told["data"])
for name, value, day in told["values"]:
    repo = Repo.objects.get(repo_type="model", name=name)
    EvalResult.objects.create(
        repo=repo, filename="x.yaml", dataset_id=data.repo_id, benchmark=data.benchmark, task_id="digits",
        dataset_revision="a" * 40, value=value, count=2000, date=datetime.date(2026, 1, day), verified=True,
    )
    DownloadCount.objects.create(repo=repo, day=timezone.now().date(), count=7)
"""


@pytest.fixture(scope="module")
def family(hub: LiveHub) -> dict[str, str]:
    """A base that forbids commerce, two fine-tunes of it that do not, a board, numbers on it."""
    from huggingface_hub import CommitOperationAdd

    api = hub.api()
    cards = {
        "judged-base": "license: cc-by-nc-4.0\npipeline_tag: image-classification\nlibrary_name: timm\n",
        "judged-one": "license: mit\nlibrary_name: timm\nbase_model: alice/judged-base\n",
        "judged-two": "license: mit\nlibrary_name: timm\nbase_model: alice/judged-base\n"
        "new_version: alice/judged-one\n",
    }
    for name, metadata in cards.items():
        api.create_repo(f"alice/{name}")
        card = f"---\n{metadata}---\n# {name}\n\nReads digits.\n"
        api.create_commit(
            f"alice/{name}", [CommitOperationAdd("README.md", card.encode())], commit_message="Publish"
        )
    api.create_repo("alice/judged-digits", repo_type="dataset")
    board = b"name: Judged digits\ntasks:\n- {id: digits, split: test, metric: accuracy}\n"
    api.upload_file(
        path_or_fileobj=board, path_in_repo="eval.yaml", repo_id="alice/judged-digits", repo_type="dataset"
    )
    values = [["judged-base", 0.9, 1], ["judged-one", 0.97, 9], ["judged-two", 0.968, 20]]
    told = json.dumps({"data": "judged-digits", "values": values})
    hub.manage("shell", "--no-imports", "-c", MEASURE.format(told=told))
    return {"one": "alice/judged-one", "two": "alice/judged-two", "board": "alice/judged-digits"}


def come(browser: Browser, hub: LiveHub, path: str, *, signed_in: bool = False, **looks: str) -> Visitor:
    visitor = visit(browser, hub.url, **looks)
    if signed_in:
        visitor.go(f"/login?next={path}")
        visitor.sign_in("alice", "alice-secret-9")
        visitor.page.wait_for_url(lambda address: "login" not in address)
    else:
        visitor.go(path)
    return visitor


def leave(visitor: Visitor) -> None:
    assert visitor.complaints == [], visitor.page.url
    assert visitor.overflow() <= 0, f"{visitor.page.url} is {visitor.overflow()} px too wide"
    visitor.context.close()


@pytest.mark.parametrize(("width", "theme"), [("phone", "dark"), ("desk", "light")])
def test_a_model_is_judged(
    browser: Browser, hub: LiveHub, family: dict[str, str], width: str, theme: str
) -> None:
    visitor = come(browser, hub, f"/{family['two']}", width=width, theme=theme)
    page = visitor.page
    assert "There is a newer version" in page.inner_text(".successor")
    assert "forbids commercial use" in page.inner_text("#licence")
    assert "rank 2 of 3" in page.inner_text("#results")
    assert "verified" in page.inner_text("#results")
    assert page.locator("#lineage [aria-current]").inner_text() == family["two"]
    assert page.locator("#downloads svg rect").count() == 1
    page.locator("#use summary").click()
    assert page.locator("#snippet-timm").is_visible()
    page.get_by_text("git", exact=True).click()
    assert not page.locator("#snippet-timm").is_visible()
    assert f"git clone {hub.url}/{family['two']}" in page.locator("#snippet-git").inner_text()
    page.locator("#lineage").get_by_role("link", name="alice/judged-base").click()
    page.wait_for_url("**/alice/judged-base")
    assert "2 models made from it" in page.inner_text("#lineage")
    leave(visitor)


@pytest.mark.parametrize(("width", "theme"), [("phone", "light"), ("desk", "dark")])
def test_models_are_put_side_by_side(
    browser: Browser, hub: LiveHub, family: dict[str, str], width: str, theme: str
) -> None:
    visitor = come(browser, hub, f"/{family['one']}", width=width, theme=theme)
    page = visitor.page
    page.get_by_role("link", name="Compare").click()
    page.wait_for_load_state()
    page.get_by_label("Look for a model to add").press_sequentially("judged-two")
    page.locator("#found-models").get_by_role("link", name="judged-two").click()
    page.get_by_role("heading", name="Compare models 2").wait_for()
    page.wait_for_load_state()
    page.get_by_label("Look for a model to add").press_sequentially("judged-base")
    page.locator("#found-models").get_by_role("link", name="judged-base").click()
    page.get_by_role("heading", name="Compare models 3").wait_for()
    table = page.locator("table.compare")
    assert "may be chance" in table.inner_text()
    assert "worse" in table.inner_text()
    assert table.locator("tr.differs").count() >= 1
    page.get_by_role("link", name="Remove alice/judged-base from the comparison").click()
    page.get_by_role("heading", name="Compare models 2").wait_for()
    leave(visitor)


def test_a_comparison_works_without_script(browser: Browser, hub: LiveHub, family: dict[str, str]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{hub.url}/compare?model={family['one']}")
    page.get_by_label("Look for a model to add").fill("judged-two")
    page.locator(".add-model").get_by_role("button", name="Search").click()
    page.locator("#found-models").get_by_role("link", name="judged-two").click()
    assert "Leaderboards" in page.locator("table.compare").inner_text()
    context.close()


@pytest.mark.parametrize(("width", "theme"), [("phone", "dark"), ("desk", "light")])
def test_a_board_tells_who_leads(
    browser: Browser, hub: LiveHub, family: dict[str, str], width: str, theme: str
) -> None:
    visitor = come(browser, hub, f"/leaderboards/{family['board']}", width=width, theme=theme)
    page = visitor.page
    assert page.get_by_text("tied with the first").count() == 1
    assert page.locator("#history circle").count() == 2
    page.get_by_role("link", name="Verified only").click()
    page.wait_for_url("**verified=1**")
    assert page.locator("table.board tbody tr").count() == 3
    leave(visitor)


@pytest.mark.parametrize(("width", "theme"), [("phone", "light"), ("desk", "dark")])
def test_a_collection_is_made_filled_and_arranged(
    browser: Browser, hub: LiveHub, family: dict[str, str], unique: str, width: str, theme: str
) -> None:
    visitor = come(browser, hub, f"/{family['one']}", signed_in=True, width=width, theme=theme)
    page = visitor.page
    page.locator(".save-menu summary").click()
    page.locator(".save-menu").get_by_role("link", name="New collection").click()
    page.get_by_label("Title").fill(unique)
    page.get_by_role("button", name="Make the collection").click()
    page.get_by_role("link", name="judged-one").wait_for()
    visitor.go(f"/{family['two']}")
    page.locator(".save-menu summary").click()
    shelf = page.locator(".save-menu").get_by_role("button", name=unique)
    shelf.click()
    page.locator(".save-menu button[aria-pressed=true]").first.wait_for()
    visitor.go("/collections")
    page.get_by_role("link", name=unique).click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("button", name=f"Move {family['two']} up").click()
    page.get_by_label(f"Note to {family['two']}").fill("The smaller one")
    page.get_by_role("button", name="Save the note").first.click()
    page.get_by_role("link", name="Done").click()
    rows = page.locator("ul.rows > li")
    assert "judged-two" in rows.first.inner_text()
    assert "The smaller one" in rows.first.inner_text()
    leave(visitor)


def test_a_repo_is_renamed_and_deleted(browser: Browser, hub: LiveHub, unique: str) -> None:
    hub.api().create_repo(unique)
    visitor = come(browser, hub, f"/alice/{unique}/settings", signed_in=True, width="phone")
    page = visitor.page
    page.locator("#move-name").fill("not a name")
    page.get_by_role("button", name="Rename or move").click()
    assert "is not a valid repo name" in page.locator("#move-problem").inner_text()
    assert page.locator("#move-name").input_value() == "not a name"
    page.locator("#move-name").fill(f"{unique}-b")
    page.get_by_role("button", name="Rename or move").click()
    page.wait_for_url(f"**/alice/{unique}-b/settings")
    page.get_by_label(f"Type alice/{unique}-b to delete it").fill(f"alice/{unique}-b")
    page.get_by_role("button", name="Delete this repo").click()
    page.get_by_text("is deleted.").wait_for()
    leave(visitor)
