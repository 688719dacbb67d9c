"""Twelve pages of the demo in two themes and two languages: `python -m tests.browser.screenshots`.

Starts a hub with its demo in a directory of its own (or looks at `--url`), waits until both demo runs are
done, and writes `docs/screenshots/<page>-<theme>-<language>.webp`.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.conftest import FLAGS
from tests.browser_at_hand import bundled_browser, system_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "screenshots"
SIZE = (1280, 800)
QUALITY = 82
THEMES = ("light", "dark")
LANGUAGES = {"en": "en", "zh": "zh-CN"}
BASE, TUNED, DATA = "demo/mobilenetv2-imagenet", "demo/mnist-mobilenetv2", "demo/mnist-5k"
TUTORIALS = {"en": "ten-minutes-to-a-model", "zh": "shi-fen-zhong-wei-tiao"}
# page: its address; `{run}` is the demo's run, `{tutorial}` the tutorial of the language
PAGES = {
    "home": "/",
    "models": "/models",
    "model": f"/{TUNED}",
    "files": f"/{TUNED}/tree/main",
    "run": "/runs/{run}",
    "board": f"/leaderboards/{DATA}",
    "compare": f"/compare?model={TUNED}&model=demo/mnist-from-scratch",
    "recipe": "/recipes/demo/quick-digits",
    "thread": f"/{BASE}/discussions/1",
    "tutorial": "/tutorials/demo/{tutorial}",
    "finetune": f"/{BASE}/finetune",
    "help": "/docs",
}
DEMO_SECONDS = 600


def main() -> int:
    """Write all pictures; 1 where a page did not answer 200."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a running hub whose demo is done (default: one of its own)")
    parser.add_argument("--pages", nargs="*", choices=PAGES, default=list(PAGES), metavar="PAGE")
    chosen = parser.parse_args()
    if chosen.url:
        return take_all(chosen.url.rstrip("/"), chosen.pages)
    with demo_hub() as url:
        return take_all(url, chosen.pages)


def take_all(url: str, pages: list[str]) -> int:
    """Every page in every theme and language, as the person `demo` sees it."""
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(parents=True, exist_ok=True)
    run = wait_for_demo(url)
    missing = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=system_browser() or bundled_browser(), args=FLAGS
        )
        for theme in THEMES:
            for language, locale in LANGUAGES.items():
                page = _signed_in(browser, url, theme, locale)
                for name in pages:
                    address = PAGES[name].format(run=run, tutorial=TUTORIALS[language])
                    missing += not _take(page, url + address, FOLDER / f"{name}-{theme}-{language}.webp")
                page.context.close()
        browser.close()
    return 1 if missing else 0


def _signed_in(browser: Browser, url: str, theme: str, locale: str) -> Page:
    size = {"width": SIZE[0], "height": SIZE[1]}
    context = browser.new_context(viewport=size, color_scheme=theme, locale=locale)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{url}/login")
    page.locator("main [name=username]").fill("demo")
    page.locator("main [name=password]").fill("demo-tuneyard")
    page.locator("main form button[type=submit]").click()
    page.wait_for_load_state("networkidle")
    return page


def _take(page: Page, address: str, path: Path) -> bool:
    from PIL import Image

    answer = page.goto(address)
    page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide")))
    picture.convert("RGB").save(path, "WEBP", quality=QUALITY, method=6)
    status = answer.status if answer else 0
    print(f"{status} {path.relative_to(ROOT)} {path.stat().st_size // 1024} kB", flush=True)
    return status == 200


@contextmanager
def demo_hub() -> Iterator[str]:
    """A hub with the demo on a port of its own; stopped in good order."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="tuneyard-pictures-") as folder:
        command = [sys.executable, "manage.py", "serve", "--demo", "--port", str(port), "--data-dir", folder]
        environment = {name: text for name, text in os.environ.items() if not name.startswith("HUB_")}
        with Path(folder, "hub.log").open("wb") as log:
            child = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(60)


def wait_for_demo(url: str) -> str:
    """The id of the run that made the demo's model, once both demo runs are done."""
    import json

    deadline = time.monotonic() + DEMO_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/api/runs?limit=50", timeout=10) as answer:
                runs = json.load(answer)
        except OSError:
            runs = []
        ended = [run for run in runs if run["stage"] == "COMPLETED" and run["target"]]
        done = {run["target"]["repo"]: run["id"] for run in ended}
        if {TUNED, "demo/mnist-from-scratch"} <= set(done):
            return str(done[TUNED])
        time.sleep(2)
    raise SystemExit(f"The demo of {url} was not done within {DEMO_SECONDS} s.")


if __name__ == "__main__":
    sys.exit(main())
