"""The live page of a run in a browser: news within three seconds, cheap when idle, whole after a reload."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import Visitor, visit
from tests.browser.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.enable_socket]
SOON = 3.0


class Work:
    """A run whose worker is this test."""

    def __init__(self, site: Site, target: str) -> None:
        self.site, self.run = site, site.submit(f"alice/{target}")
        self.seq = 0
        body = {"worker": "here", "flavors": ["cpu-basic"], "versions": {"torch": "2.14.1"}}
        self.claim = site.call(f"/api/runs/{self.run}/claim", body, site.worker)

    def report(self, step: int, metrics: dict[str, float], *lines: str, activity: str = "training") -> None:
        told = [{"step": step, "name": name, "value": value} for name, value in metrics.items()]
        logs = [
            {"seq": self.seq + number, "at": "2026-11-22T07:00:00+00:00", "text": line}
            for number, line in enumerate(lines)
        ]
        self.seq += len(lines)
        body = {"attempt": self.claim["attempt"], "activity": activity, "step": step, "total_steps": 200_000}
        self.site.call(
            f"/api/runs/{self.run}/report", body | {"metrics": told, "logs": logs}, self.claim["token"]
        )

    def finish(self, **fields: Any) -> None:
        body = {"attempt": self.claim["attempt"], **fields}
        self.site.call(f"/api/runs/{self.run}/finish", body, self.claim["token"])


def polls(page: Page, part: str) -> int:
    count = "part => performance.getEntriesByType('resource').filter(e => e.name.includes(part)).length"
    return int(page.evaluate(count, part))


def shown(page: Page, step: int) -> None:
    page.locator(f"run-curve[data-step='{step}']").first.wait_for()


def opened(browser: Browser, work: Work, query: str = "") -> Visitor:
    visitor = visit(browser, work.site.hub.url)
    visitor.go(f"/runs/{work.run}{query}")
    return visitor


def test_a_new_metric_shows_within_three_seconds(browser: Browser, site: Site) -> None:
    work = Work(site, "quick")
    work.report(1000, {"train/loss": 2.0})
    visitor = opened(browser, work)
    shown(visitor.page, 1000)
    waits = []
    for step in range(2000, 10_000, 1000):
        work.report(step, {"train/loss": 2000 / step})
        began = time.monotonic()
        shown(visitor.page, step)
        waits.append(time.monotonic() - began)
        time.sleep(0.31)  # so that the reports fall at other places between two polls
    print(f"\nfrom the report to the line: {max(waits):.2f} s at most, {sum(waits) / len(waits):.2f} s mean")
    assert sorted(waits)[len(waits) // 2] < SOON
    assert visitor.complaints == []
    visitor.context.close()


def test_a_name_told_late_gets_its_panel_without_a_reload(browser: Browser, site: Site) -> None:
    work = Work(site, "late")
    work.report(1, {"train/loss": 2.0, "lr": 1e-4})
    visitor = opened(browser, work)
    page = visitor.page
    shown(page, 1)
    assert page.get_by_role("heading", name="Macro-F1").count() == 0
    work.report(2, {"train/loss": 1.0, "val/macro_f1": 0.75, "system/gpu_memory_bytes": 3e9})
    page.get_by_role("heading", name="Macro-F1").wait_for()
    page.get_by_text("Learning rate, speed and memory").click()
    page.locator("run-curve[label='GPU memory'] .key b").get_by_text("3 GB").wait_for()
    assert page.locator("run-curve[label='Learning rate'] .key b").inner_text() == "1.0e-4"
    work.report(3, {"train/loss": 0.5})
    shown(page, 3)
    assert page.locator("#system-curves").get_attribute("open") is not None
    assert visitor.complaints == []
    visitor.context.close()


def test_an_idle_page_costs_nothing_and_a_reload_is_whole(browser: Browser, site: Site) -> None:
    work = Work(site, "idle")
    work.report(10, {"train/loss": 2.0, "val/loss": 2.5}, "first line")
    visitor = opened(browser, work)
    page = visitor.page
    shown(page, 10)
    bodies: list[int] = []
    page.on("response", lambda answer: bodies.append(answer.status) if "/progress" in answer.url else None)
    page.wait_for_timeout(7000)
    assert len(bodies) >= 2
    assert set(bodies) <= {200, 304}
    # The browser's own cache answers an unchanged page: nothing is sent over the wire but headers.
    sizes = """performance.getEntriesByType('resource').filter(e => e.name.includes('/progress'))
        .map(e => e.encodedBodySize ? e.transferSize : 0)"""
    assert max(page.evaluate(sizes)[1:] or [0]) < 1000
    metrics = polls(page, "metrics.json")
    page.wait_for_timeout(2500)
    assert polls(page, "metrics.json") == metrics, "the curves are fetched although nothing changed"
    page.reload()
    shown(page, 10)
    page.get_by_text("first line").wait_for()
    page.get_by_text("step 10 of 200,000").wait_for()
    assert visitor.complaints == []
    visitor.context.close()


def test_a_waiting_run_and_a_hidden_tab_are_asked_for_rarely(browser: Browser, site: Site) -> None:
    waiting = site.submit("alice/patient")
    visitor = visit(browser, site.hub.url)
    visitor.go(f"/runs/{waiting}")
    visitor.page.wait_for_timeout(7000)
    assert 1 <= polls(visitor.page, "/progress") <= 2
    work = Work(site, "hidden")
    work.report(1, {"train/loss": 1.0})
    visitor.go(f"/runs/{work.run}")
    shown(visitor.page, 1)
    hide = """hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
        document.dispatchEvent(new Event('visibilitychange')); }"""
    visitor.page.evaluate(hide, True)
    visitor.page.wait_for_timeout(2200)
    before = polls(visitor.page, "/progress")
    visitor.page.wait_for_timeout(5000)
    assert polls(visitor.page, "/progress") <= before
    work.report(2, {"train/loss": 0.5})
    with visitor.page.expect_request("**/progress*", timeout=1500):  # asked at once, not at the next tick
        visitor.page.evaluate(hide, False)
    shown(visitor.page, 2)
    assert visitor.complaints == []
    visitor.context.close()


def test_long_numbers_stand_whole_beside_their_axis(browser: Browser, site: Site) -> None:
    work = Work(site, "houses")
    for step in (1, 100_000, 200_000):
        work.report(step, {"train/loss": 120_000 / step + 100_000, "val/rmse": 98_765 + 1e5 / step})
    visitor = opened(browser, work)
    shown(visitor.page, 200_000)
    cut = """[...document.querySelectorAll('run-curve .frame svg')].flatMap(svg =>
        [...svg.querySelectorAll('text.axis')].filter(text => {
            const box = text.getBoundingClientRect(), frame = svg.getBoundingClientRect();
            return box.left < frame.left - 0.5 || box.right > frame.right + 0.5; })
        .map(text => text.textContent))"""
    assert visitor.page.evaluate(cut) == []
    rmse = visitor.page.locator("run-curve[label='RMSE']")
    assert any(mark.endswith("K") for mark in rmse.locator("text.axis").all_text_contents())
    for step in (1, 100_000, 200_000):
        work.report(step, {"val/rmse": 100_000 + step / 1000})
    rmse.locator("text.axis").get_by_text("100,100").wait_for()  # not five times the same 100K
    marks = rmse.locator("text.axis[text-anchor='end']").all_text_contents()
    assert len(set(marks)) == len(marks)
    assert visitor.page.evaluate(cut) == []
    assert visitor.complaints == []
    visitor.context.close()


def test_the_log_is_searched_without_script_too(browser: Browser, site: Site) -> None:
    work = Work(site, "search")
    work.report(1, {"train/loss": 1.0}, *[f"line {n}" for n in range(30)], "ValueError: a <b>needle</b>")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.hub.url}/runs/{work.run}")
    page.get_by_label("Search the log").fill("needle")
    page.get_by_label("Search the log").press("Enter")
    assert page.locator("#log mark").inner_text() == "needle"
    assert "line 29" in page.locator("#log").inner_text()
    assert "line 3\n" not in page.locator("#log").inner_text()
    context.close()


def test_a_search_stays_while_the_run_goes_on(browser: Browser, site: Site) -> None:
    work = Work(site, "follow")
    work.report(1, {"train/loss": 1.0}, "a needle", *[f"line {n}" for n in range(9)])
    visitor = opened(browser, work, "?q=needle")
    work.report(2, {"train/loss": 0.9}, "another needle")
    visitor.page.locator("#log mark").nth(1).wait_for()
    assert "line 5" not in visitor.page.locator("#log").inner_text()
    work.finish(outcome="canceled")
    visitor.page.get_by_text("The run was canceled.").wait_for()
    assert visitor.page.locator("#log mark").count() == 2
    assert visitor.complaints == []
    visitor.context.close()


def test_runs_are_picked_in_the_list_and_compared(browser: Browser, site: Site) -> None:
    first, second = Work(site, "pick-a"), Work(site, "pick-b")
    for work, factor in ((first, 1.0), (second, 2.0)):
        for step in (10, 20, 30):
            work.report(step, {"train/loss": factor / step, "val/loss": factor / step})
    visitor = visit(browser, site.hub.url, width="phone")
    visitor.go("/runs?search=pick-")
    page = visitor.page
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("heading", name="Compare runs").wait_for()
    page.locator("run-curve[data-step='30']").first.wait_for()
    curve = page.locator("run-curve").first
    assert curve.locator(".frame path.series").count() == 2
    colours = page.evaluate(
        "[...document.querySelectorAll('run-curve')][0].querySelectorAll('path.series').values()"
        ".map(path => getComputedStyle(path).stroke).toArray()"
    )
    assert len(set(colours)) == 2
    assert {text.split()[0] for text in curve.locator(".key span").all_inner_texts()} == {"pick-a", "pick-b"}
    first.report(40, {"val/loss": 0.02})
    page.locator("run-curve[data-step='40']").first.wait_for()  # it goes on, and is followed
    assert visitor.overflow() <= 0
    assert visitor.complaints == []
    visitor.context.close()
