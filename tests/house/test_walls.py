"""Import directions, migrations in step, the lock and the version: what holds the house together."""

from __future__ import annotations

import re
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import call_command

from tests.house.sources import ROOT


def test_imports_go_downhill_only() -> None:
    code = "from importlinter.cli import lint_imports_command as lint; lint()"
    command = [sys.executable, "-c", code, "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_the_web_starts_without_torch_or_the_client() -> None:
    code = (
        "import sys, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'\n"
        "import hub.wsgi, hub.celery\n"
        "heavy = ('torch', 'torchvision', 'timm', 'huggingface_hub', 'safetensors')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip().splitlines()[-1:] == ["[]"], done.stdout + done.stderr[-2000:]


@pytest.mark.django_db
def test_migrations_are_in_step_with_the_tables() -> None:
    out = StringIO()
    call_command("makemigrations", check=True, dry_run=True, stdout=out)


def test_the_lock_is_exact_and_names_no_host() -> None:
    for lock in ("requirements.lock", "requirements-demo.txt"):
        text = (ROOT / lock).read_text()
        lines = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
        assert lines
        assert [line for line in lines if not re.match(r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?==\S+", line)] == []
        assert "://" not in text
        assert "--index" not in text


def test_the_lock_holds_every_dependency() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [
        one for group in project["optional-dependencies"].values() for one in group
    ]
    locked = {
        re.split(r"[=\[ ]", line)[0].lower().replace("_", "-")
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if "==" in line
    }
    names = {re.split(r"[^A-Za-z0-9._-]", one)[0].lower().replace("_", "-") for one in wanted}
    assert names - locked == set()


def test_the_changelog_and_the_distribution_agree_on_the_version() -> None:
    import tomllib

    from django.conf import settings

    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == settings.VERSION
