"""What operators set is what the documentation says they can set."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.house.sources import ROOT

SETTINGS_PAGE = ROOT / "docs/admins/settings.md"


def _read_variables() -> set[str]:
    """Every environment variable that the hub or its worker reads."""
    by_hub = re.compile(r"""env_\w+\(\s*["'](HUB_\w+)["']""")
    by_worker = re.compile(r"""["'](HUB_\w+)["']""")
    found = set(by_hub.findall((ROOT / "hub/settings.py").read_text()))
    for path in (ROOT / "training").rglob("*.py"):
        found |= set(by_worker.findall(path.read_text()))
    secrets = set(re.findall(r"""env_secret\(["'](HUB_\w+)["']""", (ROOT / "hub/settings.py").read_text()))
    return found | {f"{name}_FILE" for name in secrets}


def test_every_variable_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"^\| `(HUB_\w+)`", SETTINGS_PAGE.read_text(), re.M))
    assert documented == _read_variables()


def test_every_option_of_provision_is_documented() -> None:
    shown = subprocess.run(
        [sys.executable, "manage.py", "provision", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    django_own = {"--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback"}
    django_own |= {"--no-color", "--force-color", "--skip-checks"}
    options = set(re.findall(r"--[a-z][a-z-]+", shown.split("Options belong")[0])) - django_own
    page = (ROOT / "docs/admins/provision.md").read_text()
    assert {option for option in options if f"`{option}" not in page} == set()


def test_every_make_verb_of_the_documents_exists() -> None:
    verbs = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.M))
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        verb for page in pages if page.exists() for verb in re.findall(r"`make ([a-z]+)", page.read_text())
    }
    assert named - verbs == set()
