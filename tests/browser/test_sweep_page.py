"""The page of a sweep in a browser: counted while it is written, live while it goes on, walked by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from huggingface_hub import CommitOperationAdd

from tests.browser.conftest import visit
from tests.browser.site import Site
from training.hubclient import HubApi

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]


def recipe_of(site: Site) -> str:
    return f"base_model: {{repo: {site.names['model']}}}\ndataset: {{repo: {site.names['data']}}}\n"


def finish(site: Site, run: str, metrics: dict[str, float]) -> None:
    """Do a worker's work on it: claim, publish, say so."""
    claim = site.call(f"/api/runs/{run}/claim", {"flavors": ["cpu-basic"], "versions": {}}, site.worker)
    done = site.hub.api().create_commit(
        claim["target"]["repo"],
        [CommitOperationAdd("run.json", b"{}")],
        commit_message="Fine-tune",
        commit_description=f"Run {run}",
    )
    body = {"attempt": 1, "outcome": "completed", "result_oid": done.oid, "summary": {"metrics": metrics}}
    site.call(f"/api/runs/{run}/finish", body, claim["token"])


@pytest.mark.parametrize("width", ["phone", "desk"])
def test_from_the_form_to_the_best(site: Site, browser: Browser, unique: str, width: str) -> None:
    visitor = visit(browser, site.hub.url, width=width)
    visitor.go("/login")
    visitor.sign_in("alice", "alice-secret-9")
    page = visitor.page
    page.wait_for_url(lambda address: "login" not in address)
    visitor.go(f"/{site.names['model']}/sweep")
    page.fill("#id_text", recipe_of(site))
    page.fill("#id_name", unique)
    page.fill("#id_axes", "optim.lr: 50")
    page.wait_for_selector("#sweep-preview .notice.bad")
    page.fill("#id_axes", "optim.lr: 0.01, 0.001")
    page.wait_for_selector("#sweep-preview .notice.good")
    assert "2 runs" in page.inner_text("#sweep-preview")
    page.get_by_role("button", name="Queue the runs").click()
    page.wait_for_url("**/sweeps/*")
    assert "0 of 2 runs have ended" in page.inner_text("#sweep-board")
    sweep = page.url.rpartition("/")[2]
    told = HubApi(site.hub.url, site.hub.tokens["alice"]).get(f"/api/sweeps/{sweep}")
    finish(site, told["rows"][0]["run"], {"val/accuracy": 0.25})
    page.wait_for_selector("text=1 of 2 runs have ended")
    page.wait_for_selector("sweep-chart[data-rows='1'] circle.dot.best")
    assert all(
        text.endswith("%")
        for text in page.locator("sweep-chart text.axis[text-anchor=end]").all_text_contents()
    )
    page.locator("sweep-chart svg").focus()
    page.keyboard.press("ArrowRight")
    assert "val/accuracy 25 %: optim.lr" in page.inner_text("sweep-chart .told")
    page.get_by_role("button", name="All axes").click()
    page.wait_for_selector("sweep-chart path.thread.best", state="attached")
    page.get_by_role("button", name="Cancel all").click()
    page.wait_for_selector("text=2 of 2 runs have ended")
    assert page.get_by_role("button", name="Cancel all").count() == 0
    assert visitor.overflow() == 0
    assert visitor.complaints == []
    visitor.context.close()
