"""Finds a browser for the stories, or has Playwright fetch one; where neither works the stories skip."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def system_browser() -> str | None:
    """The path of a Chromium on this machine: CHROMIUM, then the usual names."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if os.access(named, os.X_OK) else None
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or (_MAC if os.access(_MAC, os.X_OK) else None)


def bundled_browser() -> str | None:
    """The Chromium that `playwright install` fetched earlier, if any."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


def main() -> None:
    if system_browser() or bundled_browser():
        return
    print("No browser found: asking Playwright for one.")
    try:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], timeout=300, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"None could be had ({error}): the browser stories will be skipped.")


if __name__ == "__main__":
    main()
