"""Every page on a phone and on a desk: no complaint, no sideways scrolling, all images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import visit
from tests.browser.pages import ANONYMOUS, REFUSED, SIGNED_IN
from tests.browser.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]


@pytest.mark.parametrize(("width", "theme"), [("phone", "light"), ("desk", "dark")])
def test_every_page_is_sound(browser: Browser, whole_site: Site, width: str, theme: str) -> None:
    visitor = visit(browser, whole_site.hub.url, width=width, theme=theme)
    for template in (*ANONYMOUS, *REFUSED):
        _look(visitor, whole_site.path(template))
    visitor.go("/login")
    visitor.sign_in("alice", "alice-secret-9")
    for template in SIGNED_IN:
        _look(visitor, whole_site.path(template))
    visitor.context.close()


def _look(visitor: Any, path: str) -> None:
    answer = visitor.go(path)
    visitor.page.wait_for_load_state("load")
    page = visitor.page
    assert answer.status == (404 if path in REFUSED else 200), path
    assert visitor.complaints == [], path
    assert visitor.overflow() <= 0, f"{path} is {visitor.overflow()} px too wide"
    assert page.locator("h1").first.is_visible(), path
    assert page.title() != "owned"
    assert page.title().endswith(("Tuneyard", "rank models")), path
    broken = "[...document.images].filter(i => i.complete && !i.naturalWidth && !i.closest('.prose')).length"
    assert page.evaluate(broken) == 0, path
    unlabelled = """[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
        .filter(e => !e.labels?.length && !e.getAttribute('aria-label')).map(e => e.name)"""
    assert page.evaluate(unlabelled) == [], path


def test_the_keyboard_reaches_the_content_first(browser: Browser, site: Site) -> None:
    visitor = visit(browser, site.hub.url)
    visitor.go("/models")
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.textContent") == "Skip to content"
    visitor.page.keyboard.press("Enter")
    assert visitor.page.evaluate("location.hash") == "#main"
    visitor.context.close()


def test_the_form_follows_its_strategy_and_keeps_what_was_typed(browser: Browser, site: Site) -> None:
    visitor = visit(browser, site.hub.url)
    visitor.go(site.path("/{model}/finetune"))
    visitor.sign_in("alice", "alice-secret-9")
    page = visitor.page
    page.locator("#id_name").fill("my-own-name")
    page.get_by_text("More settings").click()
    page.get_by_label("Batch size").fill("16")
    before = str(page.locator("#id_epochs").get_attribute("placeholder"))
    with page.expect_response(lambda response: "strategy=full" in response.url):
        page.get_by_text("Everything", exact=True).click()
    page.locator(f"#id_epochs:not([placeholder='{before}'])").wait_for()
    assert page.locator("#id_name").input_value() == "my-own-name"
    assert page.get_by_label("Batch size").input_value() == "16"
    page.get_by_label("Batch size").wait_for()
    page.get_by_label("Learning rate", exact=True).fill("-1")
    page.get_by_role("button", name="Start the run").click()
    page.locator("#id_lr_error").get_by_text("Learning rate must be above 0, got -1.").wait_for()
    assert page.locator("#id_name").input_value() == "my-own-name"
    assert visitor.complaints == []
    visitor.context.close()


def test_a_run_is_watched_while_it_learns_and_canceled(browser: Browser, site: Site) -> None:
    run = site.submit("alice/watched")
    visitor = visit(browser, site.hub.url)
    visitor.go("/login?next=/runs/" + run)
    visitor.sign_in("alice", "alice-secret-9")
    page = visitor.page
    page.get_by_role("status").get_by_text("waiting").wait_for()
    claim = site.call(
        f"/api/runs/{run}/claim", {"worker": "here", "flavors": ["cpu-basic"], "versions": {}}, site.worker
    )
    _report(site, run, claim, step=10)
    page.get_by_role("status").get_by_text("running").wait_for()
    page.get_by_text("step 10 of 40").wait_for()
    page.locator("run-curve path.series").first.wait_for()
    page.locator("run-curve[data-step='10']").first.wait_for()
    _report(site, run, claim, step=20)
    page.locator("run-curve[data-step='20']").first.wait_for()
    page.get_by_text("line at 20").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Stopping…").wait_for()
    assert _report(site, run, claim, step=21)["cancel"] is True
    site.call(f"/api/runs/{run}/finish", {"attempt": claim["attempt"], "outcome": "canceled"}, claim["token"])
    page.get_by_text("The run was canceled.").wait_for()
    page.get_by_role("button", name="Try again").wait_for()
    polls = page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/progress')).length"
    )
    page.wait_for_timeout(2600)
    again = page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/progress')).length"
    )
    assert again == polls, "polling goes on after the end"
    assert visitor.complaints == []
    visitor.context.close()


def _report(site: Site, run: str, claim: dict[str, Any], *, step: int) -> dict[str, Any]:
    names = ("train/loss", "train/accuracy")
    metrics = [{"step": at, "name": name, "value": 1 / at} for at in range(1, step + 1) for name in names]
    logs = [{"seq": step, "at": "2026-11-22T07:00:00+00:00", "text": f"line at {step}"}]
    body = {
        "attempt": claim["attempt"],
        "activity": "training",
        "step": step,
        "total_steps": 40,
        "metrics": metrics,
        "logs": logs,
    }
    return site.call(f"/api/runs/{run}/report", body, claim["token"])


def test_the_curve_can_be_read_with_the_keyboard(browser: Browser, site: Site) -> None:
    run = site.submit("alice/read-aloud")
    claim = site.call(
        f"/api/runs/{run}/claim", {"worker": "here", "flavors": ["cpu-basic"], "versions": {}}, site.worker
    )
    _report(site, run, claim, step=10)
    visitor = visit(browser, site.hub.url)
    visitor.go(f"/runs/{run}")
    curve = visitor.page.locator("run-curve .frame svg").first
    visitor.page.locator("run-curve path.series").first.wait_for()
    assert "Loss: train" in str(curve.get_attribute("aria-label"))
    curve.focus()
    visitor.page.keyboard.press("ArrowLeft")
    visitor.page.get_by_text("step 10", exact=True).wait_for()
    visitor.page.keyboard.press("ArrowLeft")
    visitor.page.get_by_text("step 9", exact=True).wait_for()
    assert visitor.complaints == []
    visitor.context.close()


def test_without_script_the_numbers_stand_in_a_table(browser: Browser, site: Site) -> None:
    run = site.submit("alice/no-script")
    claim = site.call(
        f"/api/runs/{run}/claim", {"worker": "here", "flavors": ["cpu-basic"], "versions": {}}, site.worker
    )
    metrics = [{"step": 5, "name": name, "value": 0.5} for name in ("train/loss", "val/loss", "val/accuracy")]
    body = {"attempt": claim["attempt"], "metrics": metrics, "step": 5, "total_steps": 9}
    site.call(f"/api/runs/{run}/report", body, claim["token"])
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.hub.url}/runs/{run}")
    assert page.get_by_role("cell", name="0.5", exact=True).first.is_visible()
    assert page.get_by_role("cell", name="50.00 %").is_visible()
    context.close()
