"""How quickly pages stand still: largest contentful paint, layout shift, bytes on the way.

    python -m bench.pages [--url http://127.0.0.1:8000] [--loads 5]

Chromium opens the front page, a list, a model, a run and a board of the demo, each time with an empty cache,
on a desk and on a phone, and its own observers tell when the largest part was drawn and by how much parts
moved. Bytes are those of the answers' bodies as they came over the line. Without --url a hub with the demo is
started first.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench import report
from bench.hub import ROOT, free_port
from tests.browser.conftest import FLAGS, WIDTHS
from tests.browser_at_hand import bundled_browser, system_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Response

MOST_LCP, MOST_CLS, MOST_KB = 1.0, 0.02, 150
DEMO_SECONDS = 900
SETTLE_MS = 1500
KINDS = ("document", "stylesheet", "script")
_WATCH = """
window.seen = { lcp: 0, cls: 0, what: "" };
new PerformanceObserver(list => { for (const e of list.getEntries()) {
  seen.lcp = e.startTime; seen.what = `${e.element?.tagName ?? ""}.${e.element?.className ?? ""}`;
} }).observe({ type: "largest-contentful-paint", buffered: true });
new PerformanceObserver(list => {
  for (const e of list.getEntries()) if (!e.hadRecentInput) seen.cls += e.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@contextmanager
def demo_hub() -> Iterator[str]:
    """`manage.py serve --demo` on an empty directory, once its runs are done; its address."""
    folder, port = Path(tempfile.mkdtemp(prefix="tuneyard-pages-")), free_port()
    command = [sys.executable, "manage.py", "serve", "--demo", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data-dir", str(folder / "data")], cwd=ROOT, stdout=log, stderr=log
        )
    try:
        _wait_for_demo(f"http://127.0.0.1:{port}", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_demo(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + DEMO_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if get(f"{url}/runs").count('class="badge good"') >= 2:
                return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(2)
    raise SystemExit(f"The demo was not ready in time:\n{log.read_text()[-2000:]}")


def get(address: str) -> str:
    """A page's text."""
    with urllib.request.urlopen(address, timeout=20) as answer:
        return str(answer.read().decode())


def places(url: str) -> dict[str, str]:
    """The pages: a model that a run made, that run, a board with results."""
    run = re.search(r'href="(/runs/[0-9a-f-]{36})"', get(f"{url}/runs"))
    board = re.search(r'href="(/leaderboards/[\w.-]+/[\w.-]+)"', get(f"{url}/leaderboards"))
    models = [one["id"] for one in json.loads(get(f"{url}/api/models?limit=50"))]
    if run is None or board is None or not models:
        raise SystemExit(f"{url} has no model, run and board to look at: load the demo first.")
    made = re.findall(r'href="/([\w.-]+/[\w.-]+)"', get(url + board[1]))
    model = next((one for one in made if one in models), models[0])
    return {"home": "/", "list": "/models", "model": f"/{model}", "run": run[1], "board": board[1]}


def load(browser: Browser, address: str, width: str) -> dict[str, Any]:
    """One load with an empty cache: what the observers saw, and every answer's bytes."""
    wide, high = WIDTHS[width]
    context = browser.new_context(viewport={"width": wide, "height": high})
    page, answers = context.new_page(), list[Any]()
    page.on("response", lambda response: answers.append(response))
    page.add_init_script(_WATCH)
    page.goto(address, wait_until="load")
    page.wait_for_timeout(SETTLE_MS)
    seen: dict[str, Any] = page.evaluate("seen")
    seen["bytes"] = dict.fromkeys(KINDS, 0)
    for answer in answers:
        kind = answer.request.resource_type
        if kind in KINDS:
            seen["bytes"][kind] += answer.request.sizes()["responseBodySize"]
    seen["requests"] = len(answers)
    seen["foreign"] = sorted(_foreign(answers, address))
    context.close()
    return seen


def _foreign(answers: list[Response], address: str) -> set[str]:
    home = urlsplit(address).netloc
    hosts = {
        urlsplit(answer.url).netloc for answer in answers if not answer.url.startswith(("data:", "blob:"))
    }
    return hosts - {home}


def measure(url: str, loads: int) -> dict[str, Any]:
    """Every page, `loads` times on each screen, after one that is not counted."""
    from playwright.sync_api import sync_playwright

    found: dict[str, Any] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=system_browser() or bundled_browser() or None, args=FLAGS
        )
        for name, path in places(url).items():
            load(browser, url + path, "desk")
            found[name] = {
                width: [load(browser, url + path, width) for _ in range(loads)] for width in WIDTHS
            }
            print(f"{name}: {path}")
        browser.close()
    return found


def rows(found: dict[str, Any]) -> list[list[str]]:
    """A line a page and screen: median and worst."""
    told = []
    for name, screens in found.items():
        for width, seen in screens.items():
            paints = [one["lcp"] / 1000 for one in seen]
            weight = sum(seen[-1]["bytes"].values()) / 1000
            told.append([
                name, width, f"{statistics.median(paints):.2f} s", f"{max(paints):.2f} s",
                f"{max(one['cls'] for one in seen):.4f}", f"{weight:.0f} kB", str(seen[-1]["requests"]),
            ])  # fmt: skip
    return told


def misses(found: dict[str, Any]) -> list[str]:
    """What does not hold of what is promised."""
    missed = []
    for name, screens in found.items():
        for width, seen in screens.items():
            if statistics.median(one["lcp"] for one in seen) >= MOST_LCP * 1000:
                missed.append(f"{name} on a {width}: largest paint after {MOST_LCP} s")
            if max(one["cls"] for one in seen) >= MOST_CLS:
                missed.append(f"{name} on a {width}: parts move")
            if name == "model" and sum(seen[-1]["bytes"].values()) >= MOST_KB * 1000:
                missed.append(f"{name} on a {width}: over {MOST_KB} kB")
            missed += [f"{name} asks {host}" for one in seen for host in one["foreign"]]
    return sorted(set(missed))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", help="a running hub with the demo")
    parser.add_argument("--loads", type=int, default=5)
    options = parser.parse_args()
    if options.url:
        found = measure(options.url.rstrip("/"), options.loads)
    else:
        with demo_hub() as url:
            found = measure(url, options.loads)
    where, missed = report.machine(), misses(found)
    head = ["page", "screen", "LCP, median", "LCP, worst", "CLS, worst", "HTML + CSS + JS", "requests"]
    verdict = "Everything holds." if not missed else "Missed: " + "; ".join(missed) + "."
    told = [
        "# How quickly pages stand still",
        "",
        f"`python -m bench.pages --loads {options.loads}` · {where['when']} · {where['processor']}, "
        f"{where['cores']} cores",
        "",
        (__doc__ or "").split("\n\n")[2].strip(),
        "",
        report.table(head, rows(found)),
        "",
        f"Promised: LCP below {MOST_LCP:g} s, CLS below {MOST_CLS}, the model page below {MOST_KB} kB "
        f"compressed, every request to the hub itself. {verdict}",
    ]
    report.write("pages", {"machine": where, "pages": found}, "\n".join(told))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
